"""Asks a server that forks for a command, and is to those who started it what that is.

Run as a script, with as few imports as can be, where a shell looks for the command (`forking`
writes what starts it): the socket's number and inode, the script to run, and its words. It hands
on what it was started with, and signals; it ends with the command, and the command with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

INTEGER = struct.Struct("i")
HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(server: str, inode: str, *command: str) -> None:
    """Run a script, forked if the server can be asked from here."""
    if not is_open(int(server), int(inode)):
        os.execv(command[0], command)
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(socket.socket(fileno=int(server)), [b"."], [theirs.fileno(), 0, 1, 2])
    wanted = {
        "command": command,
        "cwd": str(Path.cwd()),
        "env": dict(os.environ),
        "start_new_session": False,
        "process_group": None,
    }
    ours.sendall(json.dumps(wanted).encode() + b"\n")
    (pid,) = INTEGER.unpack(ours.recv(INTEGER.size))
    for number in HANDED_ON:
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    (code,) = INTEGER.unpack(ours.recv(INTEGER.size))
    end(code)


def is_open(descriptor: int, inode: int) -> bool:
    """Whether the descriptor is what it was to those who named it: somebody may have closed it."""
    try:
        return os.fstat(descriptor).st_ino == inode
    except OSError:
        return False


def end(code: int) -> None:
    """End with a code, or below zero by a signal."""
    if code < 0:
        with suppress(OSError):  # some are always what they are
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
