"""From the stored events back to what every commit changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from ...domain.codec import decode
from ...projections.changes import Changes, Recorded
from ...projections.project import project
from ..schema import LogTables
from .batch import Batch
from .tables import ViewTables
from .writer import write_batch

EVENTS_AT_ONCE: Final = 10_000
"""How many events are read and written together; a larger commit counts as one."""

COMMITS_AT_ONCE: Final = 500


class Replay:
    """Reads the log from its beginning, batch by batch, each in memory by itself.

    Attributes:
        number: the last commit that was read; 0 at the beginning.
        position: its last event's.
    """

    def __init__(self, log: LogTables) -> None:
        self.log = log
        self.number = 0
        self.position = 0

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
        batch = Batch()
        counts = self._next_commits(connection, most_commits)
        for number, recorded_at, changes in self._replayed(connection, counts):
            batch.add(changes, number, recorded_at)
        return batch if counts else None

    def _next_commits(
        self, connection: sa.Connection, most_commits: int
    ) -> list[tuple[int, int, int]]:
        commits = self.log.commits.c
        rows = connection.execute(
            sa.select(commits.number, commits.count, commits.recorded_at)
            .where(commits.number > self.number)
            .order_by(commits.number)
            .limit(most_commits)
        )
        chosen: list[tuple[int, int, int]] = []
        total = 0
        for number, count, recorded_at in rows:
            total += count
            if chosen and total > EVENTS_AT_ONCE:
                break
            chosen.append((number, count, recorded_at))
        return chosen

    def _replayed(
        self, connection: sa.Connection, commits: list[tuple[int, int, int]]
    ) -> Iterator[tuple[int, int, Changes]]:
        events = self._events(connection, sum(count for _, count, _ in commits))
        for number, count, recorded_at in commits:
            recorded = [next(events) for _ in range(count)]
            self.number, self.position = number, self.position + count
            yield number, recorded_at, project(recorded)

    def _events(self, connection: sa.Connection, count: int) -> Iterator[Recorded]:
        events = self.log.events.c
        rows = connection.execute(
            sa.select(events.stream, events.version, events.topic, events.state)
            .where(events.position > self.position)
            .order_by(events.position)
            .limit(count)
        )
        for stream, version, topic, state in rows:
            yield Recorded(stream, version, decode(topic, state))


def catch_up(connection: sa.Connection, replay: Replay, tables: ViewTables) -> None:
    """Read and write, in the connection's transaction, whatever it can see."""
    while (batch := replay.next_batch(connection)) is not None:
        write_batch(connection, tables, batch)
