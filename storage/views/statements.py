"""What the view statements of the two databases have in common."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, Protocol

from ...projections.changes import KEYS, Released, Resolved
from .batch import ResolveRecords, Shape, UpsertRows
from .movement_rows import MovementValues


class Statement(NamedTuple):
    """SQL in the driver's own style, and what it is executed with."""

    sql: str
    parameters: tuple[object, ...]


class MovementRows(Protocol):
    """Movements in the form in which they are bound; made before the append lock is taken."""

    def number(self, commit: int) -> None:
        """Put the commit's number in, which is known only under the lock."""

    def statements(self, table: str) -> Iterator[Statement]:
        """What inserts the rows."""


class Dialect(Protocol):
    """The statements of one database; ``table`` is the view's table in its generation."""

    def movements(self, values: MovementValues) -> MovementRows:
        """Bind the movements of one commit or several."""

    def upsert(self, table: str, step: UpsertRows) -> Iterator[Statement]:
        """Make rows, or change those that are there."""

    def resolve_records(self, table: str, step: ResolveRecords) -> Statement:
        """Settle the dead letters of single records."""

    def resolve(self, table: str, step: Resolved) -> Statement:
        """Settle the dead letters of a range of records."""

    def release(self, table: str, step: Released) -> Statement:
        """Give back the claims of a run or a partition that have no outcome."""


@cache
def columns(shape: Shape) -> tuple[str, ...]:
    """The columns of an upsert, in the order of its rows' values."""
    return (*KEYS[shape.table], *shape.put, *shape.add)


@cache
def on_conflict(table: str, shape: Shape) -> str:
    """What an upsert does to a row that is there."""
    changed = [f"{column} = excluded.{column}" for column in shape.put]
    changed += [f"{column} = {table}.{column} + excluded.{column}" for column in shape.add]
    action = f"UPDATE SET {', '.join(changed)}" if changed else "NOTHING"
    return f"ON CONFLICT ({', '.join(KEYS[shape.table])}) DO {action}"
