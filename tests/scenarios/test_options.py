"""Part of a run: some records, chosen keys, or none at all, to see what would happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storno import Effect, Parameters, Retry, iterable, job
from storno.domain.events import ChunkCompleted, Counts, RecordSucceeded, RunStopped

from .lab import Calls, Lab, Payment, Watcher, entry_of, ordinal_of, paying, payments


@pytest.mark.parametrize("chunk_size", [4, 5, 100])
@pytest.mark.parametrize("limit", [5, 8])
def test_a_limit_is_kept_to_the_record(lab: Lab, chunk_size: int, limit: int) -> None:
    """cli.md, run --limit: details.md, Runs: it leaves the run stopped."""
    calls = Calls()
    definition = paying(payments(20), calls, chunk_size=chunk_size)

    first = lab.run(definition, limit=limit)
    second = lab.run(definition, limit=limit)

    assert (first.state, first.message) == ("stopped", "limit")
    assert first.counts == Counts(read=limit, succeeded=limit)
    assert second.counts == Counts(read=2 * limit, succeeded=2 * limit)
    assert calls == list(range(2 * limit))
    assert lab.run(definition).counts.succeeded == 20


def test_a_limit_at_the_end_completes_the_run(lab: Lab) -> None:
    definition = paying(payments(10), chunk_size=5)

    assert lab.run(definition, limit=10).state == "completed"


def test_chosen_keys_are_worked_on_alone(lab: Lab) -> None:
    """cli.md, run --key: details.md, Runs: it leaves the run stopped; its records count when the
    run comes to them."""
    calls = Calls()
    definition = paying(payments(12), calls, chunk_size=5)

    chosen = lab.run(definition, keys=("P-011", "P-003", "P-404"))

    assert chosen.state == "stopped"
    assert chosen.message == ("keys: 2 succeeded, 0 skipped, 0 failed, not found: P-404")
    assert chosen.not_found == ("P-404",)
    assert calls == lab.posted() == [3, 11]
    assert chosen.counts == Counts()
    assert sum(event.counts.succeeded for event in lab.events(ChunkCompleted)) == 2

    rest = lab.run(definition)

    assert rest.counts == Counts(read=12, succeeded=12)
    assert lab.posted() == list(range(12))


def test_a_chosen_key_that_is_mended_settles_its_dead_letter(lab: Lab) -> None:
    """design.md, Words: a dead letter waits for a person, who may run its key again."""
    broken = [2]

    def act(payment: Payment) -> None:
        if ordinal_of(payment) in broken:
            raise ValueError("no")

    definition = paying(payments(6), act, chunk_size=3)
    lab.run(definition, limit=3)
    lab.run(definition, keys=("P-002",))
    assert [row["tries"] for row in lab.view("dead_letters")] == [2]
    broken.clear()

    lab.run(definition, keys=("P-002",))

    assert [row["state"] for row in lab.view("dead_letters")] == ["resolved"]
    assert lab.posted() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["posts", "effect"])
def test_a_chosen_key_meets_transient_errors(lab: Lab, kind: str) -> None:
    """Jakarta Batch TCK: testChunkRetryProcess, for chosen keys: they come back with the run."""
    errors: list[Exception] = [TimeoutError("late")] * 5

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 3 and errors:
            raise errors.pop(0)

    definition = paying(payments(6), act, chunk_size=2, retry=Retry(first_delay_seconds=0))

    failed = lab.run(definition, keys=("P-001", "P-003", "P-005"))

    assert failed.state == "failed"
    assert "TimeoutError: late" in str(failed.message)
    assert lab.run(definition, keys=("P-003",)).state == "stopped"
    assert lab.run(definition).counts == Counts(read=6, succeeded=6)


def test_chosen_keys_of_a_source_that_cannot_be_read(lab: Lab) -> None:
    """details.md, Runs: a source that cannot be read fails the run, for chosen keys too."""

    def broken(offset: int) -> Any:
        raise RuntimeError("no such table")

    result = lab.run(paying([], source=iterable(broken)), keys=("P-001",))

    assert (result.state, result.error) == ("failed", "source-unreadable")


class Month(Parameters):
    month: str


def call_out(rows: Any, act: Callable[[Payment], object]) -> Any:
    """A job that does something outside."""

    @job(
        key="number",
        source=iterable(rows),
        parameters=Month,
        name="payments",
        effect=True,
        irreversible="nobody is called",
    )
    def pay(payment: Payment) -> Effect:
        act(payment)
        return Effect(output=payment.number, entries=[entry_of(payment)])

    return pay


def test_a_dry_run_writes_nothing_and_says_what_would_be(lab: Lab) -> None:
    """cli.md, run --dry-run: it looks at what is posted already, and at the tolerance not."""
    lab.run(paying(payments(3), parameters=Month), {"month": "1"})
    head = lab.store.log.head()
    rows = payments(10)
    rows[7] = rows[7] | {"amount": "nothing"}
    calls, watcher = Calls(), Watcher()
    definition = paying(rows, calls, parameters=Month, chunk_size=4)

    result = lab.run(definition, {"month": "2"}, watcher=watcher, dry_run=True)

    assert result.state == "dry-run"
    assert result.counts == Counts(read=10, succeeded=6, skipped=3, failed=1)
    assert result.totals == {"EUR": sum(100 * (n + 1) + 25 for n in (3, 4, 5, 6, 8, 9))}
    ((key, failed),) = result.failures
    assert (key, failed.error, failed.ordinal) == ("P-007", "invalid-record", 7)
    assert lab.store.log.head() == head
    assert len(watcher.acknowledged) == 3
    assert lab.run(definition, {"month": "2"}).counts == result.counts


def test_a_dry_run_goes_on_where_the_run_is(lab: Lab) -> None:
    definition = paying(payments(10), chunk_size=4)
    lab.run(definition, limit=4)

    assert lab.run(definition, dry_run=True).counts == Counts(read=10, succeeded=10)
    assert lab.run(definition, dry_run=True, limit=2).counts == Counts(read=6, succeeded=6)
    assert lab.run(definition).attempt == 2


def test_a_dry_run_does_not_call_out(lab: Lab) -> None:
    """cli.md, run --dry-run: a job that acts outside is not called, only validated."""
    calls = Calls()
    rows = payments(4)
    rows[1] = rows[1] | {"amount": "nothing"}

    result = lab.run(call_out(rows, calls), {"month": "1"}, dry_run=True)

    assert result.counts == Counts(read=4, succeeded=3, failed=1)
    assert [(key, failed.error) for key, failed in result.failures] == [("P-001", "invalid-record")]
    assert not calls
    assert not lab.log()


def test_a_dry_run_of_a_completed_run_says_that_it_is(lab: Lab) -> None:
    definition = paying(payments(4))
    lab.run(definition)

    assert lab.run(definition, dry_run=True).noop


def test_stopped_runs_say_why(lab: Lab) -> None:
    definition = paying(payments(4))
    lab.run(definition, limit=2)
    lab.run(definition, keys=("P-003",))

    assert [event.why for event in lab.events(RunStopped)] == [
        "limit", "keys: 1 succeeded, 0 skipped, 0 failed"
    ]  # fmt: skip
    assert [event.attempt for event in lab.events(RecordSucceeded)] == [1, 1, 2]
