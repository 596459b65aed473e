"""Events with their commits, as an auditor reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.events import Event
from ..schema import log_tables
from ..soundness import event_at
from ..store import Store

_LOG: Final = log_tables()
_EVENTS = _LOG.events.c
_COMMITS = _LOG.commits.c

PAGE: Final = 500
"""So many events, or streams, are read by one statement."""


class RecordedEvent(Struct, frozen=True):
    """An event and where it stands.

    Attributes:
        position: in the log, from 1.
        commit_number: the commit it came with, from 1.
        recorded_at: the commit's time, microseconds since 1970-01-01 UTC.
        stream: its stream's name.
        version: its place in the stream, from 1.
        event: brought forward to the newest version of its class.
    """

    position: int
    commit_number: int
    recorded_at: int
    stream: str
    version: int
    event: Event


Events = list[RecordedEvent]


def stream_events(store: Store, stream: str) -> Events:
    """All events of a stream, in order; none where there is no such stream."""
    return with_commits(store, _LOG.events, _EVENTS.stream == stream)


def streams_events(store: Store, streams: Sequence[str]) -> Iterator[list[RecordedEvent]]:
    """All events of some hundred streams, each stream's by themselves, the streams in order."""
    found: dict[str, list[RecordedEvent]] = {name: [] for name in sorted(streams)}
    for event in with_commits(store, _LOG.events, _EVENTS.stream.in_(streams)):
        found[event.stream].append(event)
    yield from found.values()


def events_at(store: Store, positions: Sequence[int]) -> Iterator[RecordedEvent]:
    """The events at these positions, which are in order; read page by page."""
    for start in range(0, len(positions), PAGE):
        page = positions[start : start + PAGE]
        yield from with_commits(store, _LOG.events, _EVENTS.position.in_(page))


def with_commits(store: Store, found: sa.FromClause, *chosen: sa.ColumnElement[bool]) -> Events:
    """Events, by position, each with its commit; for few of them, wherever they stand.

    Args:
        store: where they are.
        found: the log's events, or a part with the same columns.
        chosen: conditions on them.
    """
    event, commits = found.c, _LOG.commits.alias("their")
    first = (
        sa.select(sa.func.max(_COMMITS.first_position))
        .where(_COMMITS.first_position <= event.position)
        .correlate(found)
        .scalar_subquery()
    )
    select = (
        sa.select(
            event.position,
            commits.c.number,
            commits.c.recorded_at,
            event.stream,
            event.version,
            event.topic,
            event.state,
        )
        .join_from(found, commits, commits.c.first_position == first)
        .where(*chosen)
        .order_by(event.position)
    )
    with store.engine.connect() as connection:
        rows = connection.execute(select).all()
    return [
        RecordedEvent(position, number, at, stream, version, event_at(position, topic, state))
        for position, number, at, stream, version, topic, state in rows
    ]
