"""Whether every stored event can be read: that its hash is right does not say so.

Whoever computes all hashes anew can seal bytes that are no event. The hashes fit then, and every
reader of the store fails on them, or leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from ...domain.codec import decode
from ...domain.errors import StoreError
from ..log import EventLog
from ..schema import LogTables
from ..views.generation import snapshot
from ..views.replay import Progress
from .commits import StoredCommits
from .problems import MOST_PROBLEMS, Problem
from .rows import typed
from .streams import commit_of

ROWS_AT_ONCE: Final = 1_000


def unreadable_events(
    log: EventLog, *, behind_commit: int = 0, progress: Progress | None = None
) -> tuple[list[Problem], int]:
    """The first hundred events that cannot be read, and how many there are.

    Only for a log that holds: values are of their columns' types there.

    Args:
        log: of the store.
        behind_commit: the events up to it, and of it, are left out.
        progress: told the events done and their number every now and then.
    """
    problems: list[Problem] = []
    total = 0
    with snapshot(log.engine) as connection:
        commits = StoredCommits(connection, log.tables)
        row = commits.row(behind_commit)
        start = 0 if row is None else typed(row)[0].last_position
        last = commits.last_position()
        for rows in _pages(connection, log.tables, start):
            for row in rows:
                try:
                    decode(row[3], row[4])
                except StoreError as error:
                    total += 1
                    if total <= MOST_PROBLEMS:
                        problems.append(_problem(connection, log.tables, row, error))
            if progress:
                progress(rows[-1][0] - start, last - start)
    return problems, total


def _pages(
    connection: sa.Connection, tables: LogTables, after_position: int
) -> Iterator[list[tuple[Any, ...]]]:
    events = tables.events.c
    select = sa.select(
        events.position, events.stream, events.version, events.topic, events.state
    ).order_by(events.position).limit(ROWS_AT_ONCE)  # fmt: skip
    while True:
        # The driver's own cursor gives plain tuples, in four fifths of the time.
        cursor: Any = connection.execute(select.where(events.position > after_position)).cursor
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        if not rows:
            return
        yield rows
        after_position = rows[-1][0]


def _problem(
    connection: sa.Connection, tables: LogTables, row: tuple[Any, ...], error: StoreError
) -> Problem:
    position, stream, version, *_ = row
    return Problem(
        field="state", message=str(error), commit=commit_of(connection, tables, position),
        position=position, stream=stream, version=version,
    )  # fmt: skip
