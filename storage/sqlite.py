"""The log's statements for SQLite.

Rows go in by few statements with many rows each: every call into SQLite gives the interpreter's
lock away and has to win it back, which beside a busy thread costs more than the insert.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from msgspec.structs import astuple
from typing_extensions import override

from ..domain.errors import StornoError, StreamConflictError
from ..domain.seal import NewEvents
from .dialect import Commit, Head, LogDialect, Row
from .schema import LogTables, taken_message
from .soundness import sound_commit

SLICES: Final = (1000, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows per INSERT. A prepared statement of 1,000 rows takes about 0.6 ms to prepare and half a
megabyte to keep, so there are eleven of them and not one for every count that comes along."""


class SQLiteLog(LogDialect):
    """One log in a SQLite file."""

    def __init__(self, tables: LogTables) -> None:
        events, commits = tables.events.name, tables.commits.name
        self._events = events
        self._select_head = (
            "SELECT number, first_position, count, recorded_at, merkle_root, chain_hash "
            f"FROM {commits} ORDER BY number DESC LIMIT 1"
        )
        self._insert_commit = f"INSERT INTO {commits} VALUES (?, ?, ?, ?, ?, ?)"
        # The names travel as one JSON array: the statement stays the same for any number.
        self._select_versions = (
            "SELECT name.value, "
            f"(SELECT max(version) FROM {events} WHERE stream = name.value) AS version "
            "FROM json_each(?) AS name WHERE version IS NOT NULL"
        )
        self._select_streams = (
            f"SELECT position, stream, version, topic, state FROM {events} "
            "WHERE stream IN (SELECT value FROM json_each(?)) ORDER BY stream, version"
        )
        self._select_taken = (
            f"SELECT stream, version FROM {events} "
            "WHERE (stream, version) IN "
            "(SELECT value ->> 0, value ->> 1 FROM json_each(?)) "
            # Not what an earlier statement of the failed append itself inserted.
            f"AND position < (SELECT coalesce(max(first_position + count), 1) FROM {commits}) "
            "LIMIT 1"
        )

    @override
    def lock(self, connection: sa.Connection) -> None:
        """Nothing to do: a writer's transaction holds the lock since BEGIN IMMEDIATE."""

    @override
    def head(self, connection: sa.Connection) -> Head:
        row = connection.exec_driver_sql(self._select_head).one_or_none()
        return Head(self.now(connection), None if row is None else sound_commit(Commit(*row)))

    @override
    def now(self, connection: sa.Connection) -> int:
        """SQLite runs in this process: its clock is this machine's."""
        return time.time_ns() // 1000

    @override
    def versions(self, connection: sa.Connection, streams: Sequence[str]) -> dict[str, int]:
        names = json.dumps(list(streams))
        found = connection.exec_driver_sql(self._select_versions, (names,))
        return dict(found.all())

    @override
    def insert(self, connection: sa.Connection, commit: Commit, events: NewEvents) -> None:
        self._insert_rows(connection, commit.first_position, events)
        connection.exec_driver_sql(self._insert_commit, astuple(commit))

    def _insert_rows(
        self, connection: sa.Connection, first_position: int, events: NewEvents
    ) -> None:
        count = len(events)
        # Column by column: a tuple for every row would cost more than the rest of it.
        flat: list[Any] = [None] * (5 * count)
        flat[0::5] = range(first_position, first_position + count)
        flat[1::5] = events.streams
        flat[2::5] = events.versions
        flat[3::5] = events.topics
        flat[4::5] = events.states
        start = 0
        for size in _slices(count):
            stop = start + 5 * size
            connection.exec_driver_sql(_insert(self._events, size), tuple(flat[start:stop]))
            start = stop

    @override
    def read_streams(self, connection: sa.Connection, streams: Sequence[str]) -> list[Row]:
        names = json.dumps(list(streams))
        return list(map(Row._make, connection.exec_driver_sql(self._select_streams, (names,))))

    @override
    def explain(
        self, connection: sa.Connection, error: sa.exc.DBAPIError, events: NewEvents
    ) -> StornoError | None:
        if str(error.orig) != taken_message(self._events):
            return None
        taken = self._taken(connection, events)
        if taken is None:
            return None
        return StreamConflictError(
            f"{taken[0]} already has an event at version {taken[1]}: somebody appended to it "
            "meanwhile. Nothing was written; read it again and decide anew."
        )

    def _taken(self, connection: sa.Connection, events: NewEvents) -> tuple[str, int] | None:
        pairs = list(zip(events.streams, events.versions, strict=True))
        twice = _first_repeated(pairs)
        if twice:
            return twice
        found = connection.exec_driver_sql(self._select_taken, (json.dumps(pairs),)).first()
        return None if found is None else (found.stream, found.version)


def _slices(count: int) -> Iterator[int]:
    for size in SLICES:
        while count >= size:
            yield size
            count -= size


@lru_cache(maxsize=256)
def _insert(table: str, rows: int) -> str:
    return f"INSERT INTO {table} VALUES {', '.join(['(?, ?, ?, ?, ?)'] * rows)}"


def _first_repeated(pairs: Sequence[tuple[str, int]]) -> tuple[str, int] | None:
    seen: set[tuple[str, int]] = set()
    for pair in pairs:
        if pair in seen:
            return pair
        seen.add(pair)
    return None
