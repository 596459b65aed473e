"""Whether every stored event can be read: that its hash is right does not say so.

Whoever computes all hashes anew can seal bytes that are no event. The hashes fit then, and every
reader of the store fails on them, or leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from ...domain.codec import decode
from ...domain.errors import StoreError
from ..log import EventLog
from ..schema import LogTables
from ..views.generation import snapshot
from .commits import StoredCommits
from .event_rows import StoredRow
from .events import event_rows
from .problems import MOST_PROBLEMS, Problem
from .streams import commit_of


def unreadable_events(log: EventLog) -> tuple[list[Problem], int]:
    """The first hundred events that cannot be read, and how many there are.

    Only for a log that holds: values are of their columns' types there.
    """
    problems: list[Problem] = []
    total = 0
    with snapshot(log.engine) as connection:
        for row in _rows(connection, log.tables):
            try:
                decode(row[3], row[4])
            except StoreError as error:
                total += 1
                if total <= MOST_PROBLEMS:
                    problems.append(_problem(connection, log.tables, row, error))
    return problems, total


def _rows(connection: sa.Connection, tables: LogTables) -> Iterator[StoredRow]:
    last = StoredCommits(connection, tables).last_position()
    for rows in event_rows(connection, tables).between(0, last):
        yield from rows


def _problem(
    connection: sa.Connection, tables: LogTables, row: StoredRow, error: StoreError
) -> Problem:
    position, stream, version, *_ = row
    return Problem(
        field="state", message=str(error), commit=commit_of(connection, tables, position),
        position=position, stream=stream, version=version,
    )  # fmt: skip
