"""The stored events of one commit after another, and the leaves that they come to."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from ...domain.codec import decode
from ...domain.errors import StornoError
from ...domain.seal import event_leaf, event_leaves
from ..dialect import Commit, Row
from ..schema import LogTables
from .lots import Lot, StoredRow, stored_lots
from .problems import Problem

MOST_NAMED: Final = 10
"""Events of a commit that are named one by one."""


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
        self.position = after_position or 0
        self._lots = stored_lots(connection, tables, after_position)
        self._waiting: Lot | None = None

    def hashed(self, commit: Commit) -> Hashed:
        """Read and hash the events of a commit: all up to its last position."""
        found = Hashed()
        if orphans := sum(map(len, self._up_to(commit.first_position - 1))):
            found.problems.append(_orphans(commit.number, self.position + 1, orphans))
        expected = max(commit.first_position, self.position + 1)
        for lot in self._up_to(commit.last_position):
            positions = lot.positions
            if positions != list(range(expected, expected + len(lot))):
                found.problems += _misplaced(commit.number, positions, expected)
            expected = lot.last + 1
            try:
                found.leaves += event_leaves(lot.events())
            except (TypeError, AttributeError, struct.error, UnicodeError):
                _hash_one_by_one(commit.number, lot.rows(), found)
        if expected <= commit.last_position:
            found.problems.append(_missing(commit.number, expected, commit.last_position))
        self.position = max(commit.last_position, expected - 1)
        return found

    def rest(self) -> tuple[int, int] | None:
        """The first position and the number of the events that are left, None where none is."""
        first: int | None = None
        count = 0
        while (lot := self._next()) is not None:
            first = lot.first if first is None else first
            count += len(lot)
        return None if first is None else (first, count)

    def _up_to(self, position: int) -> Iterator[Lot]:
        """The events up to a position, a lot at a time."""
        last = self.position
        while last < position and (lot := self._next()) is not None:
            last = lot.last
            if last > position:
                lot, self._waiting = lot.cut(position)
            if len(lot):
                yield lot

    def _next(self) -> Lot | None:
        lot, self._waiting = self._waiting, None
        return next(self._lots, None) if lot is None else lot


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


def _hash_one_by_one(number: int, rows: Iterable[StoredRow], found: Hashed) -> None:
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
