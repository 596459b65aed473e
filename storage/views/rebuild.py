"""Builds all views afresh from the events, beside the live ones, and puts them in their place.

Runs keep writing meanwhile, and the live views keep serving. The new generation catches up by
itself until little is left; the rest is done under the append lock, with which the pointer moves.
Killed at any point, it leaves the live views as they are, and tables that the next rebuild drops.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Final, NamedTuple, Self

import sqlalchemy as sa

from ...domain.errors import ConflictError
from ..engine import filler
from ..log import EventLog
from .batch import Batch
from .generation import (
    all_generations,
    append_lock,
    ensure,
    find_generation,
    has_views,
    point_to,
)
from .replay import Progress, Replay, catch_up
from .tables import ViewTables, generation_names, generation_tables
from .writer import write_batch

CLOSE_ENOUGH_EVENTS: Final = 2_000
"""So many events are caught up with under the append lock."""

MOST_ROUNDS: Final = 100
"""A log that outgrows the rebuild for so many rounds is stopped by the append lock in the end."""

PATIENCE_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.1


class Rebuilt(NamedTuple):
    """What a rebuild did.

    Attributes:
        generation: the number of the set of tables that is live now.
        events: how many events it is made from.
        left_over: sets of tables that a reader still held; the next rebuild drops them.
    """

    generation: int
    events: int
    left_over: tuple[int, ...]


def rebuild(
    log: EventLog,
    progress: Progress | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Rebuilt:
    """Build all views afresh and make them the live ones.

    Args:
        log: of the store.
        progress: told after every batch.
        patience_seconds: how long readers may hold on to the tables that were live before.

    Raises:
        ConflictError: another rebuild began meanwhile and took this one's place.
    """
    tables, generation = _begin(log)
    try:
        events = _build(log, tables, generation, progress)
    except sa.exc.DBAPIError as error:
        with log.engine.connect() as connection:
            replaced = generation not in all_generations(connection)
        if not replaced:
            raise
        raise ConflictError(
            "Another rebuild of the views began meanwhile and took this one's place. "
            "Let it finish; run only one at a time."
        ) from error
    return Rebuilt(generation, events, _drop_all_but(log, {generation}, patience_seconds))


def bring_up_to_date(log: EventLog, progress: Progress | None = None) -> bool:
    """Rebuild the views where they were made by another version; tells whether they were."""
    with log.engine.connect() as connection:
        if find_generation(connection) is not None:
            return False
        new = not has_views(connection)
    if new and log.head() is None:
        ensure(log)
        return False
    rebuild(log, progress)
    return True


def _begin(log: EventLog) -> tuple[ViewTables, int]:
    """New tables, and away with what killed rebuilds left.

    In this order: as long as the newest tables are there their number is not given out again, so
    a rebuild whose tables were dropped under it never finds others in their place.
    """
    with append_lock(log) as connection:
        live = find_generation(connection)
        generation = max(all_generations(connection), default=0) + 1
        tables = generation_tables(generation)
        tables.create(connection)
    if live is not None:
        _drop_all_but(log, {live, generation}, 0.0)
    return tables, generation


def _build(log: EventLog, tables: ViewTables, generation: int, progress: Progress | None) -> int:
    replay = Replay(log.tables)
    for _ in range(MOST_ROUNDS):
        _fill(log, replay, tables, progress)
        if _last_position(log) - replay.position <= CLOSE_ENOUGH_EVENTS:
            break
    with append_lock(log) as connection:
        catch_up(connection, replay, tables)
        _refuse_if_dropped(connection, tables)
        point_to(connection, generation)
    if progress is not None:
        progress(replay.position, replay.position)
    return replay.position


def _fill(log: EventLog, replay: Replay, tables: ViewTables, progress: Progress | None) -> None:
    """Read up to the head, a transaction for each batch; only writing takes a lock.

    All of it lasts with the commit that moves the pointer.
    """
    head = log.head()
    if head is None:
        return
    with (
        closing(replay.batches(log.engine, head.number)) as batches,
        _Commits(log.engine) as commits,
    ):
        for batch in batches:
            commits.write(tables, batch)
            if progress is not None:
                progress(replay.position, head.last_position)


class _Commits:
    """Writes batches, a transaction for each, which commits while the next batch is computed."""

    def __init__(self, engine: sa.Engine) -> None:
        self._connection = filler(engine).connect()
        self._thread = ThreadPoolExecutor(1, "storno-rebuild")
        self._committing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._wait()
        finally:
            self._thread.shutdown()
            self._connection.close()

    def write(self, tables: ViewTables, batch: Batch) -> None:
        """Write a batch, once the one before is committed."""
        self._wait()
        transaction = self._connection.begin()
        write_batch(self._connection, tables, batch)
        self._committing = self._thread.submit(transaction.commit)

    def _wait(self) -> None:
        committing, self._committing = self._committing, None
        if committing is not None:
            committing.result()


def _last_position(log: EventLog) -> int:
    head = log.head()
    return 0 if head is None else head.last_position


def _refuse_if_dropped(connection: sa.Connection, tables: ViewTables) -> None:
    """Touch every table: whoever drops them needs the append lock, which we hold."""
    for table in tables.metadata.tables.values():
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()


def _drop_all_but(log: EventLog, kept: set[int], patience_seconds: float) -> tuple[int, ...]:
    """Drop every other generation that no reader holds; returns those that are left."""
    with log.engine.connect() as connection:
        others = all_generations(connection) - kept
    until = time.monotonic() + patience_seconds
    while others := {number for number in others if not _drop(log, number)}:
        if time.monotonic() >= until:
            break
        time.sleep(PAUSE_SECONDS)
    return tuple(sorted(others))


def _drop(log: EventLog, generation: int) -> bool:
    """Drop a generation unless it is live or somebody reads it; never waits for a reader.

    The append lock keeps a rebuild from making it live in the same moment.
    """
    try:
        with append_lock(log) as connection:
            if find_generation(connection) == generation:
                return True
            there = sa.inspect(connection).get_table_names()
            names = [name for name in generation_names(generation) if name in there]
            _lock_at_once(connection, names)
            for name in names:
                connection.exec_driver_sql(f"DROP TABLE {name}")
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


_LOCK_NOT_AVAILABLE: Final = "55P03"


def _lock_at_once(connection: sa.Connection, names: Sequence[str]) -> None:
    # SQLite's readers keep what they see, whatever is dropped.
    if names and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE NOWAIT")
