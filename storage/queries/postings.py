"""Where a run's postings stand in the log: chunk by chunk, each in the commit that it came with."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from ...projections.dead_letters import REVERSED
from ..schema import log_tables
from ..store import Store
from ..views.generation import live_views
from .rows import begins_with


class PostingCommit(Struct, frozen=True):
    """A commit that holds a chunk's postings.

    Attributes:
        number: the commit's.
        first_position: of its first event.
        count: of its events.
        partition, chunk: the chunk; partitions of chosen keys and of retries have their own names.
    """

    number: int
    first_position: int
    count: int
    partition: str
    chunk: int


def posting_commits(
    store: Store, run: str, as_of: int | None = None, after: int = 0
) -> list[PostingCommit]:
    """The commits of a run's completed chunks, the newest first.

    Args:
        as_of: only those that begin at this position of the log or before.
        after: only those that begin behind this position.
    """
    commits = log_tables().commits
    with live_views(store.engine) as (connection, views):
        chunk = views["checkpoint"].c
        rows = connection.execute(
            sa.select(
                commits.c.number,
                commits.c.first_position,
                commits.c.count,
                chunk.partition,
                chunk.number,
            )
            .join_from(views["checkpoint"], commits, commits.c.number == chunk.commit_number)
            .where(chunk.run == run, chunk.status == "completed")
            .where(sa.not_(begins_with(chunk.partition, REVERSED)))
            .where(commits.c.first_position > after)
            .where(sa.true() if as_of is None else commits.c.first_position <= as_of)
            .order_by(commits.c.number.desc())
        )
        return [PostingCommit(*row) for row in rows]
