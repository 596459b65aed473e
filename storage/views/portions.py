"""Reads the log for whoever makes views from it: commits, postings in bulk, other events singly.

The database joins what is wanted of all postings of a portion, their lines or their states, so that
it arrives as one value instead of a row each. A portion is one row in all, because a thread that
fetches rows gives the interpreter away for each and waits up to 5 milliseconds to have it again
from a thread that computes: with a row a commit and a row for every other event, reading ahead
gained nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from ...domain.postings import NO_STATES, AlikePostings, Postings
from ...projections.changes import Recorded
from ..schema import LogTables
from ..soundness import event_at
from .portion_statements import OTHERS_END, select_portion

EVENTS_AT_ONCE: Final = 10_000
"""How many events are read and written together; a larger commit counts as one. Two lots of their
stored states are in memory at a time."""

COMMITS_AT_ONCE: Final = 1_000


class Stretch(Struct, frozen=True):
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


class CommitEvents(Struct, frozen=True):
    """A commit's events.

    Attributes:
        stretch: where they are.
        postings: what is posted in it, and what is taken back.
        others: all that may change a view besides, in order.
    """

    stretch: Stretch
    postings: Postings | AlikePostings
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


ReadWhole: TypeAlias = Callable[[Stretch], Postings]
"""Reads a commit's postings as they are stored."""


class Portion:
    """The events of some commits as they are stored; taken apart commit by commit.

    Nothing is decoded before it is asked for: what a thread reads ahead costs it no interpreter.
    """

    def __init__(self, commits: Sequence[Stretch], row: Sequence[Any], whole: ReadWhole) -> None:
        """Keep what was read.

        Args:
            commits: one or more.
            row: of ``portion_statements``.
            whole: reads the postings of one of the commits as they are stored.
        """
        self.commits = commits
        self._row = row
        self._whole = whole

    def events(self) -> Iterator[CommitEvents]:
        """The events of every commit.

        Raises:
            StoreError: an event cannot be read.
        """
        parts = dict(self._parts())
        for commit in self.commits:  # in whatever order a database had them
            others, postings = parts[commit.number]
            yield CommitEvents(commit, postings, list(_single(others)))

    def _parts(self) -> Iterator[tuple[int, tuple[bytes, Postings | AlikePostings]]]:
        found, posted, taken_back, parts = self._row
        posted, taken_back = _Cut(posted), _Cut(taken_back)
        commits = {commit.number: commit for commit in self.commits}
        view, start = memoryview(found), 0
        for part in _PARTS.decode(parts):
            middle, stop = found.index(OTHERS_END, start), start + part.length
            postings: Postings | AlikePostings
            if part.alike:
                opening = bytes.fromhex(part.opening or "")
                whole = partial(self._whole, commits[part.number])
                postings = AlikePostings(opening, view[middle + 1 : stop], whole)
            else:
                postings = _as_stored(part, posted, taken_back)
            yield part.number, (found[start:middle], postings)
            start = stop


def _single(listed: bytes) -> Iterator[Recorded]:
    for row in sorted(_OTHERS.decode(b"[" + listed + b"]")):
        position, stream, version, topic, kind, state = row
        stored: Any = bytes.fromhex(state) if kind == _BYTES else state
        yield Recorded(stream, version, event_at(position, topic, stored))


_OTHERS: Final = msgspec.json.Decoder(list[tuple[int, str, int, str, str, str]])
_BYTES: Final = "blob"
"""What SQLite calls bytes; it lets anything else stand in their place."""


class _Part(msgspec.Struct, frozen=True, array_like=True):
    """What a portion holds of a commit: how many bytes of each value, and how many postings.

    The number, and the states that it counts, are left out where postings look alike.
    """

    number: int
    opening: str | None
    length: int
    alike: int
    count: int
    posted: int | None
    taken_back: int | None


_PARTS: Final = msgspec.json.Decoder(list[_Part])


def _as_stored(part: _Part, posted: _Cut, taken_back: _Cut) -> Postings:
    return Postings(
        part.number, part.count, posted.next(part.posted), taken_back.next(part.taken_back)
    )


class _Cut:
    """Takes apart again what was joined by commas, without copying it."""

    def __init__(self, joined: bytes | None) -> None:
        self._joined = memoryview(joined or b"")
        self._start = 0

    def next(self, length: int | None) -> bytes | memoryview:
        """The next part; an empty list where there was none."""
        if length is None:
            return NO_STATES
        start = self._start
        self._start += length + 1
        return self._joined[start : start + length]


def read_portion(
    connection: sa.Connection,
    log: LogTables,
    commits: Sequence[Stretch],
    *,
    postings_only: bool = False,
    whole: ReadWhole | None = None,
) -> Portion:
    """The events of consecutive commits.

    Args:
        connection: to read by.
        log: of the store.
        commits: one or more.
        postings_only: leave the other events unread.
        whole: reads a commit's postings as they are stored, where that is asked for later; by
            the connection unless given.
    """
    row = _read(connection, log, commits, cut=True, others=not postings_only)
    return Portion(commits, row, whole or partial(read_whole, connection, log))


def read_whole(connection: sa.Connection, log: LogTables, commit: Stretch) -> Postings:
    """A commit's postings as they are stored.

    Args:
        connection: to read by.
        log: of the store.
        commit: which.
    """
    row = _read(connection, log, [commit], cut=False, others=False)
    _, posted, taken_back, parts = row
    (part,) = _PARTS.decode(parts)
    return _as_stored(part, _Cut(posted), _Cut(taken_back))


def _read(
    connection: sa.Connection,
    log: LogTables,
    commits: Sequence[Stretch],
    *,
    cut: bool,
    others: bool,
) -> Sequence[Any]:
    first, last = commits[0], commits[-1]
    select = select_portion(
        connection.dialect.name, log.commits.name, log.events.name, others=others
    )
    bounds = {"first": first.number, "last": last.number, "cut": cut}
    return connection.exec_driver_sql(select, bounds).one()
