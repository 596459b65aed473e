"""From the stored events back to what every commit changed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeAlias

import sqlalchemy as sa

from ...domain.postings import Postings
from ...projections.project import project_apart
from ..schema import LogTables
from ..threads import quick_turns
from .batch import Batch
from .portions import (
    COMMITS_AT_ONCE,
    Portion,
    ReadWhole,
    Stretch,
    portions,
    read_portion,
    read_whole,
    stretches,
)
from .tables import ViewTables
from .writer import write_batch

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the events done and their number in all, which grows while runs write."""


class Reach(NamedTuple):
    """How far a replay goes.

    Attributes:
        number: the last commit of it; 0 before the first.
        position: that commit's last event.
        recorded_at: its time, microseconds since 1970 UTC; 0 before the first commit.
    """

    number: int = 0
    position: int = 0
    recorded_at: int = 0


class Replay:
    """Reads the log from its beginning, batch by batch, each in memory by itself.

    Attributes:
        number: the last commit that was read; 0 at the beginning.
        position: its last event's.
        movements_only: whether the ledger's movements are all that is wanted.
    """

    def __init__(self, log: LogTables, *, movements_only: bool = False) -> None:
        self.log = log
        self.number = 0
        self.position = 0
        self.movements_only = movements_only

    def seek(self, connection: sa.Connection, number: int) -> bool:
        """Stand before a commit; False where there is none of that number."""
        commits = self.log.commits.c
        select = sa.select(commits.first_position).where(commits.number == number)
        first: int | None = connection.execute(select).scalar_one_or_none()
        if first is None:
            return False
        self.number, self.position = number - 1, first - 1
        return True

    def next_batch(
        self, connection: sa.Connection, most_commits: int = COMMITS_AT_ONCE
    ) -> Batch | None:
        """What the next commits change; None where there are none the connection can see."""
        commits = stretches(connection, self.log, self.number, most_commits=most_commits)
        if not commits:
            return None
        return self._folded(self._read(connection, next(portions(commits))))

    def batches(self, engine: sa.Engine, until: int) -> Generator[Batch, None, None]:
        """What the commits change up to a number, a batch being read while the one before is used.

        Reads in transactions of its own: what was committed never changes.
        """
        with (
            quick_turns(),
            engine.connect() as connection,
            ThreadPoolExecutor(1, "storno-replay") as ahead,
        ):
            whole = partial(self._whole, engine)
            before: Future[Portion] | None = None
            for commits in self._planned(engine, until):
                reading = ahead.submit(self._read_apart, connection, commits, whole)
                if before is not None:
                    yield self._folded(before.result())
                before = reading
            if before is not None:
                yield self._folded(before.result())

    def _planned(self, engine: sa.Engine, until: int) -> Iterator[Sequence[Stretch]]:
        """What is read at once, one after the other, up to a commit's number."""
        after = self.number
        while True:
            with engine.connect() as connection:
                commits = stretches(connection, self.log, after, until=until)
            if not commits:
                return
            yield from portions(commits)
            after = commits[-1].number

    def _whole(self, engine: sa.Engine, commit: Stretch) -> Postings:
        """Meanwhile the connection that reads is busy with what comes next."""
        with engine.connect() as connection:
            return read_whole(connection, self.log, commit)

    def _read_apart(
        self, connection: sa.Connection, commits: Sequence[Stretch], whole: ReadWhole
    ) -> Portion:
        try:
            return self._read(connection, commits, whole)
        finally:
            # SQLite's write-ahead log grows behind whoever goes on seeing the store as it was.
            connection.rollback()

    def _read(
        self,
        connection: sa.Connection,
        commits: Sequence[Stretch],
        whole: ReadWhole | None = None,
    ) -> Portion:
        only = self.movements_only
        return read_portion(connection, self.log, commits, postings_only=only, whole=whole)

    def _folded(self, portion: Portion) -> Batch:
        batch = Batch()
        for commit in portion.events():
            changes = project_apart(commit.others, commit.postings)
            batch.add(changes, commit.stretch.number, commit.stretch.recorded_at)
        last = portion.commits[-1]
        self.number, self.position = last.number, last.last_position
        return batch


def catch_up(connection: sa.Connection, replay: Replay, tables: ViewTables) -> None:
    """Read and write, in the connection's transaction, whatever it can see."""
    while (batch := replay.next_batch(connection)) is not None:
        write_batch(connection, tables, batch)


def head(connection: sa.Connection, log: LogTables) -> Reach:
    """All that the connection can see."""
    return _last(connection, log, sa.true())


def reach(connection: sa.Connection, log: LogTables, as_of: int) -> Reach:
    """What was recorded up to a time; times never run backwards from commit to commit.

    Args:
        connection: what it can see is all there is.
        log: of the store.
        as_of: microseconds since 1970-01-01 UTC.
    """
    return _last(connection, log, log.commits.c.recorded_at <= as_of)


def reach_of(connection: sa.Connection, log: LogTables, position: int) -> Reach:
    """What was recorded up to the commit that holds the event at a position, and with it."""
    return _last(connection, log, log.commits.c.first_position <= position)


def between(
    connection: sa.Connection, log: LogTables, since: int | None, until: int | None
) -> tuple[Reach, Reach]:
    """How far the log went before a time, and how far with another; both times belong to it.

    Args:
        connection: what it can see is all there is.
        log: of the store.
        since: microseconds since 1970-01-01 UTC; None for the log's beginning.
        until: likewise; None for its end.
    """
    before = Reach() if since is None else reach(connection, log, since - 1)
    return before, head(connection, log) if until is None else reach(connection, log, until)


def _last(connection: sa.Connection, log: LogTables, chosen: sa.ColumnElement[bool]) -> Reach:
    commits = log.commits.c
    last = commits.first_position + commits.count - 1
    row = connection.execute(
        sa.select(commits.number, last, commits.recorded_at)
        .where(chosen)
        .order_by(commits.number.desc())
        .limit(1)
    ).first()
    return Reach(*row) if row else Reach()
