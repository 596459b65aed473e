"""Nothing changes or leaves the log, whichever way somebody goes about it."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from storno.storage.engine import store_path, writer
from storno.storage.log import EventLog

from .helpers import append, events, whole_log

CHANGES = [
    "UPDATE events SET state = state",
    "UPDATE events SET version = 2 WHERE position = 1",
    "DELETE FROM events",
    "DELETE FROM events WHERE position = 3",
    "UPDATE commits SET recorded_at = 0",
    "DELETE FROM commits",
]

POSTGRESQL_CHANGES = [
    "TRUNCATE events",
    "TRUNCATE commits",
    "TRUNCATE events, commits CASCADE",
    """
    INSERT INTO events SELECT position, stream, version, topic, 'x'::bytea FROM events
    ON CONFLICT (position) DO UPDATE SET state = excluded.state
    """,
]

SQLITE_CHANGES = [
    "INSERT OR REPLACE INTO events VALUES (1, 'changed/1', 1, 't.v1', x'00')",
    "INSERT OR REPLACE INTO events VALUES (4, 'kept/000001', 1, 't.v1', x'00')",
    "REPLACE INTO events SELECT position, stream, version, topic, x'00' FROM events",
    """
    INSERT INTO events SELECT position, stream, version, topic, x'00' FROM events WHERE true
    ON CONFLICT (position) DO UPDATE SET state = excluded.state
    """,
    "INSERT INTO events VALUES (9, 'gap/1', 1, 't.v1', x'00')",
    "INSERT INTO events (stream, version, topic, state) VALUES ('kept/000001', 1, 't.v1', x'00')",
    "INSERT OR REPLACE INTO commits SELECT number, first_position, 9, 0, x'00', x'00' FROM commits",
    "INSERT OR REPLACE INTO commits VALUES (2, 1, 3, 0, x'00', x'00')",
    "UPDATE OR IGNORE events SET topic = 'x'",
]


@pytest.fixture
def log(engine: sa.Engine) -> EventLog:
    log = EventLog(engine)
    append(log, events("kept", 3))
    return log


def test_changes_are_refused(log: EventLog) -> None:
    before = whole_log(log), log.commits()
    on_sqlite = log.engine.dialect.name == "sqlite"
    for change in CHANGES + (SQLITE_CHANGES if on_sqlite else POSTGRESQL_CHANGES):
        with (
            pytest.raises(IntegrityError, match="is append-only"),
            writer(log.engine).begin() as connection,
        ):
            connection.exec_driver_sql(change)
        assert (whole_log(log), log.commits()) == before, change


def test_changes_are_refused_to_other_clients_of_the_file(sqlite_url: str) -> None:
    """Whose connection lacks our settings: recursive triggers are off, as SQLite has it."""
    from storno.storage import migrate, sqlite_engine
    from storno.storage.engine import create_engine

    migrate.init(sqlite_url)
    engine = create_engine(sqlite_url)
    log = EventLog(engine)
    append(log, events("kept", 3))
    before = whole_log(log), log.commits()
    path = store_path(engine)
    assert path is not None
    client = sqlite_engine.library().connect(path)
    assert client.execute("PRAGMA recursive_triggers").fetchone() == (0,)
    for change in CHANGES + SQLITE_CHANGES:
        with pytest.raises((sqlite3.IntegrityError, client.IntegrityError), match="append-only"):
            client.execute(change)
        client.rollback()
        assert (whole_log(log), log.commits()) == before, change
    client.close()
    engine.dispose()
