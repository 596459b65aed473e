"""The stored events as they come, some at a time, column by column.

In SQLite a thread reads ahead, and has the database join whole columns into one row: fetching row
by row, it would give the interpreter away for each and have to win it back from the thread that
hashes. What cannot be had like that, because somebody put values of other types there or the file
is broken, is read row by row. A server's answer is worth rows of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ...domain.seal import NewEvents
from ..schema import LogTables

EVENTS_AT_ONCE: Final = 5_000
"""Of a lot that was read ahead, and of a server's answer."""

ROWS_AT_ONCE: Final = 1
"""Of a lot that SQLite gives row by row: all in front of a row that cannot be read is hashed."""

StoredRow = tuple[Any, ...]
"""A row as it comes from the driver, of whatever types."""

_BETWEEN: Final = "\x1f"
"""Stands between names; where one contains it, there seem to be more names than events."""

_numbers = msgspec.json.Decoder(list[int]).decode


class Lot:
    """Some events that follow one another; cut without copying what was read."""

    def __init__(
        self,
        positions: Sequence[int],
        columns: Sequence[Sequence[Any]],
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """A part of what was read.

        Args:
            positions: rising.
            columns: streams, versions, topics and states at those positions.
            start: the place of the first event of this lot.
            stop: the place behind its last one; None for the end.
        """
        self._positions = positions
        self._columns = columns
        self._start = start
        self._stop = len(positions) if stop is None else stop

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def first(self) -> int:
        """The first event's position."""
        return self._positions[self._start]

    @property
    def last(self) -> int:
        """The last event's position."""
        return self._positions[self._stop - 1]

    @property
    def positions(self) -> list[int]:
        """Of all its events."""
        return list(self._positions[self._start : self._stop])

    def events(self) -> NewEvents:
        """The events as they were appended, unless a value is of another type."""
        return NewEvents(*(list(column[self._start : self._stop]) for column in self._columns))

    def rows(self) -> Iterator[StoredRow]:
        """One by one: position, stream, version, topic and state."""
        parts = (column[self._start : self._stop] for column in self._columns)
        return zip(self.positions, *parts, strict=True)

    def cut(self, position: int) -> tuple[Lot, Lot]:
        """What is up to a position, and the rest."""
        end = bisect_right(self._positions, position, self._start, self._stop)
        return (
            Lot(self._positions, self._columns, self._start, end),
            Lot(self._positions, self._columns, end, self._stop),
        )


def stored_lots(
    connection: sa.Connection, tables: LogTables, after_position: int | None
) -> Iterator[Lot]:
    """All events behind a position.

    Args:
        connection: in a transaction that has begun; what it sees is read, and nothing newer.
        tables: of the log.
        after_position: None begins with whatever comes first, be its position below 1.
    """
    first, last = _ends(connection, tables)
    if first is None or last is None:
        return iter(())
    after = first - 1 if after_position is None else after_position
    if connection.dialect.name == "sqlite":
        return _read_ahead(connection, tables, after, last)
    return _row_by_row(connection, tables, after, last)


def _ends(connection: sa.Connection, tables: LogTables) -> tuple[int | None, int | None]:
    position = tables.events.c.position
    first, last = (
        connection.execute(sa.select(end(position))).scalar_one()
        for end in (sa.func.min, sa.func.max)
    )
    return first, last


def _read_ahead(
    connection: sa.Connection, tables: LogTables, after: int, last: int
) -> Iterator[Lot]:
    with ThreadPoolExecutor(1, "storno-verify") as ahead:
        reading = ahead.submit(_joined, connection.engine, tables, after, last)
        while after < last:
            row = reading.result()
            if row is None:
                yield from _row_by_row(connection, tables, after, last)
                return
            reading = ahead.submit(_joined, connection.engine, tables, row.last, last)
            lot = _taken_apart(row)
            if lot is None:
                yield from _row_by_row(connection, tables, after, row.last)
            else:
                yield lot
            after = row.last


def _joined(engine: sa.Engine, tables: LogTables, after: int, last: int) -> Any:
    """The events of the next positions in one row; None where the database cannot read them."""
    select = f"""
        SELECT count(*) AS events, min(position) AS first, coalesce(max(position), :last) AS last,
            sum(typeof(stream) = 'text' AND typeof(version) = 'integer' AND version >= 0
                AND typeof(topic) = 'text' AND typeof(state) = 'blob') AS typed,
            group_concat(stream, :between) AS streams, json_group_array(version) AS versions,
            group_concat(topic, :between) AS topics,
            json_group_array(length(state)) AS lengths,
            CAST(group_concat(state, '') AS BLOB) AS states
        FROM (SELECT * FROM {tables.events.name} WHERE position > :after AND position <= :last
            ORDER BY position LIMIT :most)
    """
    bound = {"between": _BETWEEN, "after": after, "last": last, "most": EVENTS_AT_ONCE}
    with engine.connect() as connection:
        try:
            return connection.execute(sa.text(select), bound).one()
        except sa.exc.DBAPIError:
            return None


def _taken_apart(row: Any) -> Lot | None:
    """The columns of what was joined; None where a value has another type than its column."""
    if row.typed != row.events or row.last - row.first + 1 != row.events:
        return None
    ends = accumulate(_numbers(row.lengths), initial=0)
    columns = (
        row.streams.split(_BETWEEN),
        _numbers(row.versions),
        row.topics.split(_BETWEEN),
        [row.states[start:end] for start, end in pairwise(ends)],
    )
    if any(len(column) != row.events for column in columns):
        return None
    return Lot(range(row.first, row.last + 1), columns)


def _row_by_row(
    connection: sa.Connection, tables: LogTables, after: int, last: int
) -> Iterator[Lot]:
    # The driver's own cursor gives plain tuples, in four fifths of the time.
    cursor, at_once = _streaming(connection)
    cursor.execute(
        f"SELECT position, stream, version, topic, state FROM {tables.events.name} "
        f"WHERE position > {after:d} AND position <= {last:d} ORDER BY position"
    )
    while rows := cursor.fetchmany(at_once):
        positions, *columns = zip(*rows, strict=True)
        yield Lot(positions, columns)


def _streaming(connection: sa.Connection) -> tuple[Any, int]:
    """A cursor that does not fetch everything at once, and how many rows to ask it for."""
    driver: Any = connection.connection
    if connection.dialect.name == "sqlite":
        return driver.cursor(), ROWS_AT_ONCE
    return driver.cursor(name="storno_verification"), EVENTS_AT_ONCE
