"""Starts a run in a process of its own, kills it at a random moment, and looks what is left."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

from storno.storage.migrate import init

from .books import Input, faults, write_input
from .victim import LEASE_SECONDS

RECORDS = 1_500
PATIENCE_SECONDS = 120.0
"""How long a process may take to say something, before the trial itself counts as failed."""

ROOT = Path(__file__).parents[2]


class Victim:
    """A run in a process of its own, and what it says."""

    def __init__(self, url: str, folder: Path, run: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.victim", url, str(folder), run],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self._out: IO[bytes] = self.process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._buffer = b""
        self._said = b""
        self.read = 0
        self.ended = False

    def listen(self, seconds: float) -> None:
        """Take in what it says for so long, or until it ends."""
        until = time.monotonic() + seconds
        while not self.ended and (left := until - time.monotonic()) > 0:
            if not self._selector.select(left):
                return
            self._take(os.read(self._out.fileno(), 65_536))

    def begin(self) -> None:
        """Listen until it says that its attempt began, or it ends."""
        until = time.monotonic() + PATIENCE_SECONDS
        while b"attempt" not in self._said and not self.ended and time.monotonic() < until:
            self.listen(0.5)

    def finish(self) -> tuple[int, str]:
        """Listen to its end; its exit code, and what it complained about."""
        self.listen(PATIENCE_SECONDS)
        complaint = self.process.stderr.read().decode() if self.process.stderr else ""
        return self.process.wait(PATIENCE_SECONDS), complaint

    def kill(self) -> None:
        """End it as a power cut would, and take in what it had said."""
        self.process.kill()
        self.finish()

    def pause(self) -> None:
        """Stop it in its tracks."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def _take(self, data: bytes) -> None:
        if not data:
            self.ended = True
            return
        self._said += data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"read":
                self.read = int(value)


@dataclass(slots=True)
class Tally:
    """What a trial came to.

    Attributes:
        kills: processes killed while they worked.
        runs: runs that came to their end.
        problems: what was wrong, in words; a trial is good when there is none.
    """

    kills: int = 0
    runs: int = 0
    pauses: int = 0
    restarts: int = 0
    problems: list[str] = field(default_factory=list)


class Trial:
    """Runs after runs into one store after another, until enough were killed.

    Args:
        new_store: gives the URL of an empty database.
        restart: restarts the database server; None where there is none.
    """

    def __init__(
        self, new_store: Callable[[Path], str], random: Random, restart: Callable[[], None] | None
    ) -> None:
        self.new_store = new_store
        self.random = random
        self.restart = restart
        self.tally = Tally()

    def go(self, kills: int, report: Callable[[Tally], None]) -> Tally:
        """Kill until there were so many kills, and every run is at its end."""
        while self.tally.kills < kills and not self.tally.problems:
            with tempfile.TemporaryDirectory(prefix="storno-torture-") as folder:
                self._one_run(Path(folder), kills, report)
        return self.tally

    def _one_run(self, folder: Path, kills: int, report: Callable[[Tally], None]) -> None:
        run = f"r{self.tally.runs:04d}"
        given = write_input(folder, run, RECORDS, self.random)
        url = self.new_store(folder)
        init(url)
        acknowledged = 0
        while not self.tally.problems:
            victim = Victim(url, folder, run)
            completed = False
            if self.tally.kills >= kills:
                completed = self._let_finish(victim)
            else:
                self._disturb(victim, url, folder, run)
                if victim.ended and victim.process.poll() is None:
                    victim.finish()
                completed = victim.process.poll() == 0
                if victim.process.poll() is None:
                    victim.kill()
                    self.tally.kills += 1
            acknowledged = max(acknowledged, victim.read)
            self._look(url, run, given, acknowledged, completed)
            report(self.tally)
            if completed:
                self.tally.runs += 1
                return

    def _let_finish(self, victim: Victim) -> bool:
        code, complaint = victim.finish()
        if code != 0:
            self.tally.problems.append(
                f"a run that nobody disturbed ended with {code}: {complaint}"
            )
        return code == 0

    def _disturb(self, victim: Victim, url: str, folder: Path, run: str) -> None:
        """Do something to it at some moment; whoever is not dead after that is killed."""
        dice = self.random.random()
        if dice < 0.15:  # anywhere, also while it starts
            victim.listen(self.random.uniform(0.0, 0.6))
            return
        victim.begin()
        victim.listen(self.random.expovariate(1 / 0.12))
        if dice < 0.18:
            self._overtake(victim, url, folder, run)
        elif dice < 0.24 and self.restart is not None:
            self.restart()
            self.tally.restarts += 1
            victim.listen(self.random.uniform(0.0, 1.0))

    def _overtake(self, victim: Victim, url: str, folder: Path, run: str) -> None:
        """Stop it past its lease, let another process take the run over, and wake it up."""
        if victim.ended:
            return
        victim.pause()
        victim.listen(LEASE_SECONDS * 1.5)
        other = Victim(url, folder, run)
        code, complaint = other.finish()
        victim.go_on()
        victim.finish()
        self.tally.pauses += 1
        if code != 0 and "Busy" not in complaint:
            self.tally.problems.append(f"a run could not be taken over ({code}): {complaint}")
        victim.read = max(victim.read, other.read)

    def _look(self, url: str, run: str, given: Input, acknowledged: int, completed: bool) -> None:
        found = faults(url, run, given, acknowledged, completed=completed)
        self.tally.problems += [f"run {run}: {fault}" for fault in found]
