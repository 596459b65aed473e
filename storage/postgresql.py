"""The log's statements for PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from msgspec.structs import astuple
from typing_extensions import override

from ..domain.errors import StoreBusyError, StornoError, StreamConflictError
from ..domain.seal import NewEvents
from .binary_arrays import ByteaArray, Int4Array, TextArray
from .dialect import Commit, Head, LogDialect, Row
from .driver import driver_cursor
from .schema import LogTables

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

_LOCK_NOT_AVAILABLE = "55P03"
_UNIQUE_VIOLATION = "23505"

GRACE_SECONDS = 30.0
"""How long one statement of an append may run, and how long its client may be silent between two,
before the server ends it: a process that stopped must not keep the lock of everybody."""


class PostgreSQLLog(LogDialect):
    """One log in a PostgreSQL schema. The append lock is one advisory lock per schema and log."""

    def __init__(self, tables: LogTables, lock_timeout_seconds: float) -> None:
        events, commits = tables.events.name, tables.commits.name
        self._events = events
        self._lock_timeout_seconds = lock_timeout_seconds
        key = f"hashtextextended('storno append ' || current_schema() || '.{events}', 0)"
        self._settings = _settings(lock_timeout_seconds)
        self._take_lock = f"SELECT pg_advisory_xact_lock({key})"
        self._select_holder = _HOLDER.format(key=key)
        self._select_head = (
            f"SELECT {_NOW}, last.* FROM (SELECT) AS always LEFT JOIN LATERAL "
            "(SELECT number, first_position, count, recorded_at, merkle_root, chain_hash "
            f"FROM {commits} ORDER BY number DESC LIMIT 1) AS last ON true"
        )
        self._insert_events = (
            f"INSERT INTO {events} (position, stream, version, topic, state) "
            "SELECT %s + row.number, row.stream, row.version, row.topic, row.state "
            "FROM unnest(%s, %s, %s, %s) "
            "WITH ORDINALITY AS row (stream, version, topic, state, number)"
        )
        self._insert_commit = (
            f"WITH made AS (INSERT INTO {commits} "
            "(number, first_position, count, recorded_at, merkle_root, chain_hash) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING number) "
            f"SELECT pg_notify({channel(events)}, made.number::text) FROM made"
        )
        self._select_versions = (
            "SELECT name, version FROM unnest(%s::text[]) AS name CROSS JOIN LATERAL "
            f"(SELECT max(version) AS version FROM {events} WHERE stream = name) AS last "
            "WHERE version IS NOT NULL"
        )
        self._select_streams = (
            f"SELECT position, stream, version, topic, state FROM {events} "
            "WHERE stream = ANY(%s::text[]) ORDER BY stream, version"
        )

    @override
    def lock(self, connection: sa.Connection) -> None:
        with driver_cursor(connection, "taking the append lock") as cursor:
            cursor.execute(self._settings)
            cursor.execute(self._take_lock)

    @override
    def head(self, connection: sa.Connection) -> Head:
        now, *last = connection.exec_driver_sql(self._select_head).one()
        return Head(now, None if last[0] is None else Commit(*last))

    @override
    def now(self, connection: sa.Connection) -> int:
        now: int = connection.exec_driver_sql(f"SELECT {_NOW}").scalar_one()
        return now

    @override
    def versions(self, connection: sa.Connection, streams: Sequence[str]) -> dict[str, int]:
        found = connection.exec_driver_sql(self._select_versions, (list(streams),))
        return dict(found.all())

    @override
    def insert(self, connection: sa.Connection, commit: Commit, events: NewEvents) -> None:
        columns = (
            TextArray(events.streams),
            Int4Array(events.versions),
            TextArray(events.topics),
            ByteaArray(events.states),
        )
        with driver_cursor(connection, "inserting events") as cursor:
            cursor.execute(self._insert_events, (commit.first_position - 1, *columns))
            cursor.execute(self._insert_commit, astuple(commit))

    @override
    def read_streams(self, connection: sa.Connection, streams: Sequence[str]) -> list[Row]:
        found = connection.exec_driver_sql(self._select_streams, (list(streams),))
        return list(map(Row._make, found))

    @override
    def explain(
        self, connection: sa.Connection, error: sa.exc.DBAPIError, events: NewEvents
    ) -> StornoError | None:
        if not isinstance(error.orig, psycopg.Error):
            return None
        state, where = error.orig.sqlstate, error.orig.diag
        if state == _UNIQUE_VIOLATION and where.table_name == self._events:
            return StreamConflictError(
                f"{where.message_detail} Somebody appended to the stream meanwhile. "
                "Nothing was written; read it again and decide anew."
            )
        if state == _LOCK_NOT_AVAILABLE:
            return self._busy(connection.engine)
        return None

    def _busy(self, engine: sa.Engine) -> StoreBusyError:
        # On another connection: the one that failed answers nothing until it is rolled back.
        with engine.connect() as connection:
            holder: Any = connection.exec_driver_sql(self._select_holder).first()
        return StoreBusyError(
            f"{_name(holder)} holds the append lock of the store, and did not let go in "
            f"{self._lock_timeout_seconds:g} seconds. Wait for it, or end it "
            "(SELECT pg_terminate_backend(...)), then try again."
        )


def channel(events_table: str) -> str:
    """The SQL expression of the NOTIFY channel of a log: one per schema and log."""
    return f"'storno_' || md5(current_schema() || '.{events_table}')"


def _settings(lock_timeout_seconds: float) -> str:
    # Waiting for a lock counts as statement time, so that limit has to be the longer one.
    limits = {
        "lock_timeout": lock_timeout_seconds,
        "statement_timeout": lock_timeout_seconds + GRACE_SECONDS,
        "idle_in_transaction_session_timeout": GRACE_SECONDS,
    }
    calls = (
        f"set_config('{name}', '{max(1, round(seconds * 1000))}', true)"
        for name, seconds in limits.items()
    )
    return f"SELECT {', '.join(calls)}"


def _name(holder: Any) -> str:
    if holder is None:
        return "Another connection"
    return (
        f"{holder.application_name or 'a client'} (server process {holder.pid}, {holder.state}, "
        f"in its transaction for {holder.seconds} s)"
    )


_HOLDER = """
SELECT activity.pid, activity.application_name, activity.state,
       round(extract(epoch FROM clock_timestamp() - activity.xact_start))::int AS seconds
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32 | held.objid::bigint) = {key}
LIMIT 1
"""
