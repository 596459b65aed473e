"""Runs that are long from their first commit, and what happens to the process that commits.

A process that is to suffer is started by a script in the place of the interpreter: it arranges the
mishap, and then becomes what it would have been. It starts in each of these tests, so little is
imported here.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fcntl import ioctl
from pathlib import Path
from shlex import quote
from termios import FIONREAD
from typing import Any

import psutil

from storno.execution import committer, writer_process
from storno.execution.writer_process import WriterProcess, _is_readable
from storno.storage import processes
from storno.storage.engine import create_engine

from .mishaps import Mishap, arrange

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
VARIABLE = "CRASH_WRITER"
INTERPRETER = sys.executable
_START = "from tests.crashes.writers import suffer; suffer()"


class Prompt(WriterProcess):
    """Takes orders as soon as it is there, so that every commit of a long run is its own."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        _is_readable(self._answers.fileno(), START_SECONDS)
        assert self.is_ready(), "it does not come to life"


def make_runs_long(patch: Callable[[Any, str, Any], object] = setattr) -> None:
    """From now on a process makes each commit behind the attempt's start."""
    patch(committer, "WORTH_A_PROCESS", 0)
    patch(committer, "WriterProcess", Prompt)
    patch(processes, "cores", lambda: 2)


@dataclass(kw_only=True)
class Suffering:
    """What the process has to put up with.

    Attributes:
        look_seconds: how often it looks whether the run's process lives.
        lock_seconds: how long it waits for the store's lock.
        mishap: what happens to it, if anything.
    """

    look_seconds: float = 600.0
    lock_seconds: float = 30.0
    mishap: Mishap | None = None

    def script(self, folder: Path) -> str:
        """What to start in the place of the interpreter."""
        path = folder / "python"
        values = quote(json.dumps(asdict(self)))
        path.write_text(
            f"#!/bin/sh\nexport {VARIABLE}={values} PYTHONPATH={quote(str(ROOT))}\n"
            f'exec {quote(INTERPRETER)} -c {quote(_START)} "$2"\n'
        )
        path.chmod(0o755)
        return str(path)

    @classmethod
    def read(cls) -> Suffering:
        """From the environment."""
        values = json.loads(os.environ[VARIABLE])
        mishap = values.pop("mishap")
        return cls(**values, mishap=mishap and Mishap(**mishap))


def suffer() -> None:
    """Be the process that commits."""
    case = Suffering.read()
    writer_process._LOOK_SECONDS = case.look_seconds  # type: ignore[misc]
    defaults = create_engine.__kwdefaults__
    assert defaults is not None, "it has one for the lock"
    defaults["lock_timeout_seconds"] = case.lock_seconds
    if case.mishap is not None:
        arrange(case.mishap, Path.cwd())
    exec(sys.argv[1])


def writers(of: int | None = None) -> list[psutil.Process]:
    """The processes that commit for another, this one by default."""
    return [
        each
        for each in psutil.Process(of).children()
        if each.status() != psutil.STATUS_ZOMBIE and _commits(each.cmdline())
    ]


def _commits(words: list[str]) -> bool:
    return any(writer_process.__name__ in word for word in words)


def is_stopped(process: psutil.Process) -> bool:
    """Whether it stands still."""
    return process.status() == psutil.STATUS_STOPPED


def is_gone(process: psutil.Process) -> bool:
    """Whether it ended; nobody may have waited for it yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def has_order(process: psutil.Process) -> bool:
    """Whether there is something in its pipe that it has not read."""
    with Path(f"/proc/{process.pid}/fd/0").open("rb", buffering=0) as pipe:
        return bool(bytes_in(pipe.fileno()))


def bytes_in(pipe: int) -> int:
    """How many bytes a pipe holds."""
    (count,) = struct.unpack("i", ioctl(pipe, FIONREAD, bytes(4)))
    return int(count)


def environment(suffering: Suffering, folder: Path) -> dict[str, str]:
    """For ``tests.crashes.long_payments``: what starts its process that commits."""
    return {"CRASH_INTERPRETER": suffering.script(folder)}
