"""Writes what commits change: a few statements, whatever the number of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from ...projections.changes import Changes, Released, Resolved
from ..dialect import Commit
from ..driver import driver_cursor
from .batch import Batch, ResolveRecords, Step, UpsertRows
from .movement_rows import MovementValues
from .postgresql import PostgreSQLViews
from .sqlite import SQLiteViews
from .statements import Dialect, MovementRows, Statement
from .tables import MOVEMENTS, ViewTables

_DIALECTS: Final[dict[str, Dialect]] = {
    "sqlite": SQLiteViews(),
    "postgresql": PostgreSQLViews(),
}


class Prepared(NamedTuple):
    """A commit's changes, with all the work done that needs no lock."""

    changes: Changes
    movements: MovementRows


def prepare(dialect: str, changes: Changes) -> Prepared:
    """Bind what can be bound before the append lock is taken.

    Args:
        dialect: the name SQLAlchemy gives the database.
        changes: of one commit.
    """
    values = MovementValues()
    values.add(0, changes.movements)
    return Prepared(changes, _DIALECTS[dialect].movements(values))


def write(
    connection: sa.Connection, tables: ViewTables, prepared: Prepared, commit: Commit
) -> None:
    """Write what one commit changes, in its transaction, under the append lock."""
    batch = Batch()
    batch.add_rows(prepared.changes, commit.number, commit.recorded_at)
    prepared.movements.number(commit.number)
    _write(connection, tables, batch.finish(), prepared.movements)


def write_batch(connection: sa.Connection, tables: ViewTables, batch: Batch) -> None:
    """Write what many commits change; the batch is empty afterwards."""
    movements = _DIALECTS[connection.dialect.name].movements(batch.movements)
    _write(connection, tables, batch.finish(), movements)
    batch.movements = MovementValues()


def _write(
    connection: sa.Connection, tables: ViewTables, steps: Sequence[Step], movements: MovementRows
) -> None:
    dialect = _DIALECTS[connection.dialect.name]
    with driver_cursor(connection, "writing the views") as cursor:
        for step in steps:
            for statement in _statements(dialect, tables, step):
                cursor.execute(*statement)
        for statement in movements.statements(tables.name(MOVEMENTS)):
            cursor.execute(*statement)


def _statements(dialect: Dialect, tables: ViewTables, step: Step) -> Iterator[Statement]:
    match step:
        case UpsertRows():
            yield from dialect.upsert(tables.name(step.shape.table), step)
        case ResolveRecords():
            yield dialect.resolve_records(tables.name("dead_letters"), step)
        case Resolved():
            yield dialect.resolve(tables.name("dead_letters"), step)
        case Released():
            yield dialect.release(tables.name("checkpoint"), step)
