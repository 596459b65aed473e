"""Compares the live views with what the events say at the same position.

All of it happens in one transaction that sees one state of the store. The views with a key are
built from the events into temporary tables, which go with the transaction; movements are compared
by sums of digests. It stops no writer and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from ...projections.changes import KEYS
from ..log import EventLog
from .difference import MOST_DIFFERENCES, Difference
from .generation import live_views
from .movement_check import MovementSums, movement_differences
from .rebuild import Progress
from .replay import Replay
from .row_check import count_differing, first_differences
from .tables import MOVEMENTS, ViewTables, temporary_tables
from .writer import write_batch

__all__ = ["MOST_DIFFERENCES", "Comparison", "Difference", "check"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing all views came to.

    Attributes:
        commits: how many commits the store held.
        events: how many events.
        differences: the first hundred, view by view in the order of their keys.
        total: how many rows differ in all; of movements, in how many commits they do.
    """

    commits: int
    events: int
    differences: tuple[Difference, ...]
    total: int


def check(log: EventLog, progress: Progress | None = None) -> Comparison:
    """Compare every live view with the events.

    Args:
        log: of the store.
        progress: told the events done and their number after every batch.
    """
    rebuilt, replay, sums = temporary_tables(), Replay(log.tables), MovementSums()
    with live_views(log.engine) as (connection, live), _temporary_writes(connection):
        rebuilt.create(connection)
        _build(connection, replay, rebuilt, sums, progress)
        sums.take_away(connection, live[MOVEMENTS])
        moved = sums.differing()
        total = len(moved)
        found: list[Difference] = []
        for view in KEYS:
            if count := count_differing(connection, view, live, rebuilt):
                total += count
                found += first_differences(connection, view, live, rebuilt)
        if moved:
            found += islice(
                movement_differences(connection, log.tables, live[MOVEMENTS], moved),
                MOST_DIFFERENCES,
            )
    return Comparison(replay.number, replay.position, tuple(found[:MOST_DIFFERENCES]), total)


def _build(
    connection: sa.Connection,
    replay: Replay,
    tables: ViewTables,
    sums: MovementSums,
    progress: Progress | None,
) -> None:
    position = replay.log.events.c.position
    total = connection.execute(sa.select(sa.func.max(position))).scalar_one() or 0
    while (batch := replay.next_batch(connection)) is not None:
        sums.add(batch.moved)
        batch.moved.clear()
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
