"""Starts a run in a process of its own, kills it at a random moment, and looks what is left."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random

import psutil

from storno.cli.errors import CONFLICT, DONE
from storno.domain.errors import StoreBusyError
from storno.storage.migrate import init

from .books import RECORDS, Input, faults, write_input
from .process import PATIENCE_SECONDS, Victim, await_end
from .victim import EFFORT, LEASE_SECONDS


@dataclass(slots=True)
class Tally:
    """What a trial came to; its numbers are reported by these names.

    Attributes:
        kills: processes killed while they worked.
        runs: runs that came to their end.
        overtaken: stopped past their lease, and woken up when another had taken over.
        server_restarts: crashes of the server under a run.
        writers_killed: processes killed that committed for a run, which went on by itself.
        writers_orphaned: processes that committed for a run that was killed.
        full_disks: runs whose disk got full under them, mended and resumed.
        read_only: runs that might not write any more, mended and resumed.
        problems: what was wrong, in words; a trial is good when there is none.
    """

    kills: int = 0
    runs: int = 0
    overtaken: int = 0
    server_restarts: int = 0
    writers_killed: int = 0
    writers_orphaned: int = 0
    full_disks: int = 0
    read_only: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = [each.name for each in fields(self) if each.name != "problems"]
        return ", ".join(f"{getattr(self, name)} {name.replace('_', ' ')}" for name in numbers)


class Torture:
    """Runs after runs into one store after another, until enough were killed.

    Args:
        new_store: gives the URL of an empty database.
        restart: restarts the database server; None where there is none.
        tally: counted into.
    """

    def __init__(
        self,
        new_store: Callable[[Path], str],
        random: Random,
        restart: Callable[[], None] | None,
        tally: Tally,
    ) -> None:
        self.new_store = new_store
        self.random = random
        self.restart = restart
        self.tally = tally

    def go(self, kills: int, report: Callable[[Tally], None]) -> None:
        """Kill until there were so many kills, and every run is at its end."""
        while self.tally.kills < kills and not self.tally.problems:
            # What an orphan may still be at is no reason to fail.
            with tempfile.TemporaryDirectory(
                prefix="storno-torture-", ignore_cleanup_errors=True
            ) as folder:
                run = f"r{self.tally.runs:04d}"
                given = write_input(Path(folder), run, RECORDS, self.random)
                url = self.new_store(Path(folder))
                init(url)
                Life(self, Path(folder), url, run, given).live(kills, report)


class Life:
    """One run, from its start to its end, however often it is killed in between."""

    def __init__(self, torture: Torture, folder: Path, url: str, run: str, given: Input) -> None:
        self.random = torture.random
        self.restart = torture.restart
        self.tally = torture.tally
        self._at = (url, folder, run)
        self._given = given
        self._acknowledged = 0
        self._orphans: list[psutil.Process] = []

    def live(self, kills: int, report: Callable[[Tally], None]) -> None:
        """Disturb it until it completes all the same; when enough were killed, let it be."""
        completed = False
        while not completed and not self.tally.problems:
            completed = self._attempt(disturbed=self.tally.kills < kills)
            # The next attempt has to cope with an orphan that commits; an onlooker need not.
            if completed or self.random.random() < 0.5:
                self._look(completed)
            report(self.tally)
        self.tally.runs += completed

    def _attempt(self, *, disturbed: bool) -> bool:
        """Whether the run is completed by it."""
        effort = self.random.choice((0, EFFORT)) if disturbed else 0
        victim = Victim(*self._at, effort)
        try:
            fine = self._disturb(victim, slow=effort > 0) if disturbed else (DONE,)
            if not disturbed or victim.ended:
                self._expect(victim, *fine)
        finally:
            if not victim.ended:
                self._kill(victim)
        self._acknowledged = max(self._acknowledged, victim.read)
        return victim.code == DONE

    def _disturb(self, victim: Victim, *, slow: bool) -> tuple[int, ...]:
        """Do something to it at some moment; whoever is not dead after that is killed.

        Gives the exit codes that are fine where it ended all the same.
        """
        dice = self.random.random()
        if dice < 0.15:  # anywhere, also while it starts
            victim.listen(self.random.uniform(0.0, 0.3))
            return (DONE,)
        victim.begin()
        victim.listen(self.random.uniform(0.0, 1.2 if slow else 0.3))
        if dice < 0.19 and not victim.ended:
            self._overtake(victim)
            return (DONE, CONFLICT)
        if dice < 0.25 and self.restart is not None:
            self.restart()
            self.tally.server_restarts += 1
            victim.listen(self.random.uniform(0.0, 1.0))
        elif 0.25 <= dice < 0.4:
            self._kill_writer(victim)
        return (DONE,)

    def _kill(self, victim: Victim) -> None:
        children = victim.children()
        victim.kill()
        self.tally.kills += 1
        self.tally.writers_orphaned += len(children)
        self._orphans += children

    def _overtake(self, victim: Victim) -> None:
        """Stop it past its lease, let another process take the run over, and wake it up."""
        stopped = victim.children() if self.random.random() < 0.5 else []
        victim.pause()
        _each(stopped, psutil.Process.suspend)
        victim.listen(LEASE_SECONDS * 1.5)
        other = Victim(*self._at)
        code, complaint = other.finish()
        _each(stopped, psutil.Process.resume)
        victim.go_on()
        victim.finish()
        self.tally.overtaken += code == DONE
        # It may have been stopped while it wrote: then it has the lock until it is woken up.
        if code != DONE and StoreBusyError.__name__ not in complaint:
            self.tally.problems.append(f"a run could not be taken over ({code}): {complaint}")
        self._acknowledged = max(self._acknowledged, other.read)

    def _kill_writer(self, victim: Victim) -> None:
        """Kill the process that commits for it, if it has one: the run goes on by itself."""
        if children := victim.children():
            _each(children, psutil.Process.kill)
            self.tally.writers_killed += len(children)
            victim.finish()

    def _expect(self, victim: Victim, *fine: int) -> None:
        code, complaint = victim.finish()
        if code not in fine:
            self.tally.problems.append(f"a run ended with {code} of its own accord: {complaint}")

    def _look(self, completed: bool) -> None:
        """Ask the oracle, when nobody is left who writes."""
        if await_end(self._orphans):
            self.tally.problems.append(f"an orphan lived on for {PATIENCE_SECONDS:g} seconds")
        self._orphans = []
        url, _, run = self._at
        found = faults(url, run, self._given, self._acknowledged, completed=completed)
        self.tally.problems += [f"run {run}: {fault}" for fault in found]


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            act(process)
