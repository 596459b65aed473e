"""Reads the log for whoever makes views from it: commits, postings in bulk, other events singly.

The database joins the states of all postings of a portion, so that they arrive as one value
instead of a row each. Measured on SQLite with 1,000,000 invoices: 0.6 microseconds an event
instead of 1.4. A portion is one row in all, because a thread that fetches rows gives the
interpreter away for each and waits up to 5 milliseconds to have it again from a thread that
computes: with a row a commit and a row for every other event, reading ahead gained nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
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
class Stretch:
    """Where a commit's events are.

    Attributes:
        number: the commit's.
        first_position: of its first event.
        count: how many there are.
        recorded_at: its time, microseconds since 1970 UTC.
    """

    number: int
    first_position: int
    count: int
    recorded_at: int

    @property
    def last_position(self) -> int:
        """Of its last event."""
        return self.first_position + self.count - 1


@dataclass(frozen=True, slots=True)
class CommitEvents:
    """A commit's events.

    Attributes:
        stretch: where they are.
        postings: what is posted in it, and what is taken back.
        others: all that may change a view besides, in order.
    """

    stretch: Stretch
    postings: Postings
    others: list[Recorded]


def stretches(
    connection: sa.Connection,
    log: LogTables,
    after: int,
    *,
    until: int | None = None,
    most_commits: int = COMMITS_AT_ONCE,
) -> list[Stretch]:
    """The next commits.

    Args:
        connection: what it can see is all there is.
        log: of the store.
        after: the number of the commit before the first; 0 for the beginning.
        until: the last that may be read; None: whatever the connection sees.
        most_commits: how many at most.
    """
    commits = log.commits.c
    select = (
        sa.select(commits.number, commits.first_position, commits.count, commits.recorded_at)
        .where(commits.number > after)
        .order_by(commits.number)
        .limit(most_commits)
    )
    if until is not None:
        select = select.where(commits.number <= until)
    return [Stretch(*row) for row in connection.execute(select)]


def portions(commits: Sequence[Stretch]) -> Iterator[Sequence[Stretch]]:
    """The commits that are read together; one may be larger than what else is read at once."""
    start = total = 0
    for index, commit in enumerate(commits):
        total += commit.count
        if total > EVENTS_AT_ONCE and index > start:
            yield commits[start:index]
            start, total = index, commit.count
    if start < len(commits):
        yield commits[start:]


class Portion:
    """The events of some commits as they are stored; taken apart commit by commit.

    Nothing is decoded before it is asked for: what a thread reads ahead costs it no interpreter.
    """

    def __init__(self, commits: Sequence[Stretch], row: Sequence[Any]) -> None:
        """Keep what was read.

        Args:
            commits: one or more.
            row: the states of all that is posted and of all that is taken back, each joined by
                commas, the parts they are made of, and the other events, both in JSON.
        """
        self.commits = commits
        self._posted, self._taken_back, self._parts, self._others = row

    def events(self) -> Iterator[CommitEvents]:
        """The events of every commit.

        Raises:
            StoreError: an event cannot be read.
        """
        postings = dict(self._postings())
        others = iter(self._single())
        following = next(others, None)
        for commit in self.commits:
            recorded: list[Recorded] = []
            while following is not None and following[0] <= commit.last_position:
                recorded.append(following[1])
                following = next(others, None)
            number = commit.number
            yield CommitEvents(commit, postings.get(number) or Postings(number), recorded)

    def _postings(self) -> Iterator[tuple[int, Postings]]:
        posted, taken_back = _Cut(self._posted), _Cut(self._taken_back)
        for number, count, length, length_back in _PARTS.decode(self._parts or "[]"):
            yield number, Postings(number, count, posted.next(length), taken_back.next(length_back))

    def _single(self) -> Iterator[tuple[int, Recorded]]:
        for row in sorted(_OTHERS.decode(self._others or "[]")):
            position, stream, version, topic, kind, state = row
            stored: Any = bytes.fromhex(state) if kind == _BYTES else state
            yield position, Recorded(stream, version, event_at(position, topic, stored))


_PARTS: Final = msgspec.json.Decoder(list[tuple[int, int, int | None, int | None]])
_OTHERS: Final = msgspec.json.Decoder(list[tuple[int, str, int, str, str, str]])
_BYTES: Final = "blob"
"""What SQLite calls bytes; it lets anything else stand in their place."""


class _Cut:
    """Takes apart again what was joined by commas."""

    def __init__(self, joined: bytes | None) -> None:
        self._joined = joined or b""
        self._start = 0

    def next(self, length: int | None) -> bytes:
        """The next part; nothing where there was none."""
        if length is None:
            return b""
        start = self._start
        self._start += length + 1
        return self._joined[start : start + length]


def read_portion(
    connection: sa.Connection,
    log: LogTables,
    commits: Sequence[Stretch],
    *,
    postings_only: bool = False,
) -> Portion:
    """The events of consecutive commits.

    Args:
        connection: to read by.
        log: of the store.
        commits: one or more.
        postings_only: leave the other events unread.
    """
    first, last = commits[0], commits[-1]
    parts = _parts(connection, log, first.number, last.number)
    columns = [
        _joined(connection, parts.c.posted),
        _joined(connection, parts.c.taken_back),
        _listed(
            connection,
            parts.c.number,
            parts.c.count,
            sa.func.length(parts.c.posted),
            sa.func.length(parts.c.taken_back),
        ),
    ]
    row = connection.execute(sa.select(*columns).select_from(parts)).one()
    others = None
    if not postings_only:
        others = connection.execute(
            _others(connection, log, first.first_position, last.last_position)
        ).scalar_one()
    return Portion(commits, (*row, others))


def _parts(connection: sa.Connection, log: LogTables, first: int, last: int) -> sa.Subquery:
    """A row for every commit with postings: their number, and their states joined."""
    events, commits = log.events.c, log.commits.c
    within = events.position.between(
        commits.first_position, commits.first_position + commits.count - 1
    )
    posted, taken_back = (
        _joined(connection, events.state, events.topic == topic) for topic in _POSTINGS
    )
    return (
        sa.select(
            commits.number,
            sa.func.count().label("count"),
            posted.label("posted"),
            taken_back.label("taken_back"),
        )
        .join_from(log.commits, log.events, within)
        .where(commits.number.between(first, last), events.topic.in_(_POSTINGS))
        .group_by(commits.number)
        .subquery("parts")
    )


def _others(
    connection: sa.Connection, log: LogTables, first: int, last: int
) -> sa.Select[tuple[Any]]:
    """Events that are no postings, with their positions."""
    events = log.events.c
    state: tuple[sa.ColumnElement[Any], ...]
    if connection.dialect.name == "sqlite":
        state = (sa.func.typeof(events.state), sa.func.hex(events.state))
    else:
        state = (sa.literal(_BYTES, sa.Text), sa.func.encode(events.state, "hex"))
    return sa.select(
        _listed(connection, events.position, events.stream, events.version, events.topic, *state)
    ).where(events.position.between(first, last), events.topic.not_in(_APART))


def _joined(
    connection: sa.Connection,
    states: sa.ColumnElement[Any],
    chosen: sa.ColumnElement[bool] | None = None,
) -> sa.ColumnElement[Any]:
    """All of the states that are chosen, with commas between them; None where there are none."""
    chosen = sa.true() if chosen is None else chosen
    if connection.dialect.name == "sqlite":
        return sa.cast(sa.func.group_concat(states, ",").filter(chosen), sa.LargeBinary)
    return sa.func.string_agg(states, sa.literal(b",", sa.LargeBinary)).filter(chosen)


def _listed(connection: sa.Connection, *values: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A list in JSON with a list of the values for every row; None, or empty, for no row."""
    if connection.dialect.name == "sqlite":
        return sa.func.json_group_array(sa.func.json_array(*values))
    return sa.cast(sa.func.json_agg(sa.func.json_build_array(*values)), sa.Text)
