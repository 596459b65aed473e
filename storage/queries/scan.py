"""Reading the log from end to end for what an auditor asks: window by window, memory flat.

No transaction stays open between two windows. The log only grows, so a reader that fixed its last
position at the beginning sees one state of it all the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.codec import EVENTS, UPCASTERS
from ...domain.events import Event
from ..schema import log_tables
from ..soundness import event_at
from ..store import Store
from ..views.replay import between
from .events import Events, RecordedEvent, with_commits

WINDOW: Final = 20_000
"""So many positions are read by one statement."""

_LOG: Final = log_tables()
_EVENTS = _LOG.events.c
_COMMITS = _LOG.commits.c

Positions = tuple[int, int]
"""The first and the last of a stretch of the log, both included."""

Condition = sa.ColumnElement[bool]


class Span(Struct, frozen=True):
    """A stretch of the log: the positions behind ``after``, up to ``last``."""

    after: int
    last: int

    @classmethod
    def of_everything(cls) -> Span:
        """The whole log, and what is appended to it meanwhile."""
        return cls(0, 2**62)

    def windows(self) -> Iterator[Positions]:
        """The stretch in pieces that are read at once."""
        for after in range(self.after, self.last, WINDOW):
            yield after + 1, min(after + WINDOW, self.last)

    def part(self, first: int, last: int) -> Iterator[Positions]:
        """What of a commit's positions is in it, in pieces that are read at once."""
        yield from Span(max(self.after, first - 1), min(self.last, last)).windows()


def recorded_between(store: Store, since: int | None = None, until: int | None = None) -> Span:
    """What was recorded at or after a time, and up to another; microseconds since 1970 UTC."""
    with store.engine.connect() as connection:
        before, last = between(connection, log_tables(), since, until)
    return Span(before.position, last.position)


def topics_of(kinds: Iterable[type[Event]]) -> frozenset[str]:
    """The topics of these classes, those of their earlier versions among them."""
    names = {kind.TOPIC.split(".")[1] for kind in kinds}
    known = (*(kind.TOPIC for kind in EVENTS), *UPCASTERS)
    return frozenset(topic for topic in known if topic.split(".")[1] in names)


def within(prefix: str) -> Condition:
    """Whether a stream's name begins so; ``prefix`` ends with a slash, so that an index helps."""
    assert prefix.endswith("/"), "what follows a slash is the digit 0"
    return sa.and_(_EVENTS.stream >= prefix, _EVENTS.stream < prefix.removesuffix("/") + "0")


def holding(store: Store, needle: bytes) -> Condition:
    """Whether an event's state holds these bytes: a look before it is read and decoded."""
    if store.dialect == "sqlite":
        return sa.func.instr(_EVENTS.state, needle) > 0
    return sa.func.pg_catalog.position(_EVENTS.state, sa.literal(needle, sa.LargeBinary)) > 0


def scan(
    store: Store,
    windows: Iterable[Positions],
    topics: Collection[str],
    conditions: Sequence[Condition] = (),
) -> Iterator[RecordedEvent]:
    """The events of these topics that meet the conditions, in the order of the windows."""
    select = sa.select(*_columns()).where(_EVENTS.topic.in_(sorted(topics)), *conditions)
    for first, last in windows:
        bounded = select.where(_EVENTS.position >= first, _EVENTS.position <= last)
        yield from _read(store, bounded.order_by(_EVENTS.position), first, last)


def collect(store: Store, span: Span, searches: Sequence[Sequence[Condition]]) -> Events:
    """The few events of a span that meet all conditions of one of several searches, in order.

    Each search is to find its events by the index of streams and versions.
    """
    bounds = (_EVENTS.position > span.after, _EVENTS.position <= span.last)
    found = sa.union_all(*(sa.select(*_columns()).where(*each, *bounds) for each in searches))
    return with_commits(store, found.subquery("found"))


def _columns() -> tuple[sa.Column[Any], ...]:
    return (_EVENTS.position, _EVENTS.stream, _EVENTS.version, _EVENTS.topic, _EVENTS.state)


def _read(store: Store, select: sa.Select[Any], first: int, last: int) -> Iterator[RecordedEvent]:
    """What a statement finds between two positions, whose commits are read at once."""
    with store.engine.connect() as connection:
        rows = connection.execute(select).all()
        commits = _commits(connection, first, last) if rows else []
    starts = [start for start, _, _ in commits]
    for position, stream, version, topic, state in rows:
        _, number, recorded_at = commits[bisect_right(starts, position) - 1]
        event = event_at(position, topic, state)
        yield RecordedEvent(position, number, recorded_at, stream, version, event)


def _commits(connection: sa.Connection, first: int, last: int) -> Sequence[Any]:
    """The commits whose events lie between two positions: first position, number, time."""
    before = sa.select(sa.func.max(_COMMITS.first_position)).where(_COMMITS.first_position <= first)
    return connection.execute(
        sa.select(_COMMITS.first_position, _COMMITS.number, _COMMITS.recorded_at)
        .where(_COMMITS.first_position >= before.scalar_subquery())
        .where(_COMMITS.first_position <= last)
        .order_by(_COMMITS.first_position)
    ).all()
