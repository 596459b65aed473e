"""From events to what the store appends: encoded, hashed and projected before the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.codec import encode
from ..domain.events import RecordSucceeded
from ..domain.seal import NewEvent, event_leaf, event_leaves, merkle_root
from ..projections.changes import Changes, Recorded
from ..projections.project import project


@dataclass(frozen=True, slots=True)
class Sealed:
    """A commit in waiting: everything that does not depend on its position."""

    events: Sequence[NewEvent]
    root: bytes
    changes: Changes


def stored(recorded: Recorded) -> NewEvent:
    """An event as it is stored, with its leaf."""
    stream, version, event = recorded
    state = encode(event)
    return NewEvent(
        stream, version, event.TOPIC, state, event_leaf(stream, version, event.TOPIC, state)
    )


def stored_new(streams: Sequence[str], events: Sequence[RecordSucceeded]) -> list[NewEvent]:
    """First postings of new records: the usual chunk, without a branch per record."""
    topic = RecordSucceeded.TOPIC
    states = list(map(encode, events))
    return [
        NewEvent(stream, 1, topic, state, leaf)
        for stream, state, leaf in zip(
            streams, states, event_leaves(streams, 1, topic, states), strict=True
        )
    ]


def seal(
    events: Sequence[Recorded],
    *,
    new: Sequence[NewEvent] = (),
    posted: Sequence[RecordSucceeded] = (),
) -> Sealed:
    """Events as one commit; ``new`` are the stored forms of ``posted`` and stand before them."""
    everything = [*new, *map(stored, events)]
    return Sealed(
        everything, merkle_root([event.leaf for event in everything]), project(events, posted)
    )
