"""What was recorded although, or because, its period was closed."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.entry import PostedEntry
from ...domain.period import Month, Period, PeriodClosed, PeriodReopened
from ...projections.dead_letters import REVERSED
from ..schema import log_tables
from ..store import Store
from ..views.generation import live_views
from ..views.tables import MOVEMENTS
from .entries import Chosen, PostedRecord, originals, posted_records
from .rows import begins_with
from .scan import Positions, Span, collect, topics_of, within

AT_ONCE: Final = 1_000
"""So many records' originals are looked up together."""

_LOG = log_tables()


class AfterClosing(Struct, frozen=True):
    """An entry that a closed period has to do with.

    Attributes:
        kind: ``late``: posted into a month that had been closed before, and was open again;
            ``moved``: posted on the first open day after a closed month;
            ``reversed``: takes back what was posted in a month that is closed.
        posted: the posting or the reversal that it is an entry of.
        entry: the entry.
        period: the month that is meant.
    """

    kind: str
    posted: PostedRecord
    entry: PostedEntry
    period: Period


class Closings:
    """When which months were closed, and open again, by positions of the log."""

    def __init__(self, store: Store) -> None:
        topics = log_tables().events.c.topic.in_(sorted(topics_of((PeriodClosed, PeriodReopened))))
        everything = Span.of_everything()
        self._turns: dict[Month, list[int]] = {}
        for each in collect(store, everything, [(within("period/"), topics)]):
            period = Period.of_stream(each.stream)
            month = (period.book, period.year, period.month)
            turns = self._turns.setdefault(month, [])
            # A month is closed, opened, closed ...: a place's number in the list tells which.
            if isinstance(each.event, PeriodClosed) != bool(len(turns) % 2):
                turns.append(each.position)

    @property
    def first(self) -> int | None:
        """The position of the first closing of all; None where nothing was ever closed."""
        return min((turns[0] for turns in self._turns.values()), default=None)

    def was_ever_closed(self, book: str, day: dt.date, position: int) -> bool:
        """Whether the day's month had been closed before this position, be it open there."""
        return self._before(book, day, position) > 0

    def is_closed(self, book: str, day: dt.date, position: int) -> bool:
        """Whether the day's month is closed at this position."""
        return self._before(book, day, position) % 2 == 1

    def _before(self, book: str, day: dt.date, position: int) -> int:
        return bisect_left(self._turns.get((book, day.year, day.month), ()), position)


def after_closing(store: Store, chosen: Chosen) -> Iterator[AfterClosing]:
    """The entries that a closed period has to do with, in the order they were recorded.

    Only those commits are read that the ledger's movements, or a reversal, point at.
    """
    closings = Closings(store)
    if closings.first is None:
        return
    windows = _windows(store, chosen.span, closings)
    records = posted_records(store, chosen, windows=windows)
    while some := list(islice(records, AT_ONCE)):
        reversals = [each for each in some if each.reversal is not None]
        known = originals(store, reversals)
        for posted in some:
            place = (posted.recorded.stream, getattr(posted.event, "posted_version", 0))
            original = known.get(place)
            entries = () if original is None else original.entries
            yield from _findings(closings, posted, entries)


def _findings(
    closings: Closings, posted: PostedRecord, originals: Sequence[PostedEntry]
) -> Iterator[AfterClosing]:
    position = posted.recorded.position
    for place, entry in enumerate(posted.event.entries):
        book = entry.book
        if originals:
            meant = originals[place].posting
            if closings.is_closed(book, meant, position):
                yield AfterClosing("reversed", posted, entry, Period.of(book, meant))
                continue
        if closings.was_ever_closed(book, entry.posting, position):
            yield AfterClosing("late", posted, entry, Period.of(book, entry.posting))
        elif not originals and _is_moved(closings, entry, position):
            meant = entry.posting - dt.timedelta(days=1)
            yield AfterClosing("moved", posted, entry, Period.of(book, meant))


def _is_moved(closings: Closings, entry: PostedEntry, position: int) -> bool:
    """Whether it stands where an entry is moved to: on the first day behind a closed month.

    Where the day before is in a closed month, and the day itself is not, it is the first of one.
    """
    posting = entry.posting
    before = posting - dt.timedelta(days=1)
    return posting > entry.effective and closings.is_closed(entry.book, before, position)


def _windows(store: Store, span: Span, closings: Closings) -> Iterator[Positions]:
    """The positions of the commits that may hold findings, in order."""
    for first, count in _commits(store, closings):
        yield from span.part(first, first + count - 1)


def _commits(store: Store, closings: Closings) -> Iterable[tuple[int, int]]:
    """First position and size of the commits to be read.

    They are those after the first closing that moved a month which was ever closed, that posted
    later than was effective on the first day of a month, or that belong to a reversal.
    """
    commits, first = _LOG.commits.c, closings.first
    with live_views(store.engine) as (connection, views):
        movement, chunk = views[MOVEMENTS].c, views["checkpoint"].c
        moved = connection.execute(
            sa.select(
                commits.number,
                commits.first_position,
                commits.count,
                movement.book,
                movement.posting,
                sa.func.min(movement.effective),
            )
            .join_from(views[MOVEMENTS], _LOG.commits, commits.number == movement.commit_number)
            .where(commits.first_position > first)
            .group_by(commits.number, movement.book, movement.posting)
        )
        found = {
            number: (position, count)
            for number, position, count, book, posting, effective in moved
            if _may_hold(closings, position, book, posting, effective)
        }
        taken_back = connection.execute(
            sa.select(commits.number, commits.first_position, commits.count)
            .join_from(views["checkpoint"], _LOG.commits, commits.number == chunk.commit_number)
            .where(begins_with(chunk.partition, REVERSED), commits.first_position > first)
        )
        found |= {number: (position, count) for number, position, count in taken_back}
    return [place for _, place in sorted(found.items())]


def _may_hold(closings: Closings, position: int, book: str, posting: str, effective: str) -> bool:
    """Whether entries of these dates may be findings; the earliest effective date is given."""
    day = dt.date.fromisoformat(posting)
    if closings.was_ever_closed(book, day, position):
        return True
    return day.day == 1 and posting > effective
