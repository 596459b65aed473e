"""Starts a run in a process of its own, kills it at a random moment, and looks what is left."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

import psutil

from storno.cli.errors import CONFLICT, DONE, FAILED
from storno.domain.errors import StoreBusyError, StoreUnavailableError
from storno.storage.migrate import init

from .books import RECORDS, faults, write_input
from .process import PATIENCE_SECONDS, Mortal, Victim, await_end
from .victim import EFFORT, LEASE_SECONDS


@dataclass(slots=True)
class Tally:
    """What a trial came to; its numbers are reported by these names, but for those that are 0.

    Attributes:
        kills: processes killed while they worked.
        runs: runs that came to their end.
        lives: stores in which postings were taken back, to their end.
        reversals: reversals that came to their end.
        killed_taking_back: of the kills, those of a process that executed a reversal.
        killed_retrying: those of one that tried dead letters again.
        overtaken: stopped past their lease, and woken up when another had taken over.
        rivals: two processes that did the same at once.
        server_restarts: crashes of the server under a process that worked.
        cut_off: of those, the processes that gave up; what they did was done again.
        writers_killed: processes killed that committed for another, which went on by itself.
        writers_orphaned: processes that committed for another that was killed.
        full_disks: runs whose disk got full under them, mended and resumed.
        read_only: runs that might not write any more, mended and resumed.
        problems: what was wrong, in words; a trial is good when there is none.
    """

    kills: int = 0
    runs: int = 0
    lives: int = 0
    reversals: int = 0
    killed_taking_back: int = 0
    killed_retrying: int = 0
    overtaken: int = 0
    rivals: int = 0
    server_restarts: int = 0
    cut_off: int = 0
    writers_killed: int = 0
    writers_orphaned: int = 0
    full_disks: int = 0
    read_only: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = [each.name for each in fields(self) if each.name != "problems"]
        return ", ".join(
            f"{getattr(self, name)} {name.replace('_', ' ')}"
            for name in numbers
            if getattr(self, name) or name == "kills"
        )


Report = Callable[[Tally], None]
Restart = Callable[[], None]


class Life(Protocol):
    """What is done in one store."""

    def live(self, kills: int, report: Report) -> None:
        """Disturb it until there were so many kills, and come to its end all the same."""


class Torture:
    """Lives in one store after another, until enough were killed.

    Args:
        new_store: gives the URL of an empty database.
        restart: restarts the database server; None where there is none.
        tally: counted into.
        life: what is done in a store.
    """

    def __init__(
        self,
        new_store: Callable[[Path], str],
        random: Random,
        restart: Restart | None,
        tally: Tally,
        life: Callable[[Torment, Path, str], Life],
    ) -> None:
        self.new_store = new_store
        self.torment = Torment(random, restart, tally)
        self.life = life

    def go(self, kills: int, report: Report) -> None:
        """Kill until there were so many kills, and every life is at its end."""
        tally = self.torment.tally
        while tally.kills < kills and not tally.problems:
            # What an orphan may still be at is no reason to fail.
            with tempfile.TemporaryDirectory(
                prefix="storno-torture-", ignore_cleanup_errors=True
            ) as folder:
                url = self.new_store(Path(folder))
                init(url)
                self.life(self.torment, Path(folder), url).live(kills, report)


class Attempt(NamedTuple):
    """How an attempt ended.

    Attributes:
        code: its exit code, below 0 where it was killed.
        complaint: what it said beside what it has to say.
        read: how many records the store told it, or who took over, are committed.
        alone: whether nobody else did the same meanwhile.
    """

    code: int | None
    complaint: str
    read: int
    alone: bool


class Start(NamedTuple):
    """How to start something that is to be tormented.

    Attributes:
        process: starts it, with so much effort for each record.
        fine: the exit codes that it may end with, of its own accord.
        may_be_cut_off: whether it may give up where the server is restarted, to be done again.
        seconds: in which it comes to its end, roughly; with and without effort.
        rivals: whether another may do the same at the same time.
    """

    process: Callable[[int], Mortal]
    fine: tuple[int, ...] = (DONE,)
    may_be_cut_off: bool = False
    seconds: tuple[float, float] = (1.2, 0.3)
    rivals: bool = False


class Torment:
    """What is done to processes, and what came of it.

    Args:
        restart: restarts the database server; None where there is none.
        tally: counted into.
    """

    def __init__(self, random: Random, restart: Restart | None, tally: Tally) -> None:
        self.random = random
        self.tally = tally
        self._restart = restart
        self._orphans: list[psutil.Process] = []
        self._killed: set[Mortal] = set()
        self._read = 0
        self._alone = True

    def attempt(self, start: Start, *, disturbed: bool) -> Attempt:
        """Start it, and disturb it or let it be."""
        effort = self.random.choice((0, EFFORT)) if disturbed else 0
        self._read, self._alone = 0, True
        self._killed.clear()
        mortal = start.process(effort)
        try:
            fine = self._disturb(mortal, start, slow=effort > 0) if disturbed else start.fine
            if not disturbed or mortal.ended:
                self._expect(mortal, fine)
        finally:
            if not mortal.ended:
                self._kill(mortal)
        read = max(self._read, mortal.read)
        return Attempt(mortal.code, mortal.complaint, read, self._alone)

    def together(self, *starts: Start) -> None:
        """Start them at once, and kill some of them at some moment."""
        mortals = [start.process(0) for start in starts]
        self._killed.clear()
        mortals[0].listen(self.random.uniform(0.0, 1.0))
        for mortal in mortals:
            if self.random.random() < 0.4 and not mortal.ended:
                self._kill(mortal)
        for mortal, start in zip(mortals, starts, strict=True):
            self._expect(mortal, (*start.fine, CONFLICT))
        self.tally.rivals += 1

    def calm(self) -> None:
        """Wait until nobody is left who writes."""
        if await_end(self._orphans):
            self.tally.problems.append(f"an orphan lived on for {PATIENCE_SECONDS:g} seconds")
        self._orphans = []

    def _disturb(self, mortal: Mortal, start: Start, *, slow: bool) -> tuple[int, ...]:
        """Do something to it at some moment; whoever is not dead after that is killed.

        Gives the exit codes that are fine where it ended all the same.
        """
        dice = self.random.random()
        if dice < 0.15:  # anywhere, also while it starts
            mortal.listen(self.random.uniform(0.0, 0.3))
            return start.fine
        mortal.begin()
        mortal.listen(self.random.uniform(0.0, start.seconds[0 if slow else 1]))
        if dice < 0.19 and not mortal.ended:
            self._overtake(mortal, start)
            return (*start.fine, CONFLICT)
        if dice < 0.25 and self._restart is not None:
            self._restart()
            self.tally.server_restarts += 1
            mortal.listen(self.random.uniform(0.0, 1.0))
            if start.may_be_cut_off and mortal.ended:
                return self._cut_off(mortal, start)
        elif 0.25 <= dice < 0.4:
            self._kill_writer(mortal)
        elif 0.4 <= dice < 0.5 and start.rivals:
            self._rival(mortal, start)
            return (*start.fine, CONFLICT)
        return start.fine

    def _cut_off(self, mortal: Mortal, start: Start) -> tuple[int, ...]:
        """The exit codes that are fine of what ended when the server was restarted."""
        unavailable = StoreUnavailableError.__name__ in mortal.complaint
        self.tally.cut_off += unavailable and mortal.code == FAILED
        return (*start.fine, FAILED) if unavailable else start.fine

    def _kill(self, mortal: Mortal) -> None:
        children = mortal.children()
        mortal.kill()
        self._killed.add(mortal)
        self.tally.kills += 1
        self.tally.writers_orphaned += len(children)
        self._orphans += children

    def _overtake(self, mortal: Mortal, start: Start) -> None:
        """Stop it past its lease, let another process take over, and wake it up."""
        stopped = mortal.children() if self.random.random() < 0.5 else []
        mortal.pause()
        _each(stopped, psutil.Process.suspend)
        mortal.listen(LEASE_SECONDS * 1.5)
        other = start.process(0)
        code, complaint = other.finish()
        _each(stopped, psutil.Process.resume)
        mortal.go_on()
        mortal.finish()
        self.tally.overtaken += code in start.fine
        # It may have been stopped while it wrote: then it has the lock until it is woken up.
        if code not in start.fine and StoreBusyError.__name__ not in complaint:
            self.tally.problems.append(f"nobody could take over ({code}): {complaint}")
        self._read, self._alone = other.read, False

    def _rival(self, mortal: Mortal, start: Start) -> None:
        """Let another do the same at once; then kill one of them, or none."""
        other = start.process(0)
        dice = self.random.random()
        if dice < 0.3:
            other.begin()
            other.listen(self.random.uniform(0.0, start.seconds[1]))
            if not other.ended:
                self._kill(other)
        elif dice < 0.6:
            mortal.listen(self.random.uniform(0.0, start.seconds[1]))
            if not mortal.ended:
                self._kill(mortal)
        for each in (other, mortal):
            self._expect(each, (*start.fine, CONFLICT))
        self.tally.rivals += 1
        self._read, self._alone = other.read, False

    def _kill_writer(self, mortal: Mortal) -> None:
        """Kill the process that commits for it, if it has one: it goes on by itself."""
        if children := mortal.children():
            _each(children, psutil.Process.kill)
            self.tally.writers_killed += len(children)
            mortal.finish()

    def _expect(self, mortal: Mortal, fine: tuple[int, ...]) -> None:
        code, complaint = mortal.finish()
        if mortal not in self._killed and code not in fine:
            self.tally.problems.append(f"one ended with {code} of its own accord: {complaint}")


class RunLife:
    """One run, from its start to its end, however often it is killed in between."""

    def __init__(self, torment: Torment, folder: Path, url: str) -> None:
        self.torment = torment
        self.random = torment.random
        self.tally = torment.tally
        run = f"r{self.tally.runs:04d}"
        self._at = (url, folder, run)
        self._given = write_input(folder, run, RECORDS, self.random)
        self._acknowledged = 0

    def live(self, kills: int, report: Report) -> None:
        """Disturb it until it completes all the same; when enough were killed, let it be."""
        completed = False
        start = Start(partial(Victim, *self._at))
        while not completed and not self.tally.problems:
            attempt = self.torment.attempt(start, disturbed=self.tally.kills < kills)
            self._acknowledged = max(self._acknowledged, attempt.read)
            completed = attempt.code == DONE
            # The next attempt has to cope with an orphan that commits; an onlooker need not.
            if completed or self.random.random() < 0.5:
                self._look(completed)
            report(self.tally)
        self.tally.runs += completed

    def _look(self, completed: bool) -> None:
        """Ask the oracle, when nobody is left who writes."""
        self.torment.calm()
        url, _, run = self._at
        found = faults(url, run, self._given, self._acknowledged, completed=completed)
        self.tally.problems += [f"run {run}: {fault}" for fault in found]


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            act(process)
