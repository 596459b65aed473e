"""Jobs that write rows of their own: the rows commit with the chunk, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from storno import Context, Entry, Job, Retry, iterable, job
from storno.domain.errors import StornoError
from storno.domain.events import ChunkCompleted, Counts, RecordFailed, RunCompleted, RunFailed

from .lab import Lab, Payment, Rows, Watcher, entry_of, ordinal_of, payments
from .mishaps import ROWS, make_table, rows_in_table

Act = Callable[[Payment, Context], object]


def writing(rows: Rows, act: Act = lambda payment, context: None, **policies: Any) -> Job:
    """A job that writes a row for each payment, and then acts."""

    @job(key="number", source=iterable(rows), name="payments", writes=True, **policies)
    def write(payment: Payment, context: Context) -> Entry:
        context.connection.execute(sa.insert(ROWS).values(number=payment.number))
        act(payment, context)
        return entry_of(payment)

    return write


def numbers(*ordinals: int) -> list[str]:
    return [f"P-{ordinal:03}" for ordinal in ordinals]


@pytest.fixture
def table(lab: Lab) -> None:
    make_table(lab)


pytestmark = pytest.mark.usefixtures("table")


def fail_at(*ordinals: int) -> Act:
    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) in ordinals:
            raise ValueError("no")

    return act


def write_twice_at(*ordinals: int) -> Act:
    """Break the table's own rule."""

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) in ordinals:
            context.connection.execute(sa.insert(ROWS).values(number=payment.number))

    return act


@pytest.mark.parametrize(
    ("act", "error"),
    [
        pytest.param(fail_at(1, 2, 6), "ValueError", id="after the write"),
        pytest.param(
            write_twice_at(1, 2, 6), "IntegrityError", id="Jakarta Batch TCK: testChunkSkipWrite"
        ),
    ],
)
def test_what_a_failing_record_wrote_is_rolled_back_alone(lab: Lab, act: Act, error: str) -> None:
    """spring-batch: testSkipOnWriteNotDoubleCounted, the skip is counted once."""
    result = lab.run(writing(payments(10), act, chunk_size=5))

    assert result.counts == Counts(read=10, succeeded=7, failed=3)
    assert lab.failures() == dict.fromkeys((1, 2, 6), error)
    assert rows_in_table(lab) == numbers(0, 3, 4, 5, 7, 8, 9)
    assert [event.counts.failed for event in lab.events(ChunkCompleted)] == [2, 1]


@pytest.mark.parametrize(
    ("policies", "error"),
    [
        pytest.param({"tolerance": 0}, "tolerance-exceeded", id="testChunkSkipWriteExceedSkip"),
        pytest.param({"fatal": (ValueError,)}, "fatal", id="testChunkSkipWriteNoSkipChildEx"),
    ],
)
def test_a_chunk_that_fails_the_run_leaves_no_rows(
    lab: Lab, policies: dict[str, Any], error: str
) -> None:
    """Jakarta Batch TCK, as each parameter says; spring-batch #5182."""
    result = lab.run(writing(payments(10), fail_at(7), chunk_size=5, **policies))

    assert (result.state, result.error) == ("failed", error)
    assert rows_in_table(lab) == numbers(*range(5))
    assert lab.posted() == list(range(5))


def test_rollback_retry_and_then_skip_on_write(lab: Lab) -> None:
    """Jakarta Batch TCK: testTranRollbackRetryReadSkipRead... of write: each try begins anew."""
    errors: list[Exception] = [TimeoutError("late"), ConnectionError("cut"), ValueError("bad")]

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) == 7 and errors:
            raise errors.pop(0)

    retry = Retry(first_delay_seconds=0)
    result = lab.run(writing(payments(10), act, chunk_size=5, retry=retry))

    assert result.counts == Counts(read=10, succeeded=9, failed=1)
    (failed,) = lab.events(RecordFailed)
    assert (failed.ordinal, failed.error, failed.tries) == (7, "ValueError", 3)
    assert rows_in_table(lab) == numbers(0, 1, 2, 3, 4, 5, 6, 8, 9)


def test_an_error_that_the_function_swallows_costs_its_record_only(lab: Lab) -> None:
    """spring-batch #1189: PostgreSQL refuses to commit what an error came before."""

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) == 1:
            try:
                context.connection.execute(sa.insert(ROWS).values(number=payment.number))
            except IntegrityError:
                return

    result = lab.run(writing(payments(4), act))

    assert result.state == "completed"
    assert result.counts.read == 4
    assert [ordinal for ordinal in lab.posted() if ordinal != 1] == [0, 2, 3]
    assert rows_in_table(lab) == numbers(*lab.posted())


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_function_that_ends_the_transaction_is_named(lab: Lab, end: str) -> None:
    """context.connection: never commit or roll it back yourself."""

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) == 7:
            getattr(context.connection, end)()

    result = lab.run(writing(payments(10), act, chunk_size=5))

    assert (result.state, result.error) == ("failed", "invalid-definition")
    assert "ended the chunk's transaction" in str(result.message)
    assert lab.posted() == list(range(5))


def test_the_connection_is_there_for_jobs_that_write_only(lab: Lab) -> None:
    """Job.writes: a job that does not say so is told to."""

    @job(key="number", source=iterable(payments(1)), name="payments")
    def write(payment: Payment, context: Context) -> Entry:
        context.connection.execute(sa.insert(ROWS).values(number=payment.number))
        return entry_of(payment)

    lab.run(write)

    (failed,) = lab.events(RecordFailed)
    assert "declare it with writes=True" in failed.message


def test_a_commit_that_fails_is_not_reported_as_completed(lab: Lab) -> None:
    """spring-batch #1189, #1826: the database refuses the transaction when it ends."""
    make_deferred_rule(lab)
    broken = [7]

    def act(payment: Payment, context: Context) -> None:
        parent = "nobody" if ordinal_of(payment) in broken else payment.number
        context.connection.execute(sa.text("INSERT INTO children VALUES (:p)"), {"p": parent})

    definition = writing(payments(10), act, chunk_size=5)
    watcher = Watcher()
    failed = lab.run(definition, watcher=watcher)

    assert (failed.state, failed.error) == ("failed", "chunks-failed")
    assert rows_in_table(lab) == numbers(*range(5))
    assert lab.posted() == list(range(5))
    assert [counts.read for counts in watcher.acknowledged] == [5, 5]
    assert not lab.events(RunCompleted)
    broken.clear()

    assert lab.run(definition).counts == Counts(read=10, succeeded=10)
    assert len(lab.events(RunFailed)) == len(lab.events(RunCompleted)) == 1


def make_deferred_rule(lab: Lab) -> None:
    """A table whose rows need a row of the job's table, looked at when a transaction ends."""
    with lab.store.engine.execution_options(storno_writes=True).begin() as connection:
        connection.execute(
            sa.text(
                f"CREATE TABLE children (parent TEXT REFERENCES {ROWS.name} (number) "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )


def test_a_database_that_refuses_a_commit_leaves_nothing_of_it(lab: Lab) -> None:
    """spring-batch #5182, with the store's own tables at fault."""
    break_commit(lab, 3)
    definition = writing(payments(15), chunk_size=5)

    with pytest.raises((StornoError, DBAPIError)):
        lab.run(definition)

    assert rows_in_table(lab) == numbers(*range(5))
    assert lab.posted() == list(range(5))
    mend_commit(lab)
    assert lab.run(definition).counts == Counts(read=15, succeeded=15)
    assert rows_in_table(lab) == numbers(*range(15))


def break_commit(lab: Lab, number: int) -> None:
    """Let the database refuse one commit of the store."""
    when = f"WHEN (NEW.number = {number})"
    if lab.store.dialect == "sqlite":
        body = "BEGIN SELECT RAISE(ABORT, 'out of order'); END"
        statements = [f"CREATE TRIGGER broken BEFORE INSERT ON commits {when} {body}"]
    else:
        body = "LANGUAGE plpgsql AS $$ BEGIN RAISE 'out of order'; END $$"
        trigger = "CREATE TRIGGER broken BEFORE INSERT ON commits FOR EACH ROW"
        statements = [
            f"CREATE FUNCTION broken() RETURNS trigger {body}",
            f"{trigger} {when} EXECUTE FUNCTION broken()",
        ]
    with lab.store.engine.execution_options(storno_writes=True).begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def mend_commit(lab: Lab) -> None:
    on = "" if lab.store.dialect == "sqlite" else " ON commits"
    with lab.store.engine.execution_options(storno_writes=True).begin() as connection:
        connection.execute(sa.text(f"DROP TRIGGER broken{on}"))


@pytest.mark.parametrize(
    "seconds", [pytest.param(1e-9, id="shorter"), pytest.param(None, id="the default of SQLite")]
)
def test_a_chunk_that_writes_closes_by_time(lab: Lab, seconds: float | None) -> None:
    """details.md, Records: chunk seconds are capped for them on SQLite."""
    lab.run(writing(payments(4), chunk_seconds=seconds, chunk_size=2))

    assert lab.chunks() == ([(0, 2), (2, 2)] if seconds is None else [(n, 1) for n in range(4)])
    assert rows_in_table(lab) == numbers(*range(4))
