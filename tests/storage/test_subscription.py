"""Waiting for commits: woken by them, by nothing else for good, and stopped at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest
import sqlalchemy as sa

from storno.storage.engine import create_engine
from storno.storage.log import EventLog
from storno.storage.recorders import ApplicationRecorder
from storno.storage.subscription import PostgreSQLSignal, commit_signal

from .helpers import append, event, finish, start

COMMITS = 21
EVENTS = sum(number % 7 + 1 for number in range(COMMITS)) * 2


@pytest.fixture
def log(engine: sa.Engine) -> EventLog:
    return EventLog(engine)


@pytest.fixture
def elsewhere(engine: sa.Engine) -> Iterator[EventLog]:
    """The same log through connections of its own, as another process has them."""
    other = create_engine(engine.url)
    yield EventLog(other)
    other.dispose()


def test_a_commit_wakes_who_waits(log: EventLog, elsewhere: EventLog) -> None:
    signal = commit_signal(log)
    woken: Queue[int] = Queue()

    def listen() -> None:
        seen = 0
        while seen < 3:
            signal.wait()
            seen = len(log.read_log())
            woken.put(seen)

    thread = Thread(target=listen)
    thread.start()
    for number in range(1, 4):
        append(elsewhere, [event("a", number)])
        while woken.get(timeout=30) < number:
            pass
    thread.join()
    signal.close()


def test_a_commit_before_the_wait_is_not_missed(log: EventLog, elsewhere: EventLog) -> None:
    signal = commit_signal(log)
    append(elsewhere, [event("a")])
    signal.wait()
    signal.close()


def test_an_interrupt_ends_the_wait_for_good(log: EventLog) -> None:
    signal = commit_signal(log)
    thread = Thread(target=signal.wait)
    thread.start()
    signal.interrupt()
    thread.join(timeout=30)
    assert not thread.is_alive()
    signal.wait()
    signal.close()
    signal.interrupt()


def test_a_subscription_follows_other_processes(log: EventLog) -> None:
    """Scenario 27 through eventsourcing's interface."""
    recorder = ApplicationRecorder(log, uuids=False)
    url = log.engine.url.render_as_string(hide_password=False)
    with recorder.subscribe() as subscription:
        writing = [start("process_appends.py", url, name, COMMITS) for name in "ab"]
        seen = [notification.id for notification in islice(subscription, 2 * EVENTS)]
        finish(writing)
    assert seen == list(range(1, 2 * EVENTS + 1))


def test_a_subscription_begins_after_a_position_and_keeps_to_topics(log: EventLog) -> None:
    append(log, [event("a", 1, topic="x.v1"), event("a", 2, topic="y.v1")])
    recorder = ApplicationRecorder(log, uuids=False)
    with recorder.subscribe(gt=1, topics=["x.v1"]) as subscription:
        append(log, [event("a", 3, topic="y.v1"), event("a", 4, topic="x.v1")])
        assert next(subscription).originator_version == 4


def test_a_cut_connection_ends_a_subscription_with_the_error(postgres_url: str) -> None:
    from storno.storage import migrate

    migrate.init(postgres_url)
    engine = create_engine(postgres_url)
    log = EventLog(engine)
    with ApplicationRecorder(log, uuids=False).subscribe() as subscription:
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE starts_with(query, 'LISTEN') AND pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        with pytest.raises(Exception, match="terminat"):
            next(subscription)
    engine.dispose()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_closed_signal_leaves_nothing_open(postgres_url: str) -> None:
    from storno.storage import migrate

    migrate.init(postgres_url)
    engine = create_engine(postgres_url)
    log = EventLog(engine)
    log.head()
    before = open_files()
    signal = PostgreSQLSignal(log)
    signal.close()
    log.head()
    # The connection that was taken from the pool has been replaced by one like it.
    assert open_files() == before
    engine.dispose()
