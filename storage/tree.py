"""The log's tree, read from the store: its leaves are the commits' chain hashes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from ..domain.tree import Frontier
from .log import EventLog

LEAVES_PAGE: Final = 10_000
"""Chain hashes fetched by one statement."""


def chain_hashes(log: EventLog, size: int) -> Iterator[bytes]:
    """The tree's leaves: the chain hashes of the log's first commits, in order.

    Reads page by page, each by itself; commits are never changed, so the pages fit each other.
    They are taken as they are stored: that they are right is what ``audit verify`` sees to.
    """
    commits = log.tables.commits.c
    page = sa.select(commits.chain_hash).order_by(commits.number)
    for start in range(0, size, LEAVES_PAGE):
        within = commits.number.between(start + 1, min(start + LEAVES_PAGE, size))
        with log.engine.connect() as connection:
            yield from connection.execute(page.where(within)).scalars().all()


def tree_of(log: EventLog) -> Frontier:
    """The tree as it stands now: its size and its root are what a checkpoint names."""
    head = log.head()
    tree = Frontier()
    for leaf in chain_hashes(log, 0 if head is None else head.number):
        tree.add(leaf)
    return tree
