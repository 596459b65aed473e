"""Compares the live views with views made from the events at the same position.

All of it happens in one transaction that sees one state of the store: the events, the live views
and, in temporary tables that go with it, the views rebuilt. It stops no writer and leaves nothing
behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any, Final

import sqlalchemy as sa

from ...projections.changes import KEYS
from ..log import EventLog
from .generation import live_views
from .rebuild import Progress
from .replay import Replay
from .tables import COLUMNS, MOVEMENTS, ViewTables, temporary_tables
from .writer import write_batch

MOST_DIFFERENCES: Final = 100

_MOVEMENT_KEY: Final = (
    "commit_number",
    "book",
    "account",
    "currency",
    "exponent",
    "posting",
    "effective",
)

Key = tuple[Any, ...]
Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a view says and the events do not, or the other way round.

    Attributes:
        view: runs, attempts, checkpoint, dead_letters or movements.
        key: the row's key by the names of its columns.
        column: what differs; None where the whole row is on one side alone.
        live: the live view's value (of a whole row, all of them by name; None: no such row).
        rebuilt: the value that the events lead to, likewise.
    """

    view: str
    key: Mapping[str, Any]
    column: str | None
    live: Any
    rebuilt: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing all views came to.

    Attributes:
        commits: how many commits the store held.
        events: how many events.
        differences: the first of them, view by view in the order of their keys.
        total: how many rows differ in all.
    """

    commits: int
    events: int
    differences: tuple[Difference, ...]
    total: int


def check(log: EventLog, progress: Progress | None = None) -> Comparison:
    """Compare every live view with the events."""
    rebuilt = temporary_tables()
    replay = Replay(log.tables)
    with live_views(log.engine) as (connection, live), _temporary_writes(connection):
        rebuilt.create(connection)
        _build(connection, replay, rebuilt, progress)
        totals = {view: _count(connection, view, live, rebuilt) for view in COLUMNS}
        found: list[Difference] = []
        for view in (view for view, total in totals.items() if total):
            found += _differences(connection, view, live, rebuilt)
    return Comparison(
        replay.number, replay.position, tuple(found[:MOST_DIFFERENCES]), sum(totals.values())
    )


def _build(
    connection: sa.Connection, replay: Replay, tables: ViewTables, progress: Progress | None
) -> None:
    position = replay.log.events.c.position
    total = connection.execute(sa.select(sa.func.max(position))).scalar_one() or 0
    while (batch := replay.next_batch(connection)) is not None:
        write_batch(connection, tables, batch)
        if progress is not None:
            progress(replay.position, total)


@contextmanager
def _temporary_writes(connection: sa.Connection) -> Iterator[None]:
    """SQLite's reading connections refuse to write even to temporary tables."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("PRAGMA query_only = 0")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA query_only = 1")


def _key(view: str) -> tuple[str, ...]:
    return _MOVEMENT_KEY if view == MOVEMENTS else KEYS[view]


def _rows(view: str, tables: ViewTables) -> str:
    """The rows, and how often each is there: no key keeps a movement from coming twice."""
    names = ", ".join(COLUMNS[view])
    return f"SELECT {names}, count(*) AS times FROM {tables.name(view)} GROUP BY {names}"


def _either(view: str, live: ViewTables, rebuilt: ViewTables) -> str:
    left, right = _rows(view, live), _rows(view, rebuilt)
    return (
        f"SELECT 0 AS side, one.* FROM ({left} EXCEPT {right}) AS one "
        f"UNION ALL SELECT 1 AS side, other.* FROM ({right} EXCEPT {left}) AS other"
    )


def _count(connection: sa.Connection, view: str, live: ViewTables, rebuilt: ViewTables) -> int:
    """How many rows differ, by their keys."""
    key = ", ".join(_key(view))
    either = _either(view, live, rebuilt)
    count: int = connection.exec_driver_sql(
        f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM ({either}) AS either) AS keys"
    ).scalar_one()
    return count


def _differences(
    connection: sa.Connection, view: str, live: ViewTables, rebuilt: ViewTables
) -> Iterator[Difference]:
    names = _key(view)
    order = ", ".join(map(str, (*names, "side")))
    rows = connection.exec_driver_sql(
        f"SELECT * FROM ({_either(view, live, rebuilt)}) AS either ORDER BY {order} "
        f"LIMIT {2 * MOST_DIFFERENCES}"
    )
    for key, group in groupby(rows.mappings(), lambda row: tuple(row[name] for name in names)):
        sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        for row in group:
            sides[row["side"]].append({name: row[name] for name in (*COLUMNS[view], "times")})
        named = dict(zip(names, key, strict=True))
        for left, right in zip_longest(*sides):
            yield from _compare(view, named, left, right)


def _compare(
    view: str,
    key: Mapping[str, Any],
    live: dict[str, Any] | None,
    rebuilt: dict[str, Any] | None,
) -> Iterator[Difference]:
    if live is None or rebuilt is None:
        yield Difference(view, key, None, live, rebuilt)
        return
    for column, value in live.items():
        if value != rebuilt[column]:
            yield Difference(view, key, column, value, rebuilt[column])
