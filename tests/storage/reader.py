"""A process that reads the live views until it is told to end: ``python -m tests.storage.reader``.

Each time it compares, in one state of the store, what the views hold with what the events are that
the appender writes. It prints the live generation and the last commit that it saw, ends when its
standard input is closed, and fails where the views lack or double something.
"""

from __future__ import annotations

import select
import sys

import sqlalchemy as sa

from storno.domain.events import ChunkCompleted, RecordFailed
from storno.storage.schema import LogTables
from storno.storage.store import Store
from storno.storage.views.generation import live_generation, live_views
from storno.storage.views.tables import ViewTables


def main(url: str) -> None:
    store = Store.open(url)
    while not select.select([sys.stdin], [], [], 0)[0]:
        with live_views(store.engine) as (connection, tables):
            assert in_views(connection, tables) == in_events(connection, store.log.tables)
            number = connection.scalar(sa.func.max(store.log.tables.commits.c.number))
            print(live_generation(connection), number, flush=True)


def in_views(connection: sa.Connection, tables: ViewTables) -> list[int | None]:
    """Completed chunks, the commits that moved something, and the failures."""
    checkpoint = tables["checkpoint"].c
    counts = (
        sa.select(sa.func.count()).where(checkpoint.status == "completed"),
        sa.select(sa.func.count(tables["movements"].c.commit_number.distinct())),
        sa.select(sa.func.count()).select_from(tables["dead_letters"]),
    )
    return [connection.scalar(count) for count in counts]


def in_events(connection: sa.Connection, log: LogTables) -> list[int | None]:
    """The same by the events: every chunk posts something."""
    topics = (ChunkCompleted.TOPIC, ChunkCompleted.TOPIC, RecordFailed.TOPIC)
    count = sa.select(sa.func.count())
    return [connection.scalar(count.where(log.events.c.topic == topic)) for topic in topics]


if __name__ == "__main__":
    main(sys.argv[1])
