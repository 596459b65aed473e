"""Compares the live views with what the events say at the same position.

All of it happens in one transaction that sees one state of the store. The views with a key are
built from the events into temporary tables, which go with the transaction; movements are compared
by sums of digests. It stops no writer and leaves nothing behind.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import sqlalchemy as sa
from msgspec import Struct

from ...projections.changes import KEYS
from ..log import EventLog
from .difference import MOST_DIFFERENCES, Difference
from .generation import live_views
from .movement_check import MovementSums, movement_differences
from .movement_rows import MovementValues
from .past import temporary_writes
from .replay import Progress, Replay, head
from .row_check import count_differing, first_differences
from .tables import MOVEMENTS, ViewTables, temporary_tables
from .writer import write_batch

__all__ = ["MOST_DIFFERENCES", "Comparison", "Difference", "check"]


class Comparison(Struct, frozen=True):
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
    with live_views(log.engine) as (connection, live), temporary_writes(connection):
        rebuilt.create(connection)
        _build(log, connection, replay, rebuilt, sums, progress)
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
    log: EventLog,
    connection: sa.Connection,
    replay: Replay,
    tables: ViewTables,
    sums: MovementSums,
    progress: Progress | None,
) -> None:
    until = head(connection, log.tables)
    with closing(replay.batches(log.engine, until.number)) as batches:
        for batch in batches:
            sums.add(batch.movements)
            batch.movements = MovementValues()
            write_batch(connection, tables, batch)
            if progress is not None:
                progress(replay.position, until.position)
