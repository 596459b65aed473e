"""The stored events of one commit after another, and the leaves that they come to.

Rows are fetched a few at a time, so that they are hashed while the processor's cache still holds
them: measured, 200 are fastest in SQLite, and 1,000 cost a seventh more. A server's answer is
worth more of them.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa

from ...domain.codec import decode
from ...domain.errors import StornoError
from ...domain.seal import NewEvents, event_leaf, event_leaves
from ..dialect import Commit, Row
from ..schema import LogTables
from .problems import Problem

ROWS_AT_ONCE: Final = {"sqlite": 200, "postgresql": 5_000}

MOST_NAMED: Final = 10
"""Events of a commit that are named one by one."""

_position = itemgetter(0)

StoredRow = tuple[Any, ...]
"""A row as it comes from the driver, of whatever types."""


@dataclass(slots=True)
class Hashed:
    """What a commit's events came to.

    Attributes:
        leaves: of those events that have one, in order.
        problems: those that can be pinned on one event, or on positions.
    """

    leaves: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class StoredEvents:
    """Reads the events behind a position once, in order, up to one position after another.

    Attributes:
        position: of the last event that was read.
    """

    def __init__(
        self, connection: sa.Connection, tables: LogTables, *, after_position: int | None
    ) -> None:
        """Begin behind a position, or with whatever comes first.

        Args:
            connection: in a transaction that has begun.
            tables: of the log.
            after_position: None begins with whatever comes first, be its position below 1.
        """
        behind = "" if after_position is None else f"WHERE position > {after_position:d}"
        self.position = after_position or 0
        self._at_once = ROWS_AT_ONCE[connection.dialect.name]
        # The driver's own cursor gives plain tuples, in four fifths of the time.
        self._cursor = _streaming(connection)
        self._cursor.execute(
            f"SELECT position, stream, version, topic, state FROM {tables.events.name} {behind} "
            "ORDER BY position"
        )
        self._waiting: list[StoredRow] = []

    def hashed(self, commit: Commit) -> Hashed:
        """Read and hash the events of a commit: all up to its last position."""
        found = Hashed()
        if orphans := sum(map(len, self._up_to(commit.first_position - 1))):
            found.problems.append(_orphans(commit.number, self.position + 1, orphans))
        expected = max(commit.first_position, self.position + 1)
        for rows in self._up_to(commit.last_position):
            columns: list[Any] = list(zip(*rows, strict=True))
            positions = columns[0]
            if positions != tuple(range(expected, expected + len(rows))):
                found.problems += _misplaced(commit.number, positions, expected)
            expected = positions[-1] + 1
            try:
                found.leaves += event_leaves(NewEvents(*columns[1:]))
            except (TypeError, AttributeError, struct.error, UnicodeError):
                _hash_one_by_one(commit.number, rows, found)
        if expected <= commit.last_position:
            found.problems.append(_missing(commit.number, expected, commit.last_position))
        self.position = max(commit.last_position, expected - 1)
        return found

    def rest(self) -> tuple[int, int] | None:
        """The first position and the number of the events that are left, None where none is."""
        first: int | None = None
        count = 0
        while rows := self._waiting or self._fetch(self._at_once):
            self._waiting = []
            first = rows[0][0] if first is None else first
            count += len(rows)
        return None if first is None else (first, count)

    def _up_to(self, position: int) -> Iterator[list[StoredRow]]:
        """The rows up to a position, a few at a time."""
        last = self.position
        while last < position:
            rows = self._waiting or self._fetch(min(position - last, self._at_once))
            self._waiting = []
            if not rows:
                return
            last = rows[-1][0]
            if last > position:
                end = bisect_right(rows, position, key=_position)
                self._waiting, rows = rows[end:], rows[:end]
            if rows:
                yield rows

    def _fetch(self, count: int) -> list[StoredRow]:
        rows: list[StoredRow] = self._cursor.fetchmany(count)
        return rows


def _streaming(connection: sa.Connection) -> Any:
    """A cursor that does not fetch everything at once."""
    driver: Any = connection.connection
    if connection.dialect.name == "sqlite":
        return driver.cursor()
    return driver.cursor(name="storno_verification")


def suspects(connection: sa.Connection, tables: LogTables, commit: Commit) -> list[Problem]:
    """The events of a commit that does not fit that cannot be read; or the one that it has."""
    events = tables.events.c
    rows = connection.execute(
        sa.select(events.position, events.stream, events.version, events.topic, events.state)
        .where(events.position.between(commit.first_position, commit.last_position))
        .order_by(events.position)
    )
    found: list[Problem] = []
    for row in rows:
        if commit.count == 1:
            message = "its stream, version, topic or state is not what was hashed"
            return [_at(row, commit.number, "event", message)]
        try:
            decode(row.topic, row.state)
        except StornoError as error:
            found.append(_at(row, commit.number, "state", str(error)))
        if len(found) == MOST_NAMED:
            break
    return found


def _misplaced(number: int, positions: Sequence[int], expected: int) -> Iterator[Problem]:
    """Where positions do not follow one another."""
    for position in positions:
        if position > expected:
            yield _missing(number, expected, position - 1)
        elif position < expected:
            message = f"position {position} stands where {expected} is due"
            yield Problem(field="position", message=message, commit=number, position=position)
        expected = position + 1


def _orphans(number: int, position: int, count: int) -> Problem:
    message = f"no commit holds the {count} events from position {position} on"
    return Problem(field="position", message=message, commit=number, position=position)


def _missing(number: int, first: int, last: int) -> Problem:
    named = (
        f"the event at position {first} is"
        if first == last
        else f"the events at positions {first} to {last} are"
    )
    return Problem(field="position", message=f"{named} missing", commit=number, position=first)


def _hash_one_by_one(number: int, rows: Sequence[StoredRow], found: Hashed) -> None:
    """What ``event_leaves`` does, where a value is of another type than its column."""
    for row in map(Row._make, rows):
        try:
            found.leaves.append(event_leaf(row.stream, row.version, row.topic, row.state))
        except (TypeError, AttributeError, struct.error, UnicodeError):
            for name, kind in (("stream", str), ("version", int), ("topic", str), ("state", bytes)):
                value = getattr(row, name)
                if type(value) is not kind or (isinstance(value, int) and value < 0):
                    message = f"{name} is {value!r}, which no event was written with"
                    found.problems.append(_at(row, number, name, message))


def _at(row: Any, number: int, field: str, message: str) -> Problem:
    return Problem(
        field=field, message=message, commit=number,
        position=row.position, stream=str(row.stream),
        version=row.version if isinstance(row.version, int) else None,
    )  # fmt: skip
