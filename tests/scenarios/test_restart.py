"""Runs that fail or are stopped, and go on where their last committed chunk ended."""

from __future__ import annotations

import pytest

from storno import Parameters, RunOptions, abandon_run, run_job, stop_run
from storno.domain.errors import ConflictError, NotAllowedError, NotFoundError, UsageError
from storno.domain.events import (
    ChunkStarted,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    RunStopRequested,
)
from storno.domain.ids import RunId
from storno.storage import queries

from .lab import ACTOR, Calls, Lab, Payment, Watcher, ordinal_of, paying, payments

RUN = RunId("payments", "once")


class ForcedError(Exception):
    """The exception that the scenario throws."""


class FailsOnce:
    """Raises at one payment, the first time it comes."""

    def __init__(self, ordinal: int, error: BaseException | None = None) -> None:
        self.calls = Calls()
        self._ordinal = ordinal
        self._error: BaseException | None = error or ForcedError("forced")

    def __call__(self, payment: Payment) -> None:
        self.calls(payment)
        if ordinal_of(payment) == self._ordinal and self._error is not None:
            error, self._error = self._error, None
            raise error


@pytest.mark.parametrize(
    ("chunk_size", "resumes_at"),
    [
        pytest.param(7, 7, id="Jakarta Batch TCK: testChunkRestartItemCount7"),
        pytest.param(10, 10, id="Jakarta Batch TCK: testChunkRestartItemCount10"),
        pytest.param(5, 10, id="Jakarta Batch TCK: testChunkRestartChunk5"),
    ],
)
def test_a_restart_resumes_after_the_last_committed_chunk(
    lab: Lab, chunk_size: int, resumes_at: int
) -> None:
    act = FailsOnce(12)
    definition = paying(payments(30), act, chunk_size=chunk_size, fatal=(ForcedError,))

    first = lab.run(definition)
    assert (first.state, first.error) == ("failed", "fatal")
    assert first.message == "ForcedError: forced"
    assert first.counts.read == resumes_at
    act.calls.clear()

    second = lab.run(definition)
    assert (second.state, second.attempt) == ("completed", 2)
    assert act.calls == list(range(resumes_at, 30))
    assert lab.posted() == list(range(30))


def test_a_forced_exception_rolls_its_chunk_back(lab: Lab) -> None:
    """Jakarta Batch TCK: testGlobalTranForcedExceptionCheckpointRestart; spring-batch #5182: the
    checkpoint never runs ahead of the data."""
    definition = paying(payments(20), FailsOnce(15), chunk_size=10, fatal=(ForcedError,))

    lab.run(definition)

    assert lab.posted() == list(range(10))
    assert lab.chunks() == [(0, 10)]
    checkpoint = {row["number"]: row["status"] for row in lab.view("checkpoint")}
    assert checkpoint == {0: "completed", 1: "released"}
    assert lab.run(definition).counts.succeeded == 20


@pytest.mark.parametrize(
    ("policies", "sizes"),
    [
        pytest.param(
            {"chunk_size": 4}, [4, 4, 2], id="Jakarta Batch TCK: testChunkRestartCustomCheckpoint"
        ),
        pytest.param(
            {"chunk_size": 4, "chunk_seconds": 1e-9},
            [1] * 10,
            id="Jakarta Batch TCK: testChunkRestartTimeBasedCheckpoint, the time is first",
        ),
        pytest.param(
            {"chunk_size": 4, "chunk_seconds": 3600.0},
            [4, 4, 2],
            id="Jakarta Batch TCK: testChunkRestartTimeBasedCheckpoint, the number is first",
        ),
    ],
)
def test_a_chunk_closes_at_its_size_or_at_its_time(
    lab: Lab, policies: dict[str, float], sizes: list[int]
) -> None:
    act = FailsOnce(9)
    definition = paying(payments(10), act, fatal=(ForcedError,), **policies)

    lab.run(definition)
    result = lab.run(definition)

    assert result.state == "completed"
    assert [size for _, size in lab.chunks()] == sizes
    assert lab.posted() == list(range(10))


@pytest.mark.parametrize(
    ("limit", "starts"),
    [
        pytest.param(1, 1, id="Jakarta Batch TCK: testStartLimitVariation1"),
        pytest.param(2, 2, id="Jakarta Batch TCK: testStartLimitVariation2"),
        pytest.param(None, 4, id="Jakarta Batch TCK: testStartLimitVariation3"),
    ],
)
def test_a_run_is_started_as_often_as_its_job_allows(
    lab: Lab, limit: int | None, starts: int
) -> None:
    def always(payment: Payment) -> None:
        raise ForcedError("again")

    definition = paying(payments(3), always, fatal=(ForcedError,), start_limit=limit)
    for attempt in range(1, starts + 1):
        assert lab.run(definition).attempt == attempt

    if limit is not None:
        with pytest.raises(NotAllowedError, match=f"started {limit} times .*start_limit"):
            lab.run(definition)
    assert len(lab.events(RunFailed)) == starts


def test_a_completed_run_is_not_run_again_unasked(lab: Lab) -> None:
    """Jakarta Batch TCK: testJobOperatorRestartAlreadyCompleteException."""
    calls = Calls()
    definition = paying(payments(5), calls)
    lab.run(definition)
    commits = lab.store.log.head()

    result = lab.run(definition)

    assert (result.noop, result.state, result.attempt) == (True, "completed", 1)
    assert result.counts.succeeded == 5
    assert calls == list(range(5))
    assert lab.store.log.head() == commits


def test_a_completed_run_is_run_again_with_a_reason(lab: Lab) -> None:
    """Jakarta Batch TCK: testAllowStartIfCompleteTrue; records never posted are posted now."""
    definition = paying(payments(6), FailsOnce(4), chunk_size=4)
    assert lab.run(definition).counts.failed == 1
    with pytest.raises(UsageError, match="reason"):
        lab.run(definition, again=True)

    result = lab.run(definition, again=True, reason="the supplier's account is mended")

    assert (result.state, result.attempt) == ("completed", 2)
    assert (result.counts.succeeded, result.counts.failed) == (6, 0)
    assert lab.posted() == list(range(6))
    (resumed,) = lab.events(RunResumed)
    assert (resumed.why, resumed.reason) == ("again", "the supplier's account is mended")
    assert [row["state"] for row in lab.view("dead_letters")] == ["resolved"]


def test_a_second_pass_that_was_interrupted_goes_on(lab: Lab) -> None:
    """Jakarta Batch TCK: testAllowStartIfCompleteTrue, stopped in the middle."""
    definition = paying(payments(9), FailsOnce(8), chunk_size=3)
    lab.run(definition)

    again = lab.run(definition, again=True, reason="mended", limit=3)
    halfway = queries.run(lab.store, str(RUN))
    resumed = lab.run(definition)

    assert (again.state, again.counts.read) == ("stopped", 3)
    assert (resumed.state, resumed.counts.succeeded) == ("completed", 9)
    assert [first for first, _ in lab.chunks()] == [0, 3, 6, 0, 3, 6]
    assert (halfway.chunks_total, halfway.chunks_completed) == (1, 1)


def test_an_abandoned_run_is_not_restarted(lab: Lab) -> None:
    """Jakarta Batch TCK: testJobOperatorRestartJobAlreadyAbandoned."""
    definition = paying(payments(5), FailsOnce(2), fatal=(ForcedError,))
    lab.run(definition)

    abandon_run(lab.store, RUN, ACTOR, "superseded")
    abandon_run(lab.store, RUN, ACTOR, "superseded")

    with pytest.raises(NotAllowedError, match="abandoned"):
        lab.run(definition)
    assert [event.reason for event in lab.events(RunAbandoned)] == ["superseded"]


def test_a_completed_run_is_not_abandoned(lab: Lab) -> None:
    """Jakarta Batch TCK: testJobOperatorAbandonActiveJob, at its end."""
    lab.run(paying(payments(5)))

    with pytest.raises(NotAllowedError, match="completed"):
        abandon_run(lab.store, RUN, ACTOR, "superseded")
    with pytest.raises(NotFoundError, match="no run payments/other"):
        abandon_run(lab.store, RunId("payments", "other"), ACTOR, "superseded")


def test_abandoning_needs_a_reason(lab: Lab) -> None:
    """Jakarta Batch TCK: testJobOperatorAbandonJob; every human act has its reason."""
    lab.run(paying(payments(5), FailsOnce(2), fatal=(ForcedError,)))

    with pytest.raises(UsageError, match="reason"):
        abandon_run(lab.store, RUN, ACTOR, " ")


def test_a_running_run_is_neither_abandoned_nor_started(lab: Lab) -> None:
    """Jakarta Batch TCK: testJobOperatorAbandonJobDuringARestart; testInvokeJobWithUserStop."""
    act = FailsOnce(2)
    definition = paying(payments(5), act, fatal=(ForcedError,), chunk_size=2)
    lab.run(definition)
    refused: list[str] = []

    def interfere() -> None:
        for attempt_it in (
            lambda: abandon_run(lab.store, RUN, ACTOR, "impatience"),
            lambda: run_job(lab.store, definition, {}, ACTOR, RunOptions()),
        ):
            with pytest.raises(ConflictError) as error:
                attempt_it()
            refused.append(str(error.value))

    result = lab.run(definition, watcher=Watcher(interfere))

    assert result.state == "completed"
    assert all("is being worked on by process" in message for message in refused)
    assert not lab.events(RunAbandoned)


def test_a_run_is_stopped_from_outside_and_resumed(lab: Lab) -> None:
    """Jakarta Batch TCK: testInvokeJobWithUserStopAndRestart."""
    calls = Calls()
    definition = paying(payments(30), calls, chunk_size=5)

    def stop_after_the_first_chunk(counts: object) -> None:
        if not lab.events(RunStopRequested):
            stop_run(lab.store, RUN, ACTOR, "month not closed")
            stop_run(lab.store, RUN, ACTOR, "asked twice")

    stopped = lab.run(definition, watcher=Watcher(on_commit=stop_after_the_first_chunk))

    assert (stopped.state, stopped.message) == ("stopped", "requested: month not closed")
    assert not stopped.interrupted
    assert 5 <= stopped.counts.read < 30
    with pytest.raises(NotAllowedError, match="nothing to stop"):
        stop_run(lab.store, RUN, ACTOR, "too late")
    calls.clear()

    resumed = lab.run(definition)

    assert (resumed.state, resumed.attempt) == ("completed", 2)
    assert calls == list(range(stopped.counts.read, 30))
    assert lab.posted() == list(range(30))
    assert len(lab.events(RunStopRequested)) == len(lab.events(RunStopped)) == 1


def test_a_run_is_stopped_while_it_starts(lab: Lab) -> None:
    """Jakarta Batch TCK: testAsyncStopOfStartingJob."""
    definition = paying(payments(30), chunk_size=5)
    with pytest.raises(NotFoundError):
        stop_run(lab.store, RUN, ACTOR, "before it is there")
    starting = Watcher(lambda: stop_run(lab.store, RUN, ACTOR, "at once"))

    stopped = lab.run(definition, watcher=starting)

    assert stopped.state == "stopped"
    assert lab.chunks() == [(0, 5)]
    assert lab.run(definition).state == "completed"


class Month(Parameters):
    month: str


def test_runs_with_other_parameters_are_other_runs(lab: Lab) -> None:
    """Spring Batch: JobRepositoryTests.testCreateJobInstance, identity is job and parameters."""
    for month in ("2026-01", "2026-02"):
        first = 0 if month == "2026-01" else 10
        lab.run(paying(payments(4, first), parameters=Month), {"month": month})

    assert {row["run"] for row in lab.view("runs")} == {"payments/2026-01", "payments/2026-02"}
    assert len(lab.events(RunStarted)) == len(lab.events(RunCompleted)) == 2


def test_each_chunk_is_claimed_with_the_commit_of_the_one_before(lab: Lab) -> None:
    """design.md, a chunk's life: a chunk costs one commit, its claim rides with the last one."""
    lab.run(paying(payments(12), chunk_size=4))

    commits = lab.store.log.commits()
    assert len(commits) == 1 + 3
    assert len(lab.events(ChunkStarted)) == 3


def test_a_run_that_was_interrupted_is_taken_over(lab: Lab) -> None:
    """Scenario 17 within one process: an interrupt, the second signal, lets go of the run; a chunk
    that crashed is committed before the next is worked on, which may be what crashes."""
    posted_at: dict[int, list[int]] = {}
    interrupts = [KeyboardInterrupt()]

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 2 and interrupts:
            raise interrupts.pop()
        posted_at[ordinal_of(payment)] = lab.posted()

    definition = paying(payments(6), act, chunk_size=2)
    with pytest.raises(KeyboardInterrupt):
        lab.run(definition)
    assert lab.view("runs")[0]["state"] == "running"

    result = lab.run(definition)

    assert (result.state, result.attempt) == ("completed", 2)
    assert [event.why for event in lab.events(RunResumed)] == ["takeover"]
    assert posted_at[4] == [0, 1, 2, 3]
