"""From events to what the store appends: encoded and projected before the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from ..domain.codec import encode
from ..domain.events import RecordSucceeded
from ..domain.seal import NewEvents
from ..projections import ledger
from ..projections.changes import Changes, Movement, Recorded
from ..projections.project import project


class Sealed(msgspec.Struct, frozen=True):
    """A commit in waiting: everything that does not depend on its position."""

    events: NewEvents
    changes: Changes


@dataclass(slots=True)
class FirstPostings:
    """First postings of new keys, which is what nearly all records are: sealed ahead of the rest.

    Attributes:
        streams: the records'.
        states: the events as they are stored.
        movements: what they move in the ledger.
    """

    streams: list[str] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)
    movements: dict[Movement, list[int]] = field(default_factory=dict)

    def add(self, streams: Sequence[str], events: Sequence[RecordSucceeded]) -> None:
        """Encode and fold some more, column by column, without a branch per record."""
        self.streams += streams
        self.states += map(encode, events)
        ledger.fold(self.movements, events)


def seal(events: Sequence[Recorded], first: FirstPostings | None = None) -> Sealed:
    """Events as one commit, behind first postings; where there are such, no others are given."""
    first = first or FirstPostings()
    count = len(first.streams)
    streams = [*first.streams, *(each.stream for each in events)]
    versions = [*([1] * count), *(each.version for each in events)]
    topics = [*([RecordSucceeded.TOPIC] * count), *(each.event.TOPIC for each in events)]
    states = [*first.states, *(encode(each.event) for each in events)]
    changes = project(events, first.movements)
    return Sealed(NewEvents(streams, versions, topics, states), changes)
