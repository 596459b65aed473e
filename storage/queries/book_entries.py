"""All entries of a book, one by one, in the order they were recorded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

import sqlalchemy as sa
from msgspec import Struct

from ...domain.codec import decode
from ...domain.entry import PostedEntry
from ...domain.events import RecordReversed, RecordSucceeded
from ...domain.ids import key_of
from ..dialect import Commit, Row
from ..store import Store
from ..views.generation import live_views
from ..views.tables import MOVEMENTS
from .committed import CommitRange, committed_events
from .statement import MOVING

DateName = Literal["posting", "effective"]
"""Which of an entry's dates is meant."""


class EntryFilter(Struct, frozen=True):
    """Which entries are meant.

    Attributes:
        book: only of this book.
        commits: only of these.
        by: the date that ``first`` and ``last`` are about.
        first: from this day on.
        last: up to this day.
    """

    book: str
    commits: CommitRange
    by: DateName = "posting"
    first: dt.date | None = None
    last: dt.date | None = None

    def takes(self, entry: PostedEntry) -> bool:
        """Whether an entry is meant; its commit is not looked at."""
        day = self.day(entry)
        return (
            entry.book == self.book
            and (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
        )

    def day(self, entry: PostedEntry) -> dt.date:
        """The entry's date that counts."""
        return entry.posting if self.by == "posting" else entry.effective


class RecordedEntry(Struct, frozen=True):
    """An entry and where it comes from.

    Attributes:
        position: its event's place in the log.
        commit_number: its event's commit.
        recorded_at: when, microseconds since 1970-01-01 UTC.
        stream: of the record.
        version: its event's place in the stream.
        job: the job's name.
        key: the record's business key.
        run: ``<job>/<run>``.
        number: among the entries of its event, from 1.
        reversal: the reversal that it is of; None where the record was posted.
        posted_version: of the posting in the same stream; where it is a reversal, of what it
            takes back, so that both have the same.
    """

    position: int
    commit_number: int
    recorded_at: int
    stream: str
    version: int
    job: str
    key: str
    run: str
    number: int
    reversal: str | None
    posted_version: int
    entry: PostedEntry


class UsedAccount(Struct, frozen=True):
    """An account of a book, and the first day of what was posted to it (ISO)."""

    account: str
    currency: str
    exponent: int
    first_day: str


def recorded_entries(store: Store, chosen: EntryFilter) -> Iterator[RecordedEntry]:
    """Entries in the order of the log, and of their events; memory flat however many there are.

    Raises:
        CheckFailedError: events are missing.
    """
    for commit, rows in committed_events(store, chosen.commits):
        for row in rows:
            if row.topic.startswith(MOVING):
                yield from _entries(commit, row, chosen)


def used_accounts(store: Store, chosen: EntryFilter) -> list[UsedAccount]:
    """The accounts that the entries post to, by name and currency."""
    with live_views(store.engine) as (connection, views):
        table = views[MOVEMENTS].c
        day = table[chosen.by].label("day")
        used = sa.select(table.account, table.currency, table.exponent, day).where(
            table.book == chosen.book,
            table.commit_number.between(chosen.commits.first, chosen.commits.last),
        )
        if chosen.first is not None:
            used = used.where(day >= chosen.first.isoformat())
        if chosen.last is not None:
            used = used.where(day <= chosen.last.isoformat())
        # SQLite groups by sorting what there is: of every account's days, not of every movement.
        days = used.distinct().subquery("used")
        unit = (days.c.account, days.c.currency, days.c.exponent)
        select = sa.select(*unit, sa.func.min(days.c.day)).group_by(*unit).order_by(*unit)
        rows = connection.execute(select)
        return [UsedAccount(*row) for row in rows]


def _entries(commit: Commit, row: Row, chosen: EntryFilter) -> Iterator[RecordedEntry]:
    reversal: str | None = None
    posted_version = row.version
    event = decode(row.topic, row.state)
    match event:
        case RecordReversed():
            reversal, posted_version = event.reversal, event.posted_version
        case RecordSucceeded():
            pass
        case _:
            return
    _, job, name = row.stream.split("/", 2)
    for number, entry in enumerate(event.entries, 1):
        if chosen.takes(entry):
            yield RecordedEntry(
                position=row.position,
                commit_number=commit.number,
                recorded_at=commit.recorded_at,
                stream=row.stream,
                version=row.version,
                job=job,
                key=key_of(row.stream, event.key) or name,
                run=f"{job}/{event.run}",
                number=number,
                reversal=reversal,
                posted_version=posted_version,
                entry=entry,
            )
