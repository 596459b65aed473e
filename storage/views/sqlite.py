"""The view statements for SQLite: many rows in one VALUES list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

from typing_extensions import override

from ...projections.changes import Released, Resolved
from ..sqlite import SLICES
from .batch import ResolveRecords, UpsertRows
from .movement_rows import MOVEMENT_WIDTH, MovementValues
from .statements import Dialect, MovementRows, Statement, columns, on_conflict


class SQLiteMovements(MovementRows):
    """Rows that have much in common go by statements of their own.

    What they share is bound once, which leaves four values of ten to bind for each: an insert of
    them takes two thirds of the time.
    """

    def __init__(self, values: MovementValues) -> None:
        self._values = values

    @override
    def number(self, commit: int) -> None:
        self._values.number(commit)

    @override
    def statements(self, table: str) -> Iterator[Statement]:
        for shared, (accounts, debits, credits_, lines) in self._values.groups:
            start = 0
            for size in _sizes(len(accounts)):
                part = slice(start, start + size)
                own = (*accounts[part], *debits[part], *credits_[part], *lines[part])
                yield Statement(_insert_group(table, size), (*shared, *own))
                start += size
        yield from _sliced(f"INSERT INTO {table}", MOVEMENT_WIDTH, self._values.single, "")


class SQLiteViews(Dialect):
    """Lists travel as one JSON array: the statement stays the same for any number."""

    @override
    def movements(self, values: MovementValues) -> MovementRows:
        return SQLiteMovements(values)

    @override
    def upsert(self, table: str, step: UpsertRows) -> Iterator[Statement]:
        names = columns(step.shape)
        return _sliced(
            f"INSERT INTO {table} ({', '.join(names)})",
            len(names),
            list(chain.from_iterable(step.rows)),
            on_conflict(table, step.shape),
        )

    @override
    def resolve_records(self, table: str, step: ResolveRecords) -> Statement:
        return Statement(
            f"UPDATE {table} SET state = 'resolved' WHERE run = ? AND partition = ? "
            "AND ordinal IN (SELECT value FROM json_each(?))",
            (step.run, step.partition, json.dumps(step.ordinals)),
        )

    @override
    def resolve(self, table: str, step: Resolved) -> Statement:
        spared = json.dumps(sorted(step.except_for))
        return Statement(
            f"UPDATE {table} SET state = 'resolved' WHERE run = ? AND partition = ? "
            "AND ordinal BETWEEN ? AND ? "
            "AND ordinal NOT IN (SELECT value FROM json_each(?))",
            (step.run, step.partition, step.first_ordinal, step.last_ordinal, spared),
        )

    @override
    def release(self, table: str, step: Released) -> Statement:
        return Statement(
            f"UPDATE {table} SET status = 'released' WHERE {step.of} = ? AND status = 'processing'",
            (step.name,),
        )


def _sliced(insert: str, width: int, values: list[Any], end: str) -> Iterator[Statement]:
    """Statements of the few sizes that stay prepared, for any number of rows."""
    start = 0
    for size in _sizes(len(values) // width):
        stop = start + size * width
        yield Statement(_insert(insert, width, size, end), tuple(values[start:stop]))
        start = stop


def _sizes(rows: int) -> Iterator[int]:
    for size in SLICES:
        while rows >= size:
            yield size
            rows -= size


@lru_cache(maxsize=256)
def _insert(insert: str, width: int, rows: int, end: str) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{insert} VALUES {', '.join([row] * rows)} {end}"


@lru_cache(maxsize=256)
def _insert_group(table: str, rows: int) -> str:
    """Parameters 1 to 6 are what the rows share; accounts, debits, credits and lines follow."""
    columns = (range(first, first + rows) for first in range(7, 7 + 4 * rows, rows))
    own = zip(*columns, strict=True)
    values = (f"(?1, ?2, ?{a}, ?3, ?4, ?5, ?6, ?{d}, ?{c}, ?{n})" for a, d, c, n in own)
    return f"INSERT INTO {table} VALUES {', '.join(values)}"
