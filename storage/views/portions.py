"""Reads the log for whoever makes views from it: commits, postings in bulk, other events singly.

The database joins the states of a commit's postings, so that they arrive as one value instead of
a row each. Measured on SQLite with 1,000,000 invoices: 0.6 microseconds an event instead of 1.4,
and the process's other threads go on meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from ...domain.events import RecordAttempted, RecordReversed, RecordSucceeded
from ...domain.postings import Postings
from ...projections.changes import Recorded
from ..schema import LogTables
from ..soundness import event_at

EVENTS_AT_ONCE: Final = 10_000
"""How many events are read and written together; a larger commit counts as one. Two lots of their
stored states are in memory at a time."""

COMMITS_AT_ONCE: Final = 1_000

_POSTINGS: Final = (RecordSucceeded.TOPIC, RecordReversed.TOPIC)

_APART: Final = (*_POSTINGS, RecordAttempted.TOPIC)
"""What is not read singly: no view has an attempt that has no outcome yet."""


@dataclass(frozen=True, slots=True)
class CommitEvents:
    """A commit's events.

    Attributes:
        number: the commit's.
        recorded_at: its time, microseconds since 1970 UTC.
        last_position: of its last event.
        postings: what is posted in it, and what is taken back.
        others: all that may change a view besides, in order.
    """

    number: int
    recorded_at: int
    last_position: int
    postings: Postings
    others: list[Recorded]


@dataclass(frozen=True, slots=True)
class Portion:
    """How much is read at once.

    Attributes:
        after: the number of the commit before the first; 0 for the beginning.
        until: the last that may be read; None: whatever the connection sees.
        most_commits: how many at most.
        postings_only: leave the other events unread.
    """

    after: int
    until: int | None = None
    most_commits: int = COMMITS_AT_ONCE
    postings_only: bool = False


def read_portion(connection: sa.Connection, log: LogTables, portion: Portion) -> list[CommitEvents]:
    """The next commits with their events; none where there are none.

    Raises:
        StoreError: an event cannot be read.
    """
    commits = _commits(connection, log, portion)
    if not commits:
        return []
    first, last = commits[0], commits[-1]
    postings = _postings(connection, log, first.number, last.number)
    others: list[tuple[int, Recorded]] = []
    if not portion.postings_only:
        others = _others(connection, log, first.first_position, last.last_position)
    read: list[CommitEvents] = []
    start = 0
    for commit in commits:
        stop = start
        while stop < len(others) and others[stop][0] <= commit.last_position:
            stop += 1
        number = commit.number
        found = postings.get(number) or Postings(number)
        recorded = [each for _, each in others[start:stop]]
        read.append(CommitEvents(number, commit.recorded_at, commit.last_position, found, recorded))
        start = stop
    return read


@dataclass(frozen=True, slots=True)
class _Stretch:
    number: int
    first_position: int
    count: int
    recorded_at: int

    @property
    def last_position(self) -> int:
        return self.first_position + self.count - 1


def _commits(connection: sa.Connection, log: LogTables, portion: Portion) -> list[_Stretch]:
    commits = log.commits.c
    select = (
        sa.select(commits.number, commits.first_position, commits.count, commits.recorded_at)
        .where(commits.number > portion.after)
        .order_by(commits.number)
        .limit(portion.most_commits)
    )
    if portion.until is not None:
        select = select.where(commits.number <= portion.until)
    chosen: list[_Stretch] = []
    total = 0
    for row in connection.execute(select):
        stretch = _Stretch(*row)
        total += stretch.count
        if chosen and total > EVENTS_AT_ONCE:
            break
        chosen.append(stretch)
    return chosen


def _postings(
    connection: sa.Connection, log: LogTables, first: int, last: int
) -> dict[int, Postings]:
    events, commits = log.events.c, log.commits.c
    within = events.position.between(
        commits.first_position, commits.first_position + commits.count - 1
    )
    joined = [_joined(connection, events.state, events.topic == topic) for topic in _POSTINGS]
    rows = connection.execute(
        sa.select(commits.number, sa.func.count(), *joined)
        .join_from(log.commits, log.events, within)
        .where(commits.number.between(first, last), events.topic.in_(_POSTINGS))
        .group_by(commits.number)
    )
    return {
        number: Postings(number, count, posted or b"", taken_back or b"")
        for number, count, posted, taken_back in rows
    }


def _joined(
    connection: sa.Connection, states: sa.Column[bytes], chosen: sa.ColumnElement[bool]
) -> sa.ColumnElement[Any]:
    """All of the states that are chosen, with commas between them; None where there are none."""
    if connection.dialect.name == "sqlite":
        return sa.cast(sa.func.group_concat(states, ",").filter(chosen), sa.LargeBinary)
    return sa.func.string_agg(states, sa.literal(b",", sa.LargeBinary)).filter(chosen)


def _others(
    connection: sa.Connection, log: LogTables, first: int, last: int
) -> list[tuple[int, Recorded]]:
    """Events that are no postings, with their positions."""
    events = log.events.c
    rows = connection.execute(
        sa.select(events.position, events.stream, events.version, events.topic, events.state)
        .where(events.position.between(first, last), events.topic.not_in(_APART))
        .order_by(events.position)
    )
    return [
        (position, Recorded(stream, version, event_at(position, topic, state)))
        for position, stream, version, topic, state in rows
    ]
