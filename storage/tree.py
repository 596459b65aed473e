"""The log's tree, read from the store: its leaves are the commits' chain hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import sqlalchemy as sa

from ..domain.checkpoint import Checkpoint, origin_of
from ..domain.errors import CheckFailedError
from ..domain.tree import Frontier
from .log import EventLog
from .soundness import sound_hash
from .store import Store

LEAVES_PAGE: Final = 10_000
"""Chain hashes fetched by one statement."""


def chain_hashes(log: EventLog, size: int) -> Iterator[bytes]:
    """The tree's leaves: the chain hashes of the log's first commits, in order.

    Reads page by page, each by itself; commits are never changed, so the pages fit each other.
    They are taken as they are stored: that they are right is what ``audit verify`` sees to.

    Raises:
        CheckFailedError: some are missing, or are no bytes.
    """
    commits = log.tables.commits.c
    page = sa.select(commits.chain_hash).order_by(commits.number)
    for start in range(0, size, LEAVES_PAGE):
        end = min(start + LEAVES_PAGE, size)
        within = commits.number.between(start + 1, end)
        with log.engine.connect() as connection:
            leaves = connection.execute(page.where(within)).scalars().all()
        if len(leaves) < end - start:
            raise CheckFailedError(
                f"of the commits {start + 1} to {end} only {len(leaves)} are in the log: the "
                "others were taken out. Run storno audit verify, which says where."
            )
        for number, leaf in enumerate(leaves, start + 1):
            yield sound_hash(number, leaf)


def roots_at(log: EventLog, sizes: Collection[int]) -> dict[int, bytes]:
    """The tree's roots when it had these sizes, none beyond today's: one read of the leaves."""
    tree = Frontier()
    roots = {0: tree.root()} if 0 in sizes else {}
    for leaf in chain_hashes(log, max(sizes)):
        tree.add(leaf)
        if tree.size in sizes:
            roots[tree.size] = tree.root()
    return roots


def current_checkpoint(store: Store) -> Checkpoint:
    """Of the log as it stands now, unsigned.

    Raises:
        CheckFailedError: commits are missing.
    """
    head = store.log.head()
    size = 0 if head is None else head.number
    return Checkpoint(origin_of(store.store_id), size, roots_at(store.log, {size})[size])
