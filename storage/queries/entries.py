"""Entries over the whole store, as auditors look for them: read, not kept, so memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from ...domain.entry import PostedEntry, PostedLine
from ...domain.events import RecordReversed, RecordSucceeded
from ...domain.finding import is_round, says_nothing
from ...domain.ids import key_of
from ..schema import log_tables
from ..store import Store
from .acts import Attempt, Responsible
from .events import PAGE, RecordedEvent, streams_events
from .scan import Condition, Positions, Span, holding, scan, topics_of, within

_EVENTS = log_tables().events.c


class PostedRecord(Struct, frozen=True):
    """A posting, or what took one back, with who is behind it.

    Attributes:
        recorded: its event.
        event: the same, as what it is.
        job: the job's name.
        key: the business key.
        run: ``<job>/<run>``.
        by: who started the attempt, had the record tried again, or executed the reversal.
    """

    recorded: RecordedEvent
    event: RecordSucceeded | RecordReversed
    job: str
    key: str
    run: str
    by: Attempt | None

    @property
    def reversal(self) -> str | None:
        """The reversal that it is part of; None where the record was posted."""
        return self.event.reversal if isinstance(self.event, RecordReversed) else None


class Chosen(Struct, frozen=True):
    """Which entries are looked at; all where nothing is said.

    Attributes:
        span: what of the log.
        job: only of this job.
        run: only of this run, ``<job>/<run>``.
        actor: only those that this person is behind.
    """

    span: Span
    job: str | None = None
    run: str | None = None
    actor: str | None = None

    def conditions(self, store: Store) -> list[Condition]:
        """What the database can tell by itself."""
        job = self.run.partition("/")[0] if self.run is not None else self.job
        found = [within(f"record/{job}/" if job is not None else "record/")]
        if self.run is not None:
            name = msgspec.json.encode(self.run.partition("/")[2])
            found.append(holding(store, b'"run":' + name))
        return found

    def admits(self, posted: PostedRecord) -> bool:
        """Whether it is one of them."""
        is_of_run = self.run is None or posted.run == self.run
        is_by = self.actor is None or (posted.by is not None and posted.by.actor == self.actor)
        return is_of_run and is_by and (self.job is None or posted.job == self.job)


def posted_records(
    store: Store,
    chosen: Chosen,
    *,
    windows: Iterator[Positions] | None = None,
    kinds: Sequence[type[RecordSucceeded | RecordReversed]] = (RecordSucceeded, RecordReversed),
    conditions: Sequence[Condition] = (),
) -> Iterator[PostedRecord]:
    """Postings and what took them back, in the order they were recorded.

    Args:
        store: where they are.
        chosen: which of them.
        windows: what of the log is read, in order; all of the span where not given.
        kinds: postings, reversals, or both.
        conditions: what else the database is to tell before an event is read.
    """
    responsible = Responsible(store)
    everything = (*chosen.conditions(store), *conditions)
    read = chosen.span.windows() if windows is None else windows
    for recorded in scan(store, read, topics_of(kinds), everything):
        posted = posted_record(responsible, recorded)
        if posted is not None and chosen.admits(posted):
            yield posted


def posted_record(responsible: Responsible, recorded: RecordedEvent) -> PostedRecord | None:
    """The event as a posting, or as what took one back; None where it is another one."""
    event = recorded.event
    if not isinstance(event, RecordSucceeded | RecordReversed):
        return None
    _, job, name = recorded.stream.split("/", 2)
    return PostedRecord(
        recorded,
        event,
        job,
        key_of(recorded.stream, event.key) or name,
        f"{job}/{event.run}",
        responsible.behind(recorded.stream, event),
    )


def entries_without_text(store: Store, chosen: Chosen, shortest: int) -> Iterator[PostedRecord]:
    """Postings with an entry whose text says nothing."""
    for posted in posted_records(store, chosen, kinds=(RecordSucceeded,)):
        if any(says_nothing(entry.text, shortest) for entry in posted.event.entries):
            yield posted


class RoundLines(Struct, frozen=True):
    """A posting with lines of round amounts, and these lines."""

    posted: PostedRecord
    lines: tuple[PostedLine, ...]


def round_amounts(
    store: Store, chosen: Chosen, multiple: int, above: Decimal
) -> Iterator[RoundLines]:
    """Postings with lines that are a whole multiple of so many major units, and above a bound."""
    digits = str(multiple)
    zeros = len(digits) - len(digits.rstrip("0"))
    # A multiple of 1,000 ends in three zeros at least, whatever the decimals of its currency.
    ending = b"0" * zeros + b',"'
    for posted in posted_records(
        store, chosen, kinds=(RecordSucceeded,), conditions=(holding(store, ending),)
    ):
        lines = tuple(
            line
            for entry in posted.event.entries
            for line in entry.lines
            if is_round(line, multiple, above)
        )
        if lines:
            yield RoundLines(posted, lines)


class Reposted(Struct, frozen=True):
    """A record that was posted, taken back, and posted again.

    Attributes:
        first: the posting that was taken back.
        reversed: what took it back.
        again: the posting after it.
    """

    first: PostedRecord
    reversed: PostedRecord
    again: PostedRecord

    @property
    def changed(self) -> bool:
        """Whether the second posting says something else than the first: amounts, dates, texts."""
        return _essence(self.first.event.entries) != _essence(self.again.event.entries)

    @property
    def parts(self) -> tuple[PostedRecord, ...]:
        """The three in order."""
        return (self.first, self.reversed, self.again)


def _essence(entries: Sequence[PostedEntry]) -> list[PostedEntry]:
    return sorted(entries, key=msgspec.json.encode)


def reposted(store: Store, chosen: Chosen) -> Iterator[Reposted]:
    """Records that were posted anew after a reversal, by job and key.

    Chosen are those whose second posting is in the span, and of which one of the three is of the
    run, or by the person, that is named. Only records with three events or more are read.
    """
    responsible = Responsible(store)
    for recorded in _long_streams(store, chosen):
        parts = (posted_record(responsible, each) for each in recorded)
        for found in _cycles([part for part in parts if part is not None]):
            if _is_meant(found, chosen):
                yield found


def _is_meant(found: Reposted, chosen: Chosen) -> bool:
    position = found.again.recorded.position
    in_span = chosen.span.after < position <= chosen.span.last
    return in_span and any(chosen.admits(part) for part in found.parts)


def _cycles(parts: Sequence[PostedRecord]) -> Iterator[Reposted]:
    """A record's postings and reversals alternate: no posting is made on top of another."""
    for first, reversed_, again in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        yield Reposted(first, reversed_, again)


def _long_streams(store: Store, chosen: Chosen) -> Iterator[list[RecordedEvent]]:
    """The events of records with three or more, by stream; found in the index alone."""
    job = chosen.run.partition("/")[0] if chosen.run is not None else chosen.job
    prefix = f"record/{job}/" if job is not None else "record/"
    names = sa.select(_EVENTS.stream).where(within(prefix), _EVENTS.version == 3)
    names = names.order_by(_EVENTS.stream).limit(PAGE)
    last = prefix
    while True:
        with store.engine.connect() as connection:
            page = connection.execute(names.where(_EVENTS.stream > last)).scalars().all()
        if not page:
            return
        last = page[-1]
        yield from streams_events(store, page)


def originals(
    store: Store, reversals: Sequence[PostedRecord]
) -> dict[tuple[str, int], RecordSucceeded]:
    """Stream and version of the postings that were taken back, with their events."""
    streams = [each.recorded.stream for each in reversals]
    found: dict[tuple[str, int], RecordSucceeded] = {}
    for start in range(0, len(streams), PAGE):
        for events in streams_events(store, streams[start : start + PAGE]):
            for each in events:
                if isinstance(each.event, RecordSucceeded):
                    found[each.stream, each.version] = each.event
    return found
