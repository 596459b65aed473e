"""Events with their commits, as an auditor reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from ...domain.codec import decode
from ...domain.events import Event
from ...domain.ids import RunId
from ..schema import log_tables
from ..store import Store

_LOG: Final = log_tables()
_EVENTS = _LOG.events.c
_COMMITS = _LOG.commits.c


@dataclass(frozen=True, slots=True)
class RecordedEvent:
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


def stream_events(store: Store, stream: str) -> list[RecordedEvent]:
    """All events of a stream, in order; none where there is no such stream."""
    return _read(store, _EVENTS.stream == stream)


def run_events(store: Store, run: str) -> list[RecordedEvent]:
    """The events of a run and of its chunks (not of its records), as they were recorded."""
    name = RunId.parse(run)
    after = name.chunks.removesuffix("/") + "0"  # "0" is what follows "/"
    of_chunks = sa.and_(_EVENTS.stream >= name.chunks, _EVENTS.stream < after)
    return _read(store, sa.or_(_EVENTS.stream == name.stream, of_chunks))


def _read(store: Store, chosen: sa.ColumnElement[bool]) -> list[RecordedEvent]:
    first = (
        sa.select(sa.func.max(_COMMITS.first_position))
        .where(_COMMITS.first_position <= _EVENTS.position)
        .correlate(_LOG.events)
        .scalar_subquery()
    )
    commits = _LOG.commits.alias("their")
    select = (
        sa.select(
            _EVENTS.position,
            commits.c.number,
            commits.c.recorded_at,
            _EVENTS.stream,
            _EVENTS.version,
            _EVENTS.topic,
            _EVENTS.state,
        )
        .join_from(_LOG.events, commits, commits.c.first_position == first)
        .where(chosen)
        .order_by(_EVENTS.position)
    )
    with store.engine.connect() as connection:
        return [
            RecordedEvent(position, number, recorded_at, stream, version, decode(topic, state))
            for position, number, recorded_at, stream, version, topic, state in connection.execute(
                select
            )
        ]
