"""The whole history of a run: its own events, and what people and reversals did to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import sqlalchemy as sa

from ...domain.acts import OF_RECORDS
from ...domain.events import RecordEvent
from ...domain.ids import RunId
from ..schema import log_tables
from ..store import Store
from .events import RecordedEvent, events_at
from .reversals import reversals
from .scan import holding, topics_of, within

_EVENTS = log_tables().events.c


def run_events(store: Store, run: str, *, after: int = 0) -> Iterator[RecordedEvent]:
    """What happened to a run, as it was recorded; not what became of each record by itself.

    They are the events of the run and of its chunks, of the reversals that were asked for it, and
    what people did about its dead letters.

    Args:
        store: where they are.
        run: ``<job>/<run>``.
        after: only what stands behind this position of the log.
    """
    name = RunId.parse(run)
    for recorded in events_at(store, _positions(store, name, after)):
        event = recorded.event
        if not isinstance(event, RecordEvent) or event.run == name.name:
            yield recorded


def _positions(store: Store, run: RunId, after: int) -> list[int]:
    """Where they stand; among them acts on records of other runs that only mention this one."""
    asked = [f"reversal/{row.reversal}" for row in reversals(store, run=str(run))]
    of_records = (
        within(f"record/{run.job}/"),
        _EVENTS.version > 1,
        _EVENTS.topic.in_(sorted(topics_of(OF_RECORDS))),
        holding(store, b'"run":' + msgspec.json.encode(run.name)),
    )
    searches = (
        (_EVENTS.stream == run.stream,),
        (within(run.chunks),),
        (_EVENTS.stream.in_(asked),),
        of_records,
    )
    found = sa.union_all(
        *(sa.select(_EVENTS.position).where(*each, _EVENTS.position > after) for each in searches)
    )
    with store.engine.connect() as connection:
        return sorted(connection.execute(found).scalars())
