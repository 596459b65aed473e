"""Starts Python programs without the start of Python: forked from a server that has imported all.

`run` and `start` are `subprocess.run` and `subprocess.Popen` for ``[sys.executable, "-m", ...]``
and ``[sys.executable, "script.py", ...]``, in a tenth of the time; `on_path` is the same for a
script that a shell is to find. Where an interpreter would have to start in another way than the
tests' own did, where there is no fork, or where coverage has to see an interpreter start, there is
a fresh one: the commands and what comes of them are the same.
"""

from __future__ import annotations

import inspect
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, AnyStr

from .fork_server import INTEGER

SERVER = Path(__file__).with_name("fork_server.py")
ASKER = Path(__file__).with_name("fork_asker.py")
FORKS = hasattr(os, "fork") and "COVERAGE_PROCESS_CONFIG" not in os.environ
_KNOWN = {
    "cwd", "env", "stdin", "stdout", "stderr", "text", "start_new_session", "process_group",
}  # fmt: skip
"""The options that the server knows how to follow."""
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_BIND = inspect.signature(subprocess.Popen._execute_child).bind  # type: ignore[attr-defined]


def run(
    command: Sequence[str], *, timeout: float | None = None, fresh: bool = False, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """As `subprocess.run`, but for its ``capture_output``, ``check`` and ``input``."""
    with start(command, fresh=fresh, **options) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def start(
    command: Sequence[str], *, fresh: bool = False, often: bool = False, **options: Any
) -> subprocess.Popen[Any]:
    """As `subprocess.Popen`.

    Args:
        fresh: for an interpreter that starts anew in any case.
        often: whether so many start with this environment that a server of its own pays.
    """
    can_fork = (
        FORKS
        and not fresh
        and command[0] == sys.executable
        and (command[1] == "-m" or command[1].endswith(".py"))
        and options.keys() <= _KNOWN
        and (often or how_to_start(options.get("env")) == how_to_start())
    )
    return (Forked if can_fork else subprocess.Popen)(command, **options)


def on_path(script: Path, folder: Path, environment: Mapping[str, str]) -> tuple[int, ...]:
    """Make a command in a folder that has a script of Python forked, by the script's name.

    It gets what it is started with to where the script runs, and ends as that ends.

    Args:
        script: the script of the installed command.
        folder: to stand on the PATH; it is made.
        environment: in which interpreters start.

    Returns the descriptors that have to be passed to whoever may start it: without them, the
    installed script runs.
    """
    server = _server(os.getpid(), _key(environment))
    inode = os.fstat(server.fileno()).st_ino
    asks = [sys.executable, "-IS", str(ASKER), f"{server.fileno()}", f"{inode}", str(script)]
    folder.mkdir()
    command = folder / script.name
    command.write_text(f'#!/bin/sh\nexec {shlex.join(asks)} "$@"\n')
    command.chmod(0o755)
    return (server.fileno(),)


class Forked(subprocess.Popen[AnyStr]):
    """A process forked by the server, which is its parent; in all else a Popen."""

    def _execute_child(self, *given: Any) -> None:
        how = _BIND(self, *given).arguments
        given_to_child = (how["p2cread"], how["c2pwrite"], how["errwrite"])
        streams = [own if stream == -1 else stream for own, stream in enumerate(given_to_child)]
        self._asked, theirs = socket.socketpair()
        with theirs:
            server = _server(os.getpid(), _key(how["env"]))
            socket.send_fds(server, [b"."], [theirs.fileno(), *streams])
        self._asked.sendall(_request(how))
        self.pid = self._answer()
        self._child_created = True
        self._close_pipe_fds(*[how[end] for end in _PIPES])  # type: ignore[attr-defined]

    def _wait(self, timeout: float | None) -> int:
        with self._waitpid_lock:  # type: ignore[attr-defined]
            if self.returncode is None:
                self._asked.settimeout(timeout)
                try:
                    self.returncode = self._answer()
                except (BlockingIOError, TimeoutError):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0.0) from None
                self._asked.close()
        return self.returncode

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        lock = self._waitpid_lock  # type: ignore[attr-defined]
        if self.returncode is None and lock.acquire(blocking=False):
            try:
                self._asked.setblocking(False)
                self.returncode = self._answer()
                self._asked.close()
            except BlockingIOError:
                pass
            except OSError:
                self.returncode = _deadstate
            finally:
                lock.release()
        return self.returncode

    def _answer(self) -> int:
        answer = self._asked.recv(INTEGER.size)
        if not answer:
            raise ConnectionError("the server that forks processes has ended; see its stderr")
        (number,) = INTEGER.unpack(answer)
        return int(number)


def _request(how: Mapping[str, Any]) -> bytes:
    wanted = {
        "command": how["args"][1:],
        "cwd": os.fspath(how["cwd"] or Path.cwd()),
        "env": dict(os.environ if how["env"] is None else how["env"]),
        "start_new_session": how["start_new_session"],
        "process_group": None if how["process_group"] == -1 else how["process_group"],
    }
    return json.dumps(wanted).encode() + b"\n"


@cache
def _server(pid: int, how: tuple[tuple[str, str], ...]) -> socket.socket:
    """A socket to the server, which ends when this process does.

    There is one for each process, and for each way in which interpreters start.
    """
    ours, theirs = socket.socketpair()
    others = {name: value for name, value in os.environ.items() if name not in how_to_start()}
    with theirs:
        subprocess.Popen(
            [sys.executable, str(SERVER), str(theirs.fileno())],
            env=others | dict(how),
            pass_fds=[theirs.fileno()],
        )
    return ours


def _key(environment: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(how_to_start(environment).items()))


def how_to_start(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What an interpreter reads while it starts; the server adds what stands in PYTHONPATH."""
    read = ("LANG", "LC_", "LD_", "PYTHON")
    return {
        name: value
        for name, value in (os.environ if environment is None else environment).items()
        if name.startswith(read) and name != "PYTHONPATH"
    }
