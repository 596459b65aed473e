"""Two processes at the same moment: one works, the other is told who does."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from storno.domain.events import RecordSucceeded, RunCompleted, RunResumed, RunStarted

from .. import forking
from .mishaps import Mishap
from .project import ROOT, Project, ended, stopped

ROUNDS = 12
BEFORE_ITS_FIRST_WRITE = r"BEGIN IMMEDIATE|pg_advisory_xact_lock"


class Racers:
    """Two processes that start runs on a sign."""

    def __init__(self, project: Project) -> None:
        words = [sys.executable, "-m", "tests.crashes.racer", project.url, str(project.folder)]
        self._both = [
            forking.start(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert self._heard() == ["ready", "ready"]

    @property
    def pids(self) -> set[int]:
        return {each.pid for each in self._both}

    def race(self, *lines: str) -> list[str]:
        """Give each its line at the same moment; what each says came of it."""
        for each, line in zip(self._both, lines, strict=True):
            assert each.stdin is not None
            each.stdin.write(f"{line}\n")
        for each in self._both:
            assert each.stdin is not None
            each.stdin.flush()
        return self._heard()

    def end(self) -> None:
        for each in self._both:
            each.communicate(timeout=60)

    def _heard(self) -> list[str]:
        return [each.stdout.readline().strip() for each in self._both if each.stdout]


@pytest.fixture
def racers(project: Project) -> Iterator[Racers]:
    _ = project.lab
    both = Racers(project)
    yield both
    both.end()


def check_round(racers: Racers, said: Sequence[str]) -> bool:
    """One of them did it; whether the other was refused, and not merely too late."""
    (won,) = [each for each in said if each.startswith("completed")]
    (other,) = [each for each in said if each is not won]
    if other.startswith("noop"):
        return False
    assert other.startswith("ConflictError"), said
    assert [pid for pid in racers.pids if str(pid) in other], other
    return True


def test_two_processes_start_the_same_run(project: Project, racers: Racers) -> None:
    """Scenario 25, again and again: a new run, and one that was stopped."""
    refused = 0
    for number in range(ROUNDS):
        run = f"r{number}"
        project.write(run, prefix=run)
        if number % 2:
            racers.race(f"{run} 10", "")
        refused += check_round(racers, racers.race(run, run))
    assert refused
    assert len(project.lab.events(RunCompleted)) == ROUNDS
    assert len(project.lab.events(RunStarted)) == ROUNDS
    assert len(project.lab.events(RunResumed)) == ROUNDS // 2
    for number in range(ROUNDS):
        project.check_completed(f"r{number}")


@pytest.mark.parametrize("attempts", [["start"], ["start", "takeover"]], ids=["start", "takeover"])
def test_the_second_of_two_is_told_who_works(project: Project, attempts: list[str]) -> None:
    """Scenario 25: two claim the same chunk, of a new run or of a dead one's. The first is stopped
    when it has read that nobody works on the run, and is about to write."""
    if len(attempts) == 2:
        project.run(code=None, mishap=Mishap(at="committed", nth=2))
    first = project.start(
        mishap=Mishap(at="statement", matching=BEFORE_ITS_FIRST_WRITE, act="stop")
    )
    stopped(first)
    second = project.start(mishap=Mishap(at="record", nth=5, act="wait"))
    if project.is_sqlite:  # nothing is written, so nothing is held: the second works
        project.is_here()
        loser, winner = first, second
        first.send_signal(signal.SIGCONT)
        refused = ended(loser)
    else:  # the first has its session's lock
        loser, winner = second, first
        refused = ended(loser)
        first.send_signal(signal.SIGCONT)
    project.go_on()

    assert refused.code == 7
    assert str(winner.pid) in refused.stderr
    assert ended(winner).code == 0
    assert project.attempts() == attempts
    project.check_completed()


def test_two_runs_post_the_same_keys(project: Project, racers: Racers) -> None:
    """Scenario 26: at the same moment, from two processes; each key is posted by one of them."""
    rounds = ROUNDS // 4
    for number in range(rounds):
        names = [f"{side}{number}" for side in "xy"]
        for name in names:
            project.write(name, records=100, prefix=f"K{number}")
        said = racers.race(*names)
        assert all(each.startswith("completed") for each in said), said
        assert sum(int(each.split()[1]) for each in said) == 100
    posted = Counter(event.run for event in project.lab.events(RecordSucceeded))
    assert sum(posted.values()) == 100 * rounds
