"""The log under concurrent writers and readers, in threads and in processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import sqlalchemy as sa

from storno.domain.errors import StoreBusyError, StreamConflictError
from storno.domain.seal import NewEvents
from storno.storage.engine import create_engine, store_path, writer
from storno.storage.log import Commit, EventLog

from .helpers import append, event, events, finish, start, until, whole_log

COMMITS = 21
"""Commits of each thread of a writing process; sizes go round from 1 to 7."""

EVENTS = sum(number % 7 + 1 for number in range(COMMITS)) * 2
"""Events of one writing process."""


def test_many_writers_leave_no_gap(engine: sa.Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    finish([start("process_appends.py", url, name, COMMITS) for name in "abc"])
    log = EventLog(engine)
    rows, commits = whole_log(log), log.commits()
    assert [row.position for row in rows] == list(range(1, 3 * EVENTS + 1))
    assert [commit.number for commit in commits] == list(range(1, 3 * 2 * COMMITS + 1))
    following = 1
    for commit in commits:
        # A commit's events are neighbours: its streams share all but the last part.
        inside = rows[following - 1 : following - 1 + commit.count]
        assert len({row.stream.rpartition("/")[0] for row in inside}) == 1
        assert commit.first_position == following
        following += commit.count
    times = [commit.recorded_at for commit in commits]
    assert times == sorted(times)


def test_a_reader_that_tails_the_log_misses_nothing(engine: sa.Engine) -> None:
    """Scenario 27 (marten 4952, eventuous 222): every event once, in order, as it is committed."""
    url = engine.url.render_as_string(hide_password=False)
    readers = [start("process_tails.py", url, 3 * EVENTS) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    finish([start("process_appends.py", url, name, COMMITS) for name in "abc"])
    for output in finish(readers):
        assert output.split() == [str(number) for number in range(1, 3 * EVENTS + 1)]


def test_of_two_writers_of_a_version_one_wins(engine: sa.Engine) -> None:
    """Scenario 25: whoever comes second is told, and wrote nothing."""
    log = EventLog(engine)
    outcomes: list[str] = []

    def claim(worker: int) -> None:
        try:
            append(log, [event("chunk/a/1"), event(f"worker/{worker}")])
            outcomes.append("won")
        except StreamConflictError:
            outcomes.append("lost")

    threads = [Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost"] * 7 + ["won"]
    assert len(whole_log(log)) == 2


@contextmanager
def open_read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that has read and stays open."""
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == 1
        yield connection


def test_a_long_read_does_not_stop_writers(engine: sa.Engine) -> None:
    """Scenario 28; on SQLite the reader goes on in its snapshot."""
    log = EventLog(engine)
    append(log, [event("a")])
    with open_read(engine) as connection:
        append(log, events("b", 2000))
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one() == 1
    assert len(whole_log(log)) == 2001


def test_an_idle_transaction_does_not_stall_readers(engine: sa.Engine) -> None:
    """Scenario 28: not even one that holds the append lock and has inserted."""
    log = EventLog(engine)
    append(log, [event("a")])
    with writer(engine).begin() as idle:
        log._database.lock(idle)
        commit = Commit(2, 2, 1, log.now(), bytes(32), bytes(32))
        log._database.insert(idle, commit, NewEvents.of([event("b")]))
        assert len(whole_log(log)) == 1
        assert log.read_stream("b") == []
        idle.rollback()


def test_an_idle_reader_sees_the_next_commits(engine: sa.Engine) -> None:
    """A reader that asks again is not kept in an old snapshot by anything of ours."""
    log = EventLog(engine)
    for number in range(1, 4):
        append(log, [event("a", number)])
        assert log.read_log(after_position=number - 1)[0].version == number


def test_a_held_lock_is_reported_with_its_holder(engine: sa.Engine) -> None:
    impatient = create_engine(engine.url, lock_timeout_seconds=0.2)
    holder, waiter = EventLog(engine), EventLog(impatient)
    with writer(engine).begin() as connection:
        holder._database.lock(connection)
        with pytest.raises(StoreBusyError) as caught:
            append(waiter, [event("a")])
        connection.rollback()
    message = str(caught.value)
    assert "0.2 seconds" in message
    path = store_path(engine)
    assert (path in message) if path else (f"storno {os.getpid()}@" in message)
    assert append(waiter, [event("a")]).number == 1
    impatient.dispose()


def test_a_killed_writer_leaves_the_lock(engine: sa.Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    log = EventLog(engine)
    writing = start("process_appends.py", url, "killed", 100_000)
    until(log.head)
    writing.kill()
    writing.communicate()
    commit = append(log, [event("after")])
    assert [row.position for row in whole_log(log)] == list(range(1, commit.last_position + 1))


def test_a_silent_holder_is_ended_by_the_server(postgres_url: str) -> None:
    """A process that was stopped in the middle must not keep the lock of everybody."""
    from storno.storage import migrate

    migrate.init(postgres_url)
    engine = create_engine(postgres_url)
    log = EventLog(engine)
    with writer(engine).connect() as connection:
        log._database.lock(connection)
        limits = connection.exec_driver_sql(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'), "
            "current_setting('idle_in_transaction_session_timeout')"
        ).one()
        assert tuple(limits) == ("30s", "1min", "30s")
        # They are of this transaction alone.
        connection.rollback()
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "0"
    engine.dispose()
