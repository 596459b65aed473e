"""From events to what the store appends: encoded and projected before the lock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from ..domain.codec import encode
from ..domain.events import RecordReversed, RecordSucceeded
from ..domain.seal import NewEvents
from ..projections import ledger
from ..projections.changes import Changes, Movements, Recorded
from ..projections.project import project


class Sealed(msgspec.Struct, frozen=True):
    """A commit in waiting: everything that does not depend on its position."""

    events: NewEvents
    changes: Changes


class Bulk(Struct):
    """Events of one class, which is what nearly all of a chunk's are: sealed ahead of the rest.

    Attributes:
        topic: of all of them; first postings of new keys where nothing else is said.
        streams: the records'.
        states: the events as they are stored.
        versions: their places in their streams; None where each is the first.
        movements: what they move in the ledger.
    """

    topic: str = RecordSucceeded.TOPIC
    streams: list[str] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    versions: list[int] | None = None
    movements: Movements = field(default_factory=dict)

    def add(
        self, streams: Sequence[str], events: Sequence[RecordSucceeded] | Sequence[RecordReversed]
    ) -> None:
        """Encode and fold some more, column by column, without a branch per record."""
        self.streams += streams
        self.states += map(encode, events)
        ledger.fold(self.movements, events)


def seal(events: Sequence[Recorded], bulk: Bulk | None = None) -> Sealed:
    """Events as one commit, behind those in bulk, of whose class no others are given then."""
    bulk = bulk or Bulk()
    count = len(bulk.streams)
    streams = [*bulk.streams, *(each.stream for each in events)]
    versions = [*(bulk.versions or [1] * count), *(each.version for each in events)]
    topics = [*([bulk.topic] * count), *(each.event.TOPIC for each in events)]
    states = [*bulk.states, *(encode(each.event) for each in events)]
    changes = project(events, bulk.movements)
    return Sealed(NewEvents(streams, versions, topics, states), changes)
