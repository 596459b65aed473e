"""The append: positions, versions, what is expected, and that a failure writes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from storno.domain.errors import ExpectationFailedError, StreamConflictError
from storno.domain.seal import merkle_root
from storno.storage.engine import writer
from storno.storage.log import Commit, EventLog

from .helpers import append, event, events, whole_log


@pytest.fixture
def log(engine: sa.Engine) -> EventLog:
    return EventLog(engine)


def test_an_empty_log_has_no_head(log: EventLog) -> None:
    assert log.head() is None
    assert log.commits() == []
    assert whole_log(log) == []


def test_positions_and_numbers_follow_without_gaps(log: EventLog) -> None:
    sizes = [1, 3, 1003, 2]
    commits = [append(log, events(f"s{number}", size)) for number, size in enumerate(sizes)]
    assert [commit.number for commit in commits] == [1, 2, 3, 4]
    assert [commit.first_position for commit in commits] == [1, 2, 5, 1008]
    assert [commit.count for commit in commits] == sizes
    assert [row.position for row in whole_log(log)] == list(range(1, 1010))
    assert log.commits() == commits
    assert log.head() == commits[-1]


def test_what_was_appended_is_read_back_byte_for_byte(log: EventLog) -> None:
    """Scenario 35: no false alarms from what a database does to text and bytes."""
    strange = [
        event("record/x/%25%2F 'quoted\" \\ {}", 1, bytes(range(256)), "test.Ünïcode.v1"),
        event("record/x/e\u0301", 1, "é e\u0301 \U0001f408".encode()),
        event("record/x/\u00e9", 1, b""),
        event("record/x/É", 1, b"\x00"),
    ]
    append(log, strange)
    assert [row[1:] for row in whole_log(log)] == [new[:4] for new in strange]
    for new in strange:
        assert [row[1:] for row in log.read_stream(new.stream)] == [new[:4]]


def test_a_commit_holds_at_least_one_event(log: EventLog) -> None:
    with pytest.raises(ValueError, match="at least one"):
        append(log, [])


def test_a_taken_version_is_a_conflict_that_writes_nothing(
    log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, [event("run/a/1"), event("run/a/1", 2)])
    before = whole_log(log), log.commits()
    with pytest.raises(StreamConflictError, match="run/a/1"):
        append(log, [event("run/a/2"), event("run/a/1", 2)])
    assert (whole_log(log), log.commits()) == before
    assert not caplog.records, "the driver has nothing to add to the error"


def test_a_conflict_within_one_commit_is_one_too(log: EventLog) -> None:
    with pytest.raises(StreamConflictError, match="run/a/1"):
        append(log, [event("run/a/1"), event("run/a/1", state=b"other")])
    assert log.head() is None


def test_a_conflict_in_a_large_commit_is_named(log: EventLog) -> None:
    append(log, [event("many/001500")])
    with pytest.raises(StreamConflictError, match="many/001500"):
        append(log, events("many", 2000))
    assert len(whole_log(log)) == 1


def test_the_log_goes_on_after_a_conflict(log: EventLog) -> None:
    append(log, [event("a")])
    with pytest.raises(StreamConflictError):
        append(log, [event("a")])
    assert append(log, [event("b")]).first_position == 2


@pytest.mark.parametrize(
    ("expect", "actual"), [({"run/a/1": 1}, 2), ({"run/a/1": 3}, 2), ({"run/b/1": 1}, 0)]
)
def test_a_moved_expectation_writes_nothing(
    log: EventLog, expect: dict[str, int], actual: int
) -> None:
    append(log, [event("run/a/1"), event("run/a/1", 2)])
    with pytest.raises(ExpectationFailedError) as caught:
        append(log, [event("chunk/a/1")], expect=expect)
    assert {caught.value.stream: caught.value.expected} == expect
    assert caught.value.actual == actual
    assert len(whole_log(log)) == 2


def test_met_expectations_let_the_commit_through(log: EventLog) -> None:
    append(log, [event("run/a/1"), event("run/a/1", 2)])
    commit = append(log, [event("chunk/a/1")], expect={"run/a/1": 2, "period/main/2020-01": 0})
    assert commit.number == 2


def test_the_root_written_is_that_of_the_events_leaves(log: EventLog) -> None:
    new = events("s", 5)
    assert append(log, new).merkle_root == merkle_root([one.leaf for one in new])


def make_notes(engine: sa.Engine) -> sa.Table:
    notes = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text, unique=True))
    with writer(engine).begin() as connection:
        notes.create(connection)
    return notes


def read_notes(engine: sa.Engine, notes: sa.Table) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(notes.c.text)).scalars())


def noting(notes: sa.Table) -> Callable[[sa.Connection, Commit], None]:
    def project(connection: sa.Connection, commit: Commit) -> None:
        connection.execute(notes.insert().values(text=f"commit {commit.number}"))

    return project


def test_projections_are_written_in_the_commit(log: EventLog) -> None:
    notes = make_notes(log.engine)
    append(log, [event("a")], project=noting(notes))
    assert read_notes(log.engine, notes) == ["commit 1"]
    with pytest.raises(StreamConflictError):
        append(log, [event("a")], project=noting(notes))
    assert read_notes(log.engine, notes) == ["commit 1"]


def test_a_failing_projection_writes_nothing(log: EventLog) -> None:
    """And its own broken constraint is no stream conflict, though the events are inserted."""
    notes = make_notes(log.engine)
    with writer(log.engine).begin() as connection:
        connection.execute(notes.insert().values(text="commit 1"))
    with pytest.raises(IntegrityError):
        append(log, [event("a")], project=noting(notes))
    assert log.head() is None
    assert append(log, [event("a")]).number == 1


def test_rows_of_a_connection_commit_with_the_events(log: EventLog) -> None:
    notes = make_notes(log.engine)
    with writer(log.engine).connect() as connection:
        connection.begin()
        connection.execute(notes.insert().values(text="the job's own"))
        append(log, [event("a")], connection=connection)
        assert not connection.in_transaction()
    assert read_notes(log.engine, notes) == ["the job's own"]
    assert log.head() is not None


def test_rows_of_a_connection_go_with_a_refused_append(log: EventLog) -> None:
    notes = make_notes(log.engine)
    append(log, [event("a")])
    with writer(log.engine).connect() as connection:
        connection.begin()
        connection.execute(notes.insert().values(text="the job's own"))
        with pytest.raises(StreamConflictError):
            append(log, [event("a")], connection=connection)
        assert not connection.in_transaction()
        # The connection can be used for the next try.
        connection.begin()
        append(log, [event("b")], connection=connection)
    assert read_notes(log.engine, notes) == []
    assert len(whole_log(log)) == 2


def test_a_connection_without_a_transaction_is_refused(log: EventLog) -> None:
    with (
        writer(log.engine).connect() as connection,
        pytest.raises(ValueError, match="no transaction"),
    ):
        append(log, [event("a")], connection=connection)


def test_a_connection_lost_in_the_middle_writes_nothing(log: EventLog) -> None:
    """Scenario 19: the connection is cut after the inserts, before the commit."""

    def cut(connection: sa.Connection, _commit: Commit) -> None:
        if connection.dialect.name == "postgresql":
            select = "SELECT pg_backend_pid()"
            process = connection.exec_driver_sql(select).scalar_one()
            with log.engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({process})")
        else:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.close()

    with pytest.raises(DBAPIError):
        append(log, [event("a")], project=cut)
    assert log.head() is None
    assert whole_log(log) == []
    assert append(log, [event("a")]).number == 1


def test_time_never_runs_backwards(log: EventLog) -> None:
    """Scenario 29: the clock is behind the last commit's; order comes from positions."""
    first = append(log, [event("a")])
    future = first.recorded_at + 3_600_000_000
    commits = log.tables.commits
    with writer(log.engine).begin() as connection:
        connection.execute(log.tables.events.insert().values((2, "b", 1, "t.v1", b"")))
        connection.execute(commits.insert().values((2, 2, 1, future, bytes(32), bytes(32))))
    third = append(log, [event("c")])
    assert third.recorded_at == future
    assert third.first_position == 3
    assert log.now() < future


def test_the_clock_is_read_in_microseconds(log: EventLog) -> None:
    before = log.now()
    recorded = append(log, [event("a")]).recorded_at
    assert before <= recorded <= log.now()
    assert 1_600_000_000_000_000 < recorded < 10_000_000_000_000_000


def test_logs_of_two_applications_are_apart(engine: sa.Engine) -> None:
    from storno.storage.schema import create_log

    own, other = EventLog(engine), EventLog(engine, "Other App")
    with writer(engine).begin() as connection:
        create_log(connection, other.tables)
    append(own, [event("a")])
    assert append(other, [event("a")]).first_position == 1
    assert len(whole_log(own)) == len(whole_log(other)) == 1
