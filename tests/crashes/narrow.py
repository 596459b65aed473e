"""Disks that are full or cannot be written, as a process finds them."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DROP_FROM_BOUNDING_SET = 24  # prctl
_OVERRIDE_PERMISSIONS = 1  # CAP_DAC_OVERRIDE


def limit_files(pid: int, most_bytes: int) -> None:
    """From now on no file of the process's can be written beyond this size."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


@contextmanager
def small_disk(kilobytes: int) -> Iterator[Path]:
    """A file system of this size.

    Raises:
        PermissionError: this user may not mount one.
    """
    with tempfile.TemporaryDirectory(prefix="storno-disk-") as folder:
        options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
            raise PermissionError("this user may not mount a file system")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill a disk up to so many bytes; gives the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if leave:
        os.truncate(filler, max(0, filler.stat().st_size - leave))
    return filler


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder whose files nobody may write, but for the superuser: see ``obedient``."""
    changed = [folder, *folder.iterdir()]
    modes = [path.stat().st_mode for path in changed]
    for path, mode in zip(changed, modes, strict=True):
        path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    try:
        yield
    finally:
        for path, mode in zip(changed, modes, strict=True):
            path.chmod(mode)


def obedient(command: list[str]) -> list[str]:
    """The command by a user who may not write what is read-only: the superuser may."""
    return [sys.executable, "-m", "tests.crashes.narrow", *command] if not os.geteuid() else command


def _obey(command: list[str]) -> None:
    """Give up the superuser's right for good, and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_DROP_FROM_BOUNDING_SET, _OVERRIDE_PERMISSIONS, 0, 0, 0):
        raise OSError(ctypes.get_errno(), errno.errorcode[ctypes.get_errno()])
    os.execvp(command[0], command)


if __name__ == "__main__":
    _obey(sys.argv[1:])
