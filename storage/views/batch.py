"""Changes of one commit or of many, merged so that each row is written once.

What is merged is what the same changes, applied one after the other, come to: an upsert joins the
one before it on the same row. Releases and settlements read other rows, so whatever is gathered
for their table is handed out before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from ...projections.changes import Changes, Keyed, Released, Resolved, Row, Upsert
from .movement_rows import MovementValues

NUL_SIGN: Final = "\u2400"


class Shape(NamedTuple):
    """Upserts of one shape go into one statement."""

    table: str
    put: tuple[str, ...]
    add: tuple[str, ...]


class UpsertRows(NamedTuple):
    """Rows of one shape, with distinct keys: key, put and add values side by side."""

    shape: Shape
    rows: list[tuple[object, ...]]


class ResolveRecords(NamedTuple):
    """Settle the dead letters of single records."""

    run: str
    partition: str
    ordinals: list[int]


Step = UpsertRows | ResolveRecords | Resolved | Released
"""What becomes one statement."""


class _Merged(NamedTuple):
    put: Row
    add: dict[str, int]


class Batch(Struct):
    """Gathers changes; ``finish`` hands out the steps that write them, in order.

    Attributes:
        movements: the values of the movements' rows. What they were summed up in is given up
            commit by commit: kept for a whole batch, it would have the garbage collector look
            through it again and again, for a tenth of the time.
    """

    movements: MovementValues = field(default_factory=MovementValues)
    _steps: list[Step] = field(default_factory=list)
    _pending: dict[str, dict[Keyed, _Merged]] = field(default_factory=dict)
    _resolving: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, changes: Changes, number: int, recorded_at: int) -> None:
        """Gather what a commit changes.

        Args:
            changes: of the commit after those gathered so far.
            number: the commit's.
            recorded_at: its time, microseconds since 1970 UTC.
        """
        self.add_rows(changes, number, recorded_at)
        self.movements.add(number, changes.movements)

    def add_rows(self, changes: Changes, number: int, recorded_at: int) -> None:
        """Gather what a commit changes, except its movements."""
        for change in changes.rows:
            match change:
                case Upsert():
                    self._upsert(change, number, recorded_at)
                case Resolved():
                    self._resolve(change)
                case Released():
                    self._hand_out("checkpoint")
                    self._steps.append(change)

    def finish(self) -> list[Step]:
        """The steps that write what was gathered, except the movements; the batch is empty then."""
        for table in tuple(self._pending):
            self._hand_out(table)
        self._hand_out_resolving()
        steps, self._steps = self._steps, []
        return steps

    def _upsert(self, change: Upsert, number: int, recorded_at: int) -> None:
        if change.table == "dead_letters":
            self._hand_out_resolving()
        put = {column: _storable(value) for column, value in change.put.items()}
        for column in change.times:
            put[column] = recorded_at
        for column in change.commits:
            put[column] = number
        rows = self._pending.setdefault(change.table, {})
        row = rows.get(change.key)
        if row is None:
            row = rows[change.key] = _Merged({}, {})
        _join(row, put, change.add)

    def _resolve(self, change: Resolved) -> None:
        self._hand_out("dead_letters")
        if change.first_ordinal == change.last_ordinal and not change.except_for:
            place = (change.run, change.partition)
            self._resolving.setdefault(place, []).append(change.first_ordinal)
        else:
            self._steps.append(change)

    def _hand_out(self, table: str) -> None:
        shapes: dict[Shape, list[tuple[object, ...]]] = {}
        for key, row in self._pending.pop(table, {}).items():
            shape = Shape(table, tuple(row.put), tuple(row.add))
            shapes.setdefault(shape, []).append((*key, *row.put.values(), *row.add.values()))
        self._steps.extend(UpsertRows(shape, rows) for shape, rows in shapes.items())

    def _hand_out_resolving(self) -> None:
        self._steps.extend(
            ResolveRecords(run, partition, ordinals)
            for (run, partition), ordinals in self._resolving.items()
        )
        self._resolving.clear()


def _storable(value: Any) -> Any:
    """The value, with a visible sign for NUL: PostgreSQL's text cannot hold one."""
    if value.__class__ is str and "\0" in value:
        return value.replace("\0", NUL_SIGN)
    return value


def _join(row: _Merged, put: Row, add: Mapping[str, int]) -> None:
    """What the row's change and this one after it come to."""
    for column in put:
        row.add.pop(column, None)
    row.put.update(put)
    for column, amount in add.items():
        if column in row.put:
            row.put[column] += amount
        else:
            row.add[column] = row.add.get(column, 0) + amount
