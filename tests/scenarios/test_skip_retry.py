"""Bad records are set aside, transient errors tried again, and the counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from storno import Parameters, Retry, Tolerance, iterable
from storno.domain.events import ChunkFailed, Counts, RecordFailed, RecordSucceeded, RunFailed

from .lab import Calls, Lab, Payment, Watcher, ordinal_of, paying, payments

AT_ONCE = Retry(first_delay_seconds=0, retries=3)


class NoChildError(ValueError):
    """An error of the job's own."""


class Month(Parameters):
    month: str


def failing_at(*ordinals: int, error: type[Exception] = NoChildError) -> Any:
    """An act that raises at these payments, every time."""

    def act(payment: Payment) -> None:
        if ordinal_of(payment) in ordinals:
            raise error(f"no child of {payment.number}")

    return act


class Recovers:
    """Raises at one payment as often as there are errors, and then no more."""

    def __init__(self, ordinal: int, *errors: Exception) -> None:
        self.calls = Calls()
        self._ordinal = ordinal
        self._errors = list(errors)

    def __call__(self, payment: Payment) -> None:
        self.calls(payment)
        if ordinal_of(payment) == self._ordinal and self._errors:
            raise self._errors.pop(0)


class FlakyReads:
    """A source whose reading fails at one record, as often as there are errors."""

    def __init__(self, rows: list[dict[str, Any]], at: int, *errors: Exception) -> None:
        self._rows = rows
        self._at = at
        self._errors = list(errors)

    def __call__(self, offset: int) -> Iterator[dict[str, Any]]:
        for index, row in enumerate(self._rows[offset:], offset):
            if index == self._at and self._errors:
                raise self._errors.pop(0)
            yield row


# Skip.


def test_a_bad_record_is_skipped_on_read_and_on_process(lab: Lab) -> None:
    """Jakarta Batch TCK: testChunkSkipRead, testChunkSkipProcess; testChunkSkipWrite is in
    test_rows.py, where jobs write."""
    rows: list[Any] = payments(12)
    rows[3] = "not a record"
    rows[5] = {"number": "P-005", "amount": "a lot"}
    lab.amount_of = None

    result = lab.run(paying(rows, failing_at(8), chunk_size=5))

    assert result.counts == Counts(read=12, succeeded=9, failed=3)
    assert lab.failures() == {3: "invalid-record", 5: "invalid-record", 8: "NoChildError"}
    listed = {row["ordinal"]: row for row in lab.view("dead_letters")}
    assert set(listed) == {3, 5, 8}
    assert listed[8]["message"] == "no child of P-008"
    assert listed[8]["key"] == listed[8]["stream"].rpartition("/")[2] == "P-008"
    assert listed[8]["location"] == "record 9"
    assert '"number":"P-008"' in listed[8]["payload"]
    assert listed[5]["key"] == "P-005"
    assert listed[3]["key"] is None
    assert lab.posted() == [0, 1, 2, 4, 6, 7, 9, 10, 11]


@pytest.mark.parametrize(
    ("tolerance", "bad", "fails_in_chunk"),
    [
        pytest.param(2, (1, 4), None, id="Jakarta Batch TCK: testChunkSkipRead, at the limit"),
        pytest.param(2, (1, 4, 7), 1, id="Jakarta Batch TCK: testChunkSkipReadExceedSkip"),
        pytest.param(0, (7,), 1, id="Jakarta Batch TCK: testChunkSkipProcessExceedSkip, none"),
        pytest.param("20%", (1, 2, 3), None, id="percent is not looked at before the end"),
        pytest.param("20%", (1, 2, 3, 4, 19), 3, id="percent over at the end"),
        pytest.param("20%", (1, 2, 18, 19), None, id="percent reached at the end"),
        pytest.param(Tolerance(records=1, percent=20), (1, 18, 19), None, id="the larger: percent"),
        pytest.param(Tolerance(records=3, percent=5), (1, 2, 3), None, id="the larger: number"),
        pytest.param(Tolerance(records=2, percent=5), (6, 7, 8), 1, id="both are breached"),
        pytest.param("0%", (19,), 3, id="no percent at all"),
    ],
)
def test_too_many_failures_fail_the_run(
    lab: Lab, tolerance: Any, bad: tuple[int, ...], fails_in_chunk: int | None
) -> None:
    result = lab.run(paying(payments(20), failing_at(*bad), chunk_size=5, tolerance=tolerance))

    if fails_in_chunk is None:
        assert result.state == "completed"
        assert result.counts == Counts(read=20, succeeded=20 - len(bad), failed=len(bad))
    else:
        assert (result.state, result.error) == ("failed", "tolerance-exceeded")
        assert "not committed" in str(result.message)
        assert result.counts.read == 5 * fails_in_chunk
        assert max(lab.posted(), default=0) < 5 * fails_in_chunk


def test_a_percentage_counts_from_a_thousand_records_on(lab: Lab) -> None:
    """details.md, Runs: below 1,000 records a percentage says nothing yet."""
    bad = set(range(100))

    def act(payment: Payment) -> None:
        if ordinal_of(payment) in bad:
            raise NoChildError(payment.number)

    result = lab.run(paying(payments(1500), act, chunk_size=500, tolerance="5%"))

    assert result.error == "tolerance-exceeded"
    assert "100 of 1000 records failed, and the job tolerates 5% of the records" in str(
        result.message
    )
    assert result.counts == Counts(read=500, succeeded=400, failed=100)
    bad.clear()
    assert (
        lab.run(paying(payments(1500), act, chunk_size=500, tolerance="10%")).state == "completed"
    )


def test_failures_of_earlier_attempts_count(lab: Lab) -> None:
    """Jakarta Batch TCK: testChunkSkipReadExceedSkip, over a restart."""
    definition = paying(payments(20), failing_at(1, 12), chunk_size=5, tolerance=1)

    assert lab.run(definition, limit=10).counts.failed == 1
    resumed = lab.run(definition)

    assert (resumed.error, resumed.counts.read) == ("tolerance-exceeded", 10)


@pytest.mark.parametrize("by", ["a class", "a base class"])
def test_an_error_that_may_not_be_skipped_fails_at_once(lab: Lab, by: str) -> None:
    """Jakarta Batch TCK: testChunkSkipProcessNoSkipChildEx."""
    fatal = (NoChildError,) if by == "a class" else (ValueError,)

    result = lab.run(paying(payments(10), failing_at(6), chunk_size=5, fatal=fatal))

    assert (result.state, result.error) == ("failed", "fatal")
    assert result.message == "NoChildError: no child of P-006"
    assert lab.posted() == [0, 1, 2, 3, 4]
    assert not lab.events(RecordFailed)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param((3,), id="spring-batch: testNoDuplicateWritesAfterScanMode"),
        pytest.param((3, 4), id="spring-batch #4370: two bad items in a row"),
        pytest.param((0, 9), id="the first and the last of a chunk"),
        pytest.param(tuple(range(10)), id="spring-batch: testScanModeWhenAllItemsFail"),
    ],
)
def test_each_good_record_beside_a_poison_one_is_posted_once(
    lab: Lab, bad: tuple[int, ...]
) -> None:
    calls = Calls()
    poison = failing_at(*bad)

    def act(payment: Payment) -> None:
        calls(payment)
        poison(payment)

    result = lab.run(paying(payments(20), act, chunk_size=10))

    assert result.counts == Counts(read=20, succeeded=20 - len(bad), failed=len(bad))
    assert lab.posted() == [number for number in range(20) if number not in bad]
    assert calls == list(range(20)), "the function is called once for each record"


# Retry.


def test_reading_is_tried_again(lab: Lab) -> None:
    """Jakarta Batch TCK: testChunkRetryRead."""
    rows = payments(10)
    source = FlakyReads(rows, 7, ConnectionError("cut"), TimeoutError("late"))
    watcher = Watcher()

    result = lab.run(
        paying([], source=iterable(source), retry=AT_ONCE, chunk_size=4), watcher=watcher
    )

    assert result.counts == Counts(read=10, succeeded=10)
    assert watcher.retries == [("ConnectionError: cut", 1), ("TimeoutError: late", 2)]
    assert lab.posted() == list(range(10))


def test_reading_that_keeps_failing_fails_the_run(lab: Lab) -> None:
    """Jakarta Batch TCK: testChunkRetryRead, exhausted; details.md: a source that cannot be read
    fails the run."""
    rows = payments(10)
    source = iterable(FlakyReads(rows, 7, *[ConnectionError("cut")] * 4))
    definition = paying([], source=source, retry=AT_ONCE, chunk_size=4)

    failed = lab.run(definition)
    assert (failed.state, failed.error) == ("failed", "source-unreadable")
    assert failed.message == "ConnectionError: cut"
    assert failed.counts.read == 4
    assert lab.run(definition).counts.succeeded == 10


def test_a_source_that_raises_anything_fails_the_run(lab: Lab) -> None:
    """Jakarta Batch TCK: testChunkSkipReadNoSkipChildEx, an error that nobody foresaw."""
    source = iterable(FlakyReads(payments(10), 7, NoChildError("a bug in the source")))
    definition = paying([], source=source, chunk_size=4)

    failed = lab.run(definition)

    assert (failed.state, failed.error) == ("failed", "source-unreadable")
    assert "NoChildError: a bug in the source" in str(failed.message)
    assert failed.counts.read == 4
    assert lab.run(definition).state == "completed"


@pytest.mark.parametrize(
    "errors",
    [
        pytest.param([TimeoutError("late")], id="Jakarta Batch TCK: testChunkRetryProcess"),
        pytest.param(
            [TimeoutError("late"), ConnectionResetError("cut"), BlockingIOError("busy")],
            id="Jakarta Batch TCK: testChunkRetryMultipleExceptions",
        ),
    ],
)
def test_a_transient_error_repeats_the_chunk(lab: Lab, errors: list[Exception]) -> None:
    act = Recovers(6, *errors)
    retry = Retry(on=(TimeoutError, ConnectionError, BlockingIOError), first_delay_seconds=0)
    watcher = Watcher()

    result = lab.run(paying(payments(10), act, chunk_size=5, retry=retry), watcher=watcher)

    assert result.counts == Counts(read=10, succeeded=10)
    assert [tries for _, tries in watcher.retries] == list(range(1, len(errors) + 1))
    again = [5, 6] * len(errors)
    assert act.calls == [0, 1, 2, 3, 4, *again, 5, 6, 7, 8, 9]
    assert lab.posted() == list(range(10))


def test_rollback_retry_and_then_skip(lab: Lab) -> None:
    """Jakarta Batch TCK: testTranRollbackRetryReadSkipRead, ...ProcessSkipProcess; that of write
    is in test_rows.py."""
    act = Recovers(6, TimeoutError("late"), NoChildError("bad"))

    result = lab.run(paying(payments(10), act, chunk_size=5, retry=AT_ONCE))

    assert result.counts == Counts(read=10, succeeded=9, failed=1)
    (failed,) = lab.events(RecordFailed)
    assert (failed.ordinal, failed.error, failed.tries) == (6, "NoChildError", 2)


def test_a_chunk_whose_retries_are_used_up_fails_and_the_run_goes_on(lab: Lab) -> None:
    """design.md, a chunk's life, 4; a resume takes failed chunks first."""
    act = Recovers(6, *[TimeoutError("late")] * 4)
    definition = paying(payments(15), act, chunk_size=5, retry=AT_ONCE)

    failed = lab.run(definition)

    assert (failed.state, failed.error) == ("failed", "chunks-failed")
    assert failed.counts == Counts(read=10, succeeded=10)
    (chunk,) = lab.events(ChunkFailed)
    assert (chunk.error, chunk.message, chunk.tries) == ("TimeoutError", "TimeoutError: late", 4)
    assert (chunk.first_ordinal, chunk.read) == (5, 5)
    assert lab.posted() == [*range(5), *range(10, 15)]
    assert not lab.view("dead_letters")
    act.calls.clear()

    resumed = lab.run(definition)

    assert resumed.counts == Counts(read=15, succeeded=15)
    assert act.calls == [5, 6, 7, 8, 9]


def test_a_failed_chunk_that_fails_again_stays_failed(lab: Lab) -> None:
    """design.md, a chunk's life, 4, twice; the chunks behind it are not read again."""
    act = Recovers(1, *[TimeoutError("late")] * 8)
    definition = paying(payments(6), act, chunk_size=3, retry=AT_ONCE)

    assert lab.run(definition).error == "chunks-failed"
    again = lab.run(definition)
    assert (again.error, again.counts) == ("chunks-failed", Counts(read=3, succeeded=3))
    assert "1 chunk failed" in str(again.message)

    assert lab.run(definition).counts == Counts(read=6, succeeded=6)
    assert Counter(act.calls)[4] == 1


def test_retries_used_up_by_an_error_that_may_not_be_skipped(lab: Lab) -> None:
    """spring-batch: testExhaustedRetryWithNonSkippableException."""
    act = Recovers(6, TimeoutError("late"), NoChildError("fatal at the second try"))

    result = lab.run(paying(payments(10), act, chunk_size=5, retry=AT_ONCE, fatal=(NoChildError,)))

    assert (result.state, result.error) == ("failed", "fatal")
    assert lab.posted() == [0, 1, 2, 3, 4]
    assert not lab.events(RecordFailed)
    assert len(lab.events(RunFailed)) == 1


# Metrics.


def test_the_counts_of_skipped_filtered_committed_and_rolled_back(lab: Lab) -> None:
    """Jakarta Batch TCK: testMetricsSkipRead, testMetricsSkipProcess, testMetricsFilterCount,
    testMetricsCommitCount, testMetricsRollbackCount."""
    lab.run(paying(payments(2), parameters=Month), {"month": "2025-12"})
    act = Recovers(12, *[TimeoutError("late")] * 4)
    poison = failing_at(3, 4)

    def both(payment: Payment) -> None:
        act(payment)
        poison(payment)

    definition = paying(payments(15), both, chunk_size=5, retry=AT_ONCE, parameters=Month)
    failed = lab.run(definition, {"month": "2026-01"})

    assert failed.counts == Counts(read=10, succeeded=6, skipped=2, failed=2)
    (attempt,) = [row for row in lab.view("attempts") if row["run"] == "payments/2026-01"]
    figures = ("read", "succeeded", "skipped", "failed", "chunks_completed", "chunks_failed")
    assert [attempt[name] for name in figures] == [10, 6, 2, 2, 2, 1]
    posted_here = [event for event in lab.events(RecordSucceeded) if event.run == "2026-01"]
    assert len(posted_here) == 6
