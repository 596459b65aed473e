"""A victim, as whoever torments it sees it.

Victims are forked by a server that has storno imported, for starting is most of a short life: but
each is a process of its own, that is killed, stopped and waited for like any other.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil

from . import clerk, victim

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0
"""How long a process may take to say something, before the trial itself counts as failed."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        victim.__name__,
        clerk.__name__,
        "pysqlite3",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite.pysqlite",
        "storno.storage.postgresql",
    ]
)


class Mortal:
    """Something at work in a process of its own, and what it says.

    Attributes:
        read: how many records the store told it are committed.
        ended: whether the process is no more.
    """

    def __init__(self, work: Callable[..., None], *about: Any) -> None:
        mouth, its_end = os.pipe()
        self._mouth: Connection | None = Connection(mouth, writable=False)
        with Connection(its_end, readable=False) as its_mouth:
            self._process = _PROCESSES.Process(target=work, args=(its_mouth, *about))
            self._process.start()
        self._said = b""
        self.read = 0
        self.ended = False

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it goes on."""
        return self._process.exitcode if self.ended else None

    def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Take in what it says for so long, or until something is so, or until it ends."""
        deadline = time.monotonic() + seconds
        while not self.ended and not until() and (left := deadline - time.monotonic()) > 0:
            # Its children may have its mouth as well: that nobody speaks any more says nothing.
            ready = wait([each for each in (self._mouth, self._process.sentinel) if each], left)
            if self._mouth is not None and self._mouth in ready:
                self._take(os.read(self._mouth.fileno(), 65_536))
            elif ready:
                self.ended = True

    def begin(self) -> None:
        """Listen until it says that its attempt began, or it ends."""
        self.listen(PATIENCE_SECONDS, lambda: b"attempt" in self._said)

    def reach(self, records: int) -> None:
        """Listen until so many records are committed, or it ends."""
        self.listen(PATIENCE_SECONDS, lambda: self.read >= records)

    def finish(self) -> tuple[int, str]:
        """Listen to its end; its exit code, and what it complained about."""
        self.listen(PATIENCE_SECONDS)
        if not self.ended:
            self.kill()
            return -signal.SIGKILL, f"it did not end within {PATIENCE_SECONDS:g} seconds"
        assert self.code is not None
        return self.code, self.complaint

    def kill(self) -> None:
        """End it as a power cut would, and take in what it had said."""
        self._process.kill()
        self.listen(PATIENCE_SECONDS)

    def children(self) -> list[psutil.Process]:
        """Its own processes that commit for it.

        Not those that it forks to try a record that may be deadly: who kills one of these is
        taken for that record.
        """
        with suppress(psutil.NoSuchProcess):
            itself = psutil.Process(self.pid)
            words = itself.cmdline()
            return [child for child in itself.children() if _words(child) not in ([], words)]
        return []

    def pause(self) -> None:
        """Stop it in its tracks."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def complaint(self) -> str:
        """What it said beside what it has to say."""
        lines = self._said.decode().splitlines()
        return "\n".join(line for line in lines if line.partition(" ")[0] not in victim.WORDS)

    def _take(self, data: bytes) -> None:
        if not data:
            self._mouth = None
            return
        self._said += data
        if reads := re.findall(rb"^read (\d+)\n", self._said, re.MULTILINE):
            self.read = int(reads[-1])


class Victim(Mortal):
    """A run."""

    def __init__(self, url: str, folder: Path, run: str, effort: int = 0) -> None:
        super().__init__(victim.speak, url, str(folder), run, effort)


class Clerk(Mortal):
    """Somebody who does one thing about a run, or about what it posted."""

    def __init__(self, url: str, folder: Path, deed: clerk.Deed, effort: int = 0) -> None:
        super().__init__(clerk.speak, url, str(folder), deed, effort)


def _words(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def lives(process: psutil.Process) -> bool:
    """Whether it does; one that nobody collects does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def await_end(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until they are gone; gives those that are still there after a long time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (alive := list(filter(lives, processes))) and time.monotonic() < deadline:
        time.sleep(0.005)  # not our children: nothing tells when they are gone
    return alive
