"""Forks the commands that tests run, from one interpreter that has imported what they need.

A process of its own for each process that runs tests (`forking` starts it and asks it): half a
second to a whole one of every command is the start of an interpreter and its imports. What is
forked is as much a process as any other: it gets its own folder, environment, arguments and
streams, runs a script or, as ``python -m`` does, a module, and ends as an interpreter ends. It is
killed when nobody waits for its end any more.

Run as a script, so that nothing of the tests is imported here; the number of a socket is given.
Each byte that comes on it brings a socket to answer on, and what are to be stdin, stdout and
stderr; a line of JSON on that socket says what to run. The answers are the process's number, and
when it has ended its exit code, less than zero for a signal: a native int each.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

INTEGER = struct.Struct("i")
IMPORTED = (
    "alembic.autogenerate.api",
    "alembic.command",
    "alembic.runtime.environment",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.x509",
    "cyclopts",
    "importlib.metadata",
    "psycopg",
    "pydantic.dataclasses",
    "pysqlite3.dbapi2",
    "rich.live",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
"""What commands import when they need it, beside the modules of storno."""


def main(control: socket.socket) -> None:
    """Serve until nobody can ask any more; in a forked process, be what was asked for."""
    import_all()
    gc.freeze()
    if asked := Server(control).serve():
        become(**asked)
        end()


def import_all() -> None:
    """Import what commands do, as long as it is there."""
    for package in ("cli", "execution", "storage", "projections", "compensations", "domain"):
        import_below(f"storno.{package}")
    for name in IMPORTED:
        with suppress(ImportError):
            import_module(name)


def import_below(package: str) -> None:
    """Import the modules of a package, but for those that are run, copied or applied."""
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        if not module.name.endswith((".__main__", ".templates", ".migrations")):
            (import_below if module.ispkg else import_module)(module.name)


class Server:
    """Forks what is asked for, and tells how it ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._askers: dict[int, socket.socket] = {}
        self._ended, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self) -> dict[str, Any] | None:
        """Answer until the end; what is to be run in a process that was forked, else None."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake)
        while True:
            waiting = {asker: pid for pid, asker in self._askers.items()}
            ready, _, _ = select.select([self._control, self._ended, *waiting], [], [])
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._tell()
            for pid in [pid for asker, pid in waiting.items() if asker in ready]:
                self._end_unwanted(pid)
            if self._control in ready:
                byte, descriptors, _, _ = socket.recv_fds(self._control, 1, 4)
                if not byte:
                    return None
                if asked := self._fork(*descriptors):
                    return asked

    def _fork(self, asker_number: int, *streams: int) -> dict[str, Any] | None:
        """What is to be run, in the process that was forked."""
        asker = socket.socket(fileno=asker_number)
        with asker.makefile() as lines:
            asked: dict[str, Any] = json.loads(lines.readline())
        pid = os.fork()
        if not pid:
            self._forget()
            asker.close()
            redirect(streams)
            return asked
        for stream in streams:
            os.close(stream)
        self._askers[pid] = asker
        asker.send(INTEGER.pack(pid))
        return None

    def _tell(self) -> None:
        """Tell of each process that has ended."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                if asker := self._askers.pop(pid, None):
                    with asker, suppress(BrokenPipeError):
                        asker.send(INTEGER.pack(os.waitstatus_to_exitcode(status)))

    def _end_unwanted(self, pid: int) -> None:
        """Kill a process whose asker has gone: it says no more after its line."""
        if asker := self._askers.pop(pid, None):
            asker.close()
            os.kill(pid, signal.SIGKILL)

    def _forget(self) -> None:
        """Leave nothing of the server in the process that was forked."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for each in [self._control, *self._askers.values()]:
            each.close()
        os.close(self._ended)
        os.close(self._wake)


def redirect(streams: tuple[int, ...]) -> None:
    """Make them stdin, stdout and stderr, new ones in Python too."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(["stdin", "stdout", "stderr"]):
        new = stream_like(getattr(sys, name), number)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def stream_like(old: io.TextIOWrapper, number: int) -> io.TextIOWrapper:
    """What an interpreter makes of stdin, stdout and stderr: 0, 1 and 2."""
    mode = "w" if number else "r"
    unbuffered = old.write_through
    binary = open(number, f"{mode}b", buffering=0 if number and unbuffered else -1, closefd=False)  # noqa: SIM115
    new = io.TextIOWrapper(
        binary,
        encoding=old.encoding,
        errors=old.errors,
        line_buffering=not unbuffered and (number == 2 or binary.isatty()),
        write_through=unbuffered,
    )
    new.mode = mode  # type: ignore[misc]
    return new


def become(
    command: list[str],
    cwd: str,
    env: dict[str, str],
    start_new_session: bool,
    process_group: int | None,
) -> None:
    """Run what follows on ``python``, in this process: ``-m`` and a module, or a script."""
    if start_new_session:
        os.setsid()
    if process_group is not None:
        os.setpgid(0, process_group)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    path = env.get("PYTHONPATH")
    is_module = command[0] == "-m"
    folder = Path.cwd() if is_module else Path(command[0]).resolve().parent
    sys.path[:1] = [str(folder), *(path.split(os.pathsep) if path else [])]
    sys.argv[:] = ["-m", *command[2:]] if is_module else command
    try:
        if is_module:
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as error:
        end(error.code)
        raise


def end(code: object = 0) -> None:
    """End as an interpreter does, but for the destruction of all that was imported.

    That is half of what a short command takes. Where there is something to say about the end,
    it returns, and the interpreter says it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        if code is None or isinstance(code, int):
            os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
