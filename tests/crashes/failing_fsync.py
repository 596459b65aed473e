"""A disk that fails: from a moment on every fsync of this process answers EIO.

By seccomp, which lets the kernel answer system calls so; for Linux on the processors named below.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# The system calls' numbers: fsync, fdatasync, seccomp.
_NUMBERS = {"x86_64": (74, 75, 317), "aarch64": (82, 83, 277)}

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ANSWER_ERROR = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVILEGES, _SET_FILTER, _IN_ALL_THREADS = 38, 1, 1


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def break_fsync() -> None:
    """Let it fail from now on, for good."""
    fsync, fdatasync, seccomp = _NUMBERS[platform.machine()]
    steps = (
        (_LOAD, 0, 0, 0),  # the call's number
        (_JUMP_IF_EQUAL, 2, 0, fsync),
        (_JUMP_IF_EQUAL, 1, 0, fdatasync),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ANSWER_ERROR | errno.EIO),
    )
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.syscall(seccomp, _SET_FILTER, _IN_ALL_THREADS, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
