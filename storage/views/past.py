"""The views as they stood at a moment, made from the events alone.

They are tables of the reading transaction alone and go with it: nobody waits for them, nobody
else sees them, and the live views are neither read nor touched. PostgreSQL's temporary tables go
to disk where they are large. The SQLite that pysqlite3 brings keeps its own in memory, whatever it
is told, some 100 bytes for each movement: there they are in a file that only we have open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from ..driver import driver_cursor
from ..log import EventLog
from ..sqlite_engine import CACHE_KIB
from .generation import live_views, snapshot
from .movement_rows import MovementValues
from .replay import Progress, Reach, Replay, head, reach, reach_of
from .tables import SCRATCH, ViewTables, scratch_tables, temporary_tables
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
    replay = Replay(log.tables, movements_only=movements_only)
    with _beside(log.engine) as (connection, tables), temporary_writes(connection):
        until = head(connection, log.tables) if at is None else at
        tables.create(connection)
        with closing(replay.batches(log.engine, until.number)) as batches:
            for batch in batches:
                write_batch(connection, tables, batch)
                if progress is not None:
                    progress(replay.position, until.position)
        yield connection, tables


def movements_at(
    log: EventLog, as_of: int, progress: Progress | None = None
) -> Iterator[MovementValues]:
    """The ledger's movements by the events up to a time, batch by batch, kept nowhere.

    Args:
        log: of the store.
        as_of: microseconds since 1970-01-01 UTC.
        progress: told after every batch.

    Raises:
        StoreError: an event cannot be read.
    """
    at = reached(log, as_of=as_of)
    replay = Replay(log.tables, movements_only=True)
    with closing(replay.batches(log.engine, at.number)) as batches:
        for batch in batches:
            yield batch.movements
            if progress is not None:
                progress(replay.position, at.position)


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
def _beside(engine: sa.Engine) -> Iterator[tuple[sa.Connection, ViewTables]]:
    """A connection that sees one state of the store, and tables to create beside it."""
    if engine.dialect.name != "sqlite":
        with snapshot(engine) as connection:
            yield connection, temporary_tables()
        return
    with (
        TemporaryDirectory(prefix="storno-", ignore_cleanup_errors=True) as folder,
        snapshot(engine) as connection,
    ):
        try:
            _attach(connection, Path(folder, "views.db"))
            yield connection, scratch_tables()
        finally:
            connection.invalidate()  # closed, and not given back with what is attached to it


def _attach(connection: sa.Connection, path: Path) -> None:
    """Attach a database that is gone when the connection is closed, or the process killed.

    Nothing in it is ever committed: what does not fit the page cache goes to the file, and what
    a transaction finds in a new database is nothing that its journal had to keep.
    """
    with driver_cursor(connection, "opening a temporary file") as cursor:
        cursor.execute(f"ATTACH ? AS {SCRATCH}", (str(path),))
        for setting in ("journal_mode = MEMORY", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
            cursor.execute(f"PRAGMA {SCRATCH}.{setting}")
    with suppress(OSError):  # Windows deletes no open file: it goes with its folder
        path.unlink()


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
