"""Runs with several commits under way in the process that makes them: each chunk is decided as it
would be with one, and only what may stand on an unanswered commit is sent behind it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from storno import Retry, Tolerance, csv_source
from storno.domain.events import ChunkCompleted, ChunkFailed, Counts, RunCompleted, RunFailed
from storno.execution import committer
from storno.execution.flights import UNDER_WAY
from storno.execution.sealing import Sealed

from ..crashes.mishaps import Mishap
from ..crashes.payments import payments as job_of_the_project
from ..crashes.project import Project, until
from ..crashes.writers import Prompt, is_stopped, make_runs_long, writers
from ..scenarios.lab import Calls, Lab, Payment, ordinal_of, paying, payments
from ..scenarios.test_keys import monthly

CHUNK = 10
AT_ONCE = Retry(first_delay_seconds=0, retries=2)

pytestmark = pytest.mark.usefixtures("nobody_stays")


@dataclass
class Notes:
    """What the processes of a test have seen, and what happens meanwhile.

    Attributes:
        behind: of each commit, how many were under way when it was sent.
        on_wait: called when a run begins to wait, before the process goes on.
    """

    behind: list[int] = field(default_factory=list)
    on_wait: Callable[[], object] = lambda: None


class Held(Prompt):
    """Stands still from the moment it is given a commit until its run waits for it.

    So it is not chance how many commits are under way until then: as many as the run lets be. Once
    it goes on, it does so until it has nothing to do, as it may hold the store's lock.
    """

    notes: ClassVar[Notes] = Notes()

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._under_way = 0

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> None:
        if not self._under_way:  # it has nothing to do, and so no lock
            self._process.send_signal(signal.SIGSTOP)
            (process,) = (each for each in writers() if each.pid == self._process.pid)
            until(lambda: is_stopped(process))
        self.notes.behind.append(self._under_way)
        super().submit(sealed, expect)
        self._under_way += 1

    def result(self) -> None:
        self.notes.on_wait()
        self._process.send_signal(signal.SIGCONT)
        self._under_way -= 1
        super().result()

    def close(self, *, wait: bool = True) -> None:
        self._process.send_signal(signal.SIGCONT)
        super().close(wait=wait)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """A process makes every commit of a run but its start, and only when it is waited for."""
    make_runs_long(monkeypatch.setattr)
    monkeypatch.setattr(committer, "WriterProcess", Held)
    monkeypatch.setattr(Held, "notes", notes := Notes())
    return notes


def once(act: Callable[[], object]) -> Callable[[], None]:
    """Acts the first time that it is called; what it does may call it again."""
    left = [act]

    def call() -> None:
        if left:
            left.pop()()

    return call


def chunk_counts(lab: Lab, run: str) -> list[Counts]:
    """What each chunk of a run came to, in order of commit."""
    return [each.counts for each in lab.events(ChunkCompleted, f"chunk/payments/{run}/")]


def after(lab: Lab, run: str, kind: type[Any]) -> list[Any]:
    return lab.events(kind, f"run/payments/{run}")


# How many.


def test_a_run_goes_on_while_its_commits_are_held_up(lab: Lab, held: Notes) -> None:
    """It prepares one chunk more than it may have sent, and waits: memory has a bound."""
    calls, waited = Calls(), []
    held.on_wait = lambda: waited.append((len(calls), lab.posted()))

    result = lab.run(paying(payments(8 * CHUNK), calls, chunk_size=CHUNK))

    assert waited[0] == ((UNDER_WAY + 1) * CHUNK, [])
    assert max(held.behind) == UNDER_WAY - 1
    assert result.counts == Counts(read=80, succeeded=80)
    assert calls == lab.posted() == list(range(80))
    assert lab.chunks() == [(first, CHUNK) for first in range(0, 80, CHUNK)]


def test_what_is_answered_makes_room(lab: Lab, held: Notes) -> None:
    """Three are answered before the run looks: all of them are seen in at once."""

    def look(payment: Payment) -> None:
        if ordinal_of(payment) == 4 * CHUNK - 1:
            (process,) = writers()
            process.resume()
            until(lambda: len(lab.posted()) == 3 * CHUNK)

    lab.run(paying(payments(6 * CHUNK), look, chunk_size=CHUNK))

    assert held.behind[:4] == [0, 1, 2, 0]


# What others do meanwhile.


@pytest.mark.parametrize(
    ("same", "other", "expected"),
    [
        pytest.param((3,), (), [(9, 1, 0), (10, 0, 0), (10, 0, 0)], id="in the first, skipped"),
        pytest.param((), (15,), [(10, 0, 0), (9, 0, 1), (10, 0, 0)], id="in the second, conflict"),
        pytest.param((29,), (), [(10, 0, 0), (10, 0, 0), (9, 1, 0)], id="in the third"),
        pytest.param((3, 27), (4, 15, 16), [(8, 1, 1), (8, 0, 2), (9, 1, 0)], id="in each"),
    ],
)
def test_keys_that_another_run_posts(
    lab: Lab,
    held: Notes,
    same: tuple[int, ...],
    other: tuple[int, ...],
    expected: list[tuple[int, int, int]],
) -> None:
    """Three chunks are under way, settled as new, when another run posts some of their keys."""
    rows = payments(5 * CHUNK)
    others = [rows[at] for at in same] + [rows[at] | {"amount": "0.01"} for at in other]
    held.on_wait = once(lambda: lab.run(monthly(others), {"month": "2"}))

    result = lab.run(monthly(rows, chunk_size=CHUNK, tolerance=5), {"month": "1"})

    assert held.behind[:3] == [0, 1, 2]
    whole = [
        Counts(read=CHUNK, succeeded=succeeded, skipped=skipped, failed=failed)
        for succeeded, skipped, failed in expected
    ]
    assert chunk_counts(lab, "1") == [*whole, *[Counts(read=CHUNK, succeeded=CHUNK)] * 2]
    assert result.counts == sum(chunk_counts(lab, "1"), Counts())
    (completed,) = after(lab, "1", RunCompleted)
    assert completed.counts == result.counts
    skipped = {key for each in lab.events(ChunkCompleted) for key in each.skipped_keys}
    assert skipped == {rows[at]["number"] for at in same}
    assert lab.chunks()[1:] == [(first, CHUNK) for first in range(0, 50, CHUNK)]
    assert len(lab.posted()) == 50


def bad_at(*ordinals: int) -> Callable[[Payment], None]:
    def act(payment: Payment) -> None:
        if ordinal_of(payment) in ordinals:
            raise ValueError("no")

    return act


def test_a_breach_that_comes_of_deciding_anew(lab: Lab, held: Notes) -> None:
    """One failure is tolerated, and the second chunk has one. The first gets one of its own while
    both are under way: the second is too much now, and nothing behind it is committed."""
    rows = payments(5 * CHUNK)
    others = [rows[4] | {"amount": "0.01"}]
    held.on_wait = once(lambda: lab.run(monthly(others), {"month": "2"}))
    job = monthly(rows, bad_at(12), chunk_size=CHUNK, tolerance=Tolerance(records=1))

    result = lab.run(job, {"month": "1"})

    assert held.behind[:3] == [0, 1, 2]
    assert (result.state, result.error) == ("failed", "tolerance-exceeded")
    assert "2 of 20 records failed" in str(result.message)
    assert chunk_counts(lab, "1") == [Counts(read=CHUNK, succeeded=CHUNK - 1, failed=1)]
    assert len(after(lab, "1", RunFailed)) == 1
    assert result.counts == Counts(read=CHUNK, succeeded=CHUNK - 1, failed=1)
    held.behind.clear()
    mended = monthly(rows, chunk_size=CHUNK, tolerance=Tolerance(records=1))
    assert lab.run(mended, {"month": "1"}).counts == Counts(read=50, succeeded=49, failed=1)


def test_a_breach_that_goes_away_by_deciding_anew(lab: Lab, held: Notes) -> None:
    """A record that fails is skipped where its key turns out to be posted: the run is not over
    after all. How it ends is decided when all that it stands on is in the store."""
    rows = payments(5 * CHUNK)
    held.on_wait = once(lambda: lab.run(monthly([rows[4]]), {"month": "2"}))
    job = monthly(rows, bad_at(4, 25), chunk_size=CHUNK, tolerance=Tolerance(records=1))

    result = lab.run(job, {"month": "1"})

    assert result.state == "completed"
    assert result.counts == Counts(read=50, succeeded=48, skipped=1, failed=1)
    failures = [each.failed for each in chunk_counts(lab, "1")]
    assert failures == [0, 0, 1, 0, 0]


def test_failures_of_all_that_is_under_way_are_counted(lab: Lab, held: Notes) -> None:
    """The first chunk's failure is not settled yet when the third is decided."""
    job = paying(payments(5 * CHUNK), bad_at(2, 22), chunk_size=CHUNK, tolerance=1)

    result = lab.run(job)

    assert held.behind == [0, 1, 0], "two chunks, and the run's end when both are in"
    assert (result.state, result.error) == ("failed", "tolerance-exceeded")
    assert "2 of 30 records failed" in str(result.message)
    assert result.counts == Counts(read=20, succeeded=19, failed=1)


def test_a_key_twice_in_what_is_under_way(lab: Lab, held: Notes) -> None:
    """The second chunk has a key of the first, with what it had; the third one with something
    else: neither is in the store when they are settled."""
    rows = payments(5 * CHUNK)
    rows[14] = rows[5]
    rows[26] = rows[7] | {"amount": "0.01"}

    result = lab.run(paying(rows, chunk_size=CHUNK))

    assert held.behind[:3] == [0, 1, 2]
    assert result.counts == Counts(read=50, succeeded=48, skipped=1, failed=1)
    assert [each.counts.skipped for each in lab.events(ChunkCompleted)] == [0, 1, 0, 0, 0]
    assert [each.counts.failed for each in lab.events(ChunkCompleted)] == [0, 0, 1, 0, 0]


# A chunk that is given up behind one that is decided anew.


@pytest.mark.parametrize("commits", ["by the process", "by the thread"])
@pytest.mark.parametrize("records", [47, 27], ids=["in the middle", "at the end"])
def test_a_chunk_that_fails_names_its_own_records(
    lab: Lab,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    commits: str,
    records: int,
) -> None:
    """The second chunk holds a key that another run has posted, which comes out when the third has
    used up its tries: the second is read again, and the third is the one that failed."""
    if commits == "by the process":
        request.getfixturevalue("held")
    rows = payments(records)
    lines = [f"{row['number']},{row['amount']}" for row in rows]
    (tmp_path / "in.csv").write_text("\n".join(["number,amount", *lines, ""]))
    other_run = once(lambda: lab.run(monthly([rows[13]]), {"month": "2"}))
    late = [TimeoutError("late")] * (AT_ONCE.retries + 1)

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 19:
            other_run()
        if ordinal_of(payment) == 23 and late:
            raise late.pop()

    job = monthly(
        rows, act, chunk_size=CHUNK, retry=AT_ONCE, record_seconds=None,
        source=csv_source("in.csv"),
    )  # fmt: skip
    failed = lab.run(job, {"month": "1"}, base=tmp_path)
    resumed = lab.run(job, {"month": "1"}, base=tmp_path)

    size = min(CHUNK, records - 20)
    assert (failed.state, failed.error) == ("failed", "chunks-failed")
    others = records - size
    assert failed.counts == Counts(read=others, succeeded=others - 1, skipped=1)
    (given_up,) = lab.events(ChunkFailed)
    done = {each.first_ordinal: each for each in lab.events(ChunkCompleted, "chunk/payments/1/")}
    redone = done[20]
    assert (given_up.first_ordinal, given_up.read) == (20, size)
    assert given_up.digest is not None
    assert (given_up.first_offset, given_up.next_offset, given_up.digest) == (
        redone.first_offset, redone.next_offset, redone.digest
    )  # fmt: skip
    assert given_up.first_offset == done[10].next_offset
    assert resumed.state == "completed"
    assert resumed.counts == Counts(read=records, succeeded=records - 1, skipped=1)


# What is not sent behind others.


def test_a_limit_waits_for_each_commit(lab: Lab, held: Notes) -> None:
    """What a chunk may read follows from what those before it have."""
    job = paying(payments(8 * CHUNK), chunk_size=CHUNK)

    first = lab.run(job, limit=45)

    assert (first.state, first.counts.read) == ("stopped", 45)
    assert held.behind == [0] * 5
    held.behind.clear()
    assert lab.run(job).counts.succeeded == 80
    assert held.behind == [0, 1, 2, 0], "the last holds the run's end"


def test_chunks_that_are_done_again_wait_for_each_commit(lab: Lab, held: Notes) -> None:
    """Two chunks that failed are done first, then the rest of the input."""
    late = {5: 3, 15: 3}

    def act(payment: Payment) -> None:
        if late.get(ordinal_of(payment)):
            late[ordinal_of(payment)] -= 1
            raise TimeoutError("late")

    job = paying(payments(7 * CHUNK), act, chunk_size=CHUNK, retry=AT_ONCE)
    first = lab.run(job, limit=15)
    assert (first.state, first.counts.read) == ("stopped", 15)
    held.behind.clear()

    result = lab.run(job)

    assert result.counts == Counts(read=70, succeeded=70)
    redone, rest = [0, 0], [0, 1, 2, 0]
    assert held.behind == [*redone, *rest]
    assert lab.chunks()[:5] == [(20, 10), (30, 5), (0, 10), (10, 10), (35, 10)]


def test_a_chunk_that_is_given_up_waits_for_those_before_it(lab: Lab, held: Notes) -> None:
    """Those behind it need not: it is one more that failed, however they come out."""

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 25:
            raise TimeoutError("late")

    result = lab.run(paying(payments(6 * CHUNK), act, chunk_size=CHUNK, retry=AT_ONCE))

    assert (result.state, result.error) == ("failed", "chunks-failed")
    assert held.behind == [0, 1, 0, 1, 2, 0]
    assert "1 chunk failed" in str(result.message)
    assert result.counts == Counts(read=50, succeeded=50)


@pytest.fixture
def project(made_url: str, tmp_path: Path) -> Iterator[Project]:
    """A project whose runs can be killed."""
    project = Project(tmp_path, made_url, is_new=False)
    yield project
    project.check()
    project.lab.close()


@pytest.mark.parametrize("crashes", [1, 3], ids=["once", "so often that its records are isolated"])
def test_a_chunk_that_crashed_is_seen_in_first(project: Project, held: Notes, crashes: int) -> None:
    """The chunk behind it may be what ends the process, and would be taken for innocent."""
    project.write("a", records=5 * CHUNK)
    for _ in range(crashes):
        killed = project.run(code=None, mishap=Mishap(at="record", nth=5))
        assert killed.code == -signal.SIGKILL
    assert not project.posted()

    result = project.lab.run(job_of_the_project, {"run": "a"}, base=project.folder)

    assert result.attempt == crashes + 1
    assert held.behind == [0, 0, 1, 2, 0]
    project.check_completed(records=5 * CHUNK)
