"""Scenarios 16b and 25b: reversals that are killed, that hang, and that race."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from typing import Any

import pytest

from storno.domain.events import RecordReversed, RunReversed
from storno.domain.ids import ReversalId
from storno.domain.reversal import ReversalApproved, ReversalRequested, ReversalStarted
from storno.execution.journal import Journal

from ..cli.command import Ran
from .mishaps import Mishap
from .project import RECORDS, Project, ended, stopped, until

NAME = "R-000001"
REASON = ("--reason-code", "wrong-input", "--reason", "the wrong file")
BATCH = 10
JOBS = ["payments", "payouts"]


class Reversing:
    """A project with a run of a job, to be taken back."""

    def __init__(self, project: Project, job: str) -> None:
        self.project = project
        self.job = job
        toml = 'jobs = ["tests.crashes.payments", "tests.crashes.payouts"]'
        (project.folder / "storno.toml").write_text(toml)
        project.storno()("run", job, "--param", "run=a")

    def submit(self, *more: str) -> None:
        self.project.storno()("reverse", "submit", f"{self.job}/a", *REASON, *more)

    def execute(self, name: str = NAME, code: int | None = 0, **case: Any) -> Ran:
        storno = self.project.storno(**({"batch": BATCH} | case))
        return storno("reverse", "execute", name, "--yes", "--json", code=code)

    def start(self, name: str = NAME, **case: Any) -> subprocess.Popen[str]:
        storno = self.project.storno(**({"batch": BATCH} | case))
        return storno.start("reverse", "execute", name, "--yes", "--json")

    def reversed(self) -> list[int]:
        return sorted(event.ordinal for event in self.project.lab.events(RecordReversed))

    def attempts(self) -> list[str]:
        return [event.why for event in self.project.lab.events(ReversalStarted)]

    def noted(self, name: str) -> list[list[str]]:
        """The lines that an outside system took down."""
        path = self.project.folder / name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def check_completed(self) -> None:
        """Each record is taken back once, and so is each effect, by its key."""
        self.project.check()
        assert self.reversed() == list(range(RECORDS))
        assert self.project.lab.balances() == {}
        assert self.project.state() == "reversed"
        if self.job == "payouts":
            keys: dict[str, set[str]] = {}
            for number, key in self.noted("refunds"):
                keys.setdefault(number, set()).add(key)
            assert len(keys) == RECORDS
            assert {len(each) for each in keys.values()} == {1}
            assert not {key for _, key in self.noted("paid")} & set.union(*keys.values())


@pytest.fixture(params=JOBS)
def reversing(request: pytest.FixtureRequest, project: Project) -> Reversing:
    """A run of each kind of job, and its reversal requested."""
    made = Reversing(project, request.param)
    made.submit()
    return made


@pytest.fixture
def posting(project: Project) -> Reversing:
    made = Reversing(project, "payments")
    made.submit()
    return made


@pytest.mark.parametrize(
    ("mishap", "done"),
    [
        pytest.param(Mishap(at="commit", nth=1), (0,), id="before it begins"),
        pytest.param(Mishap(at="committed", nth=1), (0,), id="when it has begun"),
        # A chunk may be under way beside the one that is at its commit.
        pytest.param(Mishap(at="commit", nth=3), (10,), id="before a commit"),
        pytest.param(Mishap(at="committed", nth=3), (20,), id="before its acknowledgement"),
        pytest.param(Mishap(at="commit", nth=6), (35,), id="before the end"),
        pytest.param(Mishap(at="committed", nth=6), (35,), id="behind the end"),
    ],
)
def test_killed_at_a_named_point(
    reversing: Reversing, mishap: Mishap, done: tuple[int, ...]
) -> None:
    """Scenario 16b: what is committed is there once, and executed again it goes on."""
    killed = reversing.execute(code=None, mishap=mishap)

    assert killed.code == -signal.SIGKILL
    assert len(reversing.reversed()) in done
    reversing.project.check()
    again = reversing.execute()
    assert (again.document["state"], again.document["reversed"]) == ("completed", RECORDS)
    reversing.check_completed()


@pytest.mark.parametrize("nth", [1, 2, 31, 32, 69, 70])
def test_killed_in_a_handler(project: Project, nth: int) -> None:
    """Before and behind what it does outside: it is called again with the same key."""
    reversing = Reversing(project, "payouts")
    reversing.submit()

    killed = reversing.execute(code=None, mishap=Mishap(at="record", nth=nth))

    assert killed.code == -signal.SIGKILL
    assert len(reversing.reversed()) == (nth - 1) // 20 * 10
    reversing.execute()
    assert reversing.attempts() == ["start", "takeover"]
    twice = [number for number, times in Counter(map(tuple, reversing.noted("refunds"))).items()
             if times > 1]  # fmt: skip
    assert len(twice) == nth // 2 - (nth - 1) // 20 * 10
    reversing.check_completed()


def test_killed_again_and_again(reversing: Reversing) -> None:
    """Each attempt gets on by a chunk."""
    starts = 0
    while reversing.execute(code=None, mishap=Mishap(at="commit", nth=3)).code:
        starts += 1
        assert starts < 10

    assert reversing.attempts() == ["start", *["takeover"] * starts]
    assert starts >= 4
    reversing.check_completed()


@pytest.mark.parametrize(("at", "there"), [("commit", 0), ("committed", 1)])
def test_killed_while_it_is_requested_or_agreed_to(project: Project, at: str, there: int) -> None:
    """Scenario 16b: the request, and the approval, is there or it is not."""
    reversing = Reversing(project, "payments")
    killing = project.storno(mishap=Mishap(at=at))

    submitted = killing("reverse", "submit", "payments/a", *REASON, code=None)

    assert submitted.code == -signal.SIGKILL
    assert len(project.lab.events(ReversalRequested)) == there
    if not there:
        reversing.submit()
    assert project.lab.events(ReversalApproved) == []
    reversing.execute()
    reversing.check_completed()


def test_a_worker_that_was_overtaken_is_refused_whole(posting: Reversing) -> None:
    """Scenario 18, for a reversal: SIGSTOP past the lease, another finishes, SIGCONT."""
    mishap = Mishap(at="committed", nth=3, act="stop")
    process = posting.start(mishap=mishap, lease_seconds=0.5)
    stopped(process)
    journal, stream = Journal(posting.project.lab.store), ReversalId(NAME).stream
    until(lambda: (lease := journal.lease(stream)) is not None and lease.expired)
    posting.execute()
    posting.check_completed()

    process.send_signal(signal.SIGCONT)
    woken = ended(process)

    assert woken.code == 7
    assert "was taken over" in woken.stderr
    assert posting.attempts() == ["start", "takeover"]
    posting.check_completed()


def test_a_worker_that_lives_is_not_overtaken(posting: Reversing) -> None:
    """Scenario 25b: the second of two is told who is at it."""
    process = posting.start(mishap=Mishap(at="committed", nth=1, act="wait"))
    posting.project.is_here()
    other = ("reverse", "submit", "payments/a", *REASON)

    second = posting.execute(code=7)
    posting.project.storno()(*other)
    third = posting.execute("R-000002", code=7)
    run = posting.project.run("--again", "--reason", "too soon", code=7)
    posting.project.go_on()

    assert f"reversal {NAME} is being executed by process {process.pid} on" in second.stderr
    assert f"reversal {NAME} already takes back" in third.stderr
    assert f"reversal {NAME} takes back what the run posted" in run.stderr
    assert ended(process).code == 0
    posting.check_completed()


@pytest.mark.parametrize("round_", range(3))
def test_two_reversals_of_one_run(posting: Reversing, round_: int) -> None:
    """Scenario 25b, two real processes at the same time: they cannot both win."""
    del round_
    posting.submit()
    both = [posting.start(name) for name in (NAME, "R-000002")]

    codes = sorted(ended(process).code for process in both)

    assert codes == [0, 7]
    assert len(posting.project.lab.events(RunReversed)) == 1
    posting.check_completed()


@pytest.mark.parametrize("round_", range(3))
def test_one_reversal_by_two_processes(reversing: Reversing, round_: int) -> None:
    """Scenario 25b: one works, the other is refused, or comes when all is done."""
    del round_
    both = [ended(process) for process in [reversing.start(), reversing.start()]]

    codes = sorted(ran.code for ran in both)
    assert codes[0] == 0
    assert codes[1] == 7 or any(ran.code == 0 and ran.document["nothing_to_do"] for ran in both), [
        ran.stderr for ran in both
    ]
    assert reversing.attempts() == ["start"]
    reversing.check_completed()


def test_a_period_is_closed_beside_it(posting: Reversing) -> None:
    """Scenario 25b: while a commit waits; what comes behind the close is moved."""
    process = posting.start(mishap=Mishap(at="committed", nth=3, act="wait"))
    posting.project.is_here()
    posting.project.storno()(
        "periods", "close", "2026-01", "--force", "--reason", "month end", "--yes"
    )
    posting.project.go_on()

    assert ended(process).code == 0
    dates = Counter(
        str(entry.posting)
        for event in posting.project.lab.events(RecordReversed)
        for entry in event.entries
    )
    assert set(dates) == {"2026-01-15", "2026-02-01"}
    assert sum(dates.values()) == RECORDS
    posting.check_completed()


def test_a_signal_stops_it_at_a_chunk(posting: Reversing) -> None:
    """Scenario 22, through the command line: exit code 130, and then on."""
    process = posting.start(mishap=Mishap(at="committed", nth=2, act="wait"))
    posting.project.is_here()
    process.send_signal(signal.SIGINT)
    posting.project.go_on()

    ran = ended(process)

    assert (ran.code, ran.document["state"]) == (130, "stopped")
    assert 0 < len(posting.reversed()) < RECORDS
    assert posting.project.state() == "reversing"
    posting.execute()
    assert posting.attempts() == ["start", "resume"]
    posting.check_completed()
