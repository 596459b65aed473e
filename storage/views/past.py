"""The views as they stood at a moment, made from the events alone.

They are temporary tables of the reading transaction and go with it: nobody waits for them, nobody
else sees them, and the live views are neither read nor touched. The SQLite that pysqlite3 brings
keeps them in memory, whatever it is told: about 100 bytes for each movement.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from ..log import EventLog
from .generation import live_views, snapshot
from .replay import Progress, Reach, Replay, head, reach, reach_of
from .tables import ViewTables, temporary_tables
from .writer import write_batch


@contextmanager
def views_at(
    log: EventLog,
    at: Reach | None = None,
    progress: Progress | None = None,
    *,
    movements_only: bool = False,
) -> Iterator[tuple[sa.Connection, ViewTables]]:
    """All views as a commit left them.

    Args:
        log: of the store.
        at: the commit; the store's last where it is not given.
        progress: told after every batch.
        movements_only: leave all views empty but the ledger's movements; other events are not
            read then.

    Raises:
        StoreError: an event cannot be read.
    """
    replay, tables = Replay(log.tables, movements_only=movements_only), temporary_tables()
    with snapshot(log.engine) as connection, temporary_writes(connection):
        until = head(connection, log.tables) if at is None else at
        tables.create(connection)
        with closing(replay.batches(log.engine, until.number)) as batches:
            for batch in batches:
                write_batch(connection, tables, batch)
                if progress is not None:
                    progress(replay.position, until.position)
        yield connection, tables


@contextmanager
def books(
    log: EventLog, as_of: int | None, progress: Progress | None = None
) -> Iterator[tuple[sa.Connection, ViewTables]]:
    """The ledger's movements: the live ones, or by the events up to a time.

    Args:
        log: of the store.
        as_of: microseconds since 1970-01-01 UTC; None for the live ones.
        progress: told after every batch.
    """
    if as_of is None:
        with live_views(log.engine) as (connection, tables):
            yield connection, tables
        return
    at = reached(log, as_of=as_of)
    with views_at(log, at, progress, movements_only=True) as (connection, tables):
        yield connection, tables


def reached(log: EventLog, *, as_of: int | None = None, position: int | None = None) -> Reach:
    """How far the log went at a time, or with the commit that holds an event.

    Args:
        log: of the store.
        as_of: microseconds since 1970-01-01 UTC.
        position: of an event that is there. A commit is seen whole or not at all, so there never
            was a moment at which the events before it in its commit were there without it.
    """
    with log.engine.connect() as connection:
        if position is not None:
            return reach_of(connection, log.tables, position)
        if as_of is not None:
            return reach(connection, log.tables, as_of)
        return head(connection, log.tables)


@contextmanager
def temporary_writes(connection: sa.Connection) -> Iterator[None]:
    """SQLite's reading connections refuse to write even to temporary tables."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("PRAGMA query_only = 0")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA query_only = 1")
