"""The stored events of one commit after another, read in order, and what is wrong with them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct, field

from ...domain.codec import decode
from ...domain.errors import StornoError
from ...domain.seal import NewEvents, event_leaf, event_leaves
from ..dialect import Commit, Row
from ..schema import LogTables
from .event_rows import EventRows, StoredRow
from .problems import Problem

MOST_NAMED: Final = 10
"""Events of a commit that are named one by one."""

_LAST_POSITION: Final = 2**63 - 1
"""That a database can hold; a changed row may add up to more."""


class Hashed(Struct):
    """What a commit's events came to.

    Attributes:
        leaves: of those events that have one, in order.
        problems: those that can be pinned on one event, or on positions.
        unreadable: events that fit, and are none.
    """

    leaves: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unreadable: list[Problem] = field(default_factory=list)


class StoredEvents:
    """Reads the events behind a position once, in order, up to one position after another.

    Attributes:
        position: of the last event that was read, or passed over.
    """

    def __init__(
        self,
        connection: sa.Connection,
        tables: LogTables,
        *,
        after_position: int | None,
    ) -> None:
        """Begin behind a position, or with whatever comes first.

        Args:
            connection: in a transaction that has begun.
            tables: of the log.
            after_position: None begins with whatever comes first, be its position below 1.
        """
        self.position = after_position or 0
        self._connection = connection
        self._events = tables.events
        self._rows = event_rows(connection, tables)
        self._after = after_position

    def pass_over(self, commit: Commit) -> None:
        """Leave out a commit whose events come next, and are known to fit."""
        self.position = self._after = commit.last_position

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
            else:
                found.unreadable += _unreadable(commit.number, map(Row._make, rows))
        if expected <= commit.last_position:
            found.problems.append(_missing(commit.number, expected, commit.last_position))
        self.position = max(commit.last_position, expected - 1)
        return found

    def rest(self) -> tuple[int, int] | None:
        """The first position and the number of the events that are left, None where none is."""
        position = self._events.c.position
        select = sa.select(sa.func.min(position), sa.func.count())
        if self._after is not None:
            # A table that was put in the place of the log's may have events without a position.
            behind = position > min(self._after, _LAST_POSITION)
            select = select.where(sa.or_(behind, position.is_(None)))
        first, count = self._connection.execute(select).one()
        return (first, count) if count else None

    def _up_to(self, position: int) -> Iterator[list[StoredRow]]:
        """The rows up to a position, a few at a time."""
        if (self._after or 0) < position:
            after, self._after = self._after, position
            yield from self._rows.between(after, position)


def event_rows(connection: sa.Connection, tables: LogTables) -> EventRows:
    """The events as a connection sees them in its transaction."""
    return EventRows(connection.connection, connection.dialect.name, tables.events.name)


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
        found += _unreadable(commit.number, [row])
        if len(found) == MOST_NAMED:
            break
    return found


def _unreadable(number: int, rows: Iterable[Any]) -> Iterator[Problem]:
    """The events that cannot be decoded."""
    for row in rows:
        try:
            decode(row.topic, row.state)
        except StornoError as error:
            yield _at(row, number, "state", str(error))


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
