"""Postings that say the same as an earlier one under another key: payments made twice, perhaps.

The log is read twice. The first time tells, in fixed memory, which postings may have a twin; the
second time those alone are kept, one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from ...domain.entry import PostedEntry
from ...domain.events import RecordReversed, RecordSucceeded
from ..store import Store
from .acts import Responsible
from .entries import Chosen, PostedRecord, posted_record
from .events import PAGE, RecordedEvent, streams_events
from .scan import Span, scan, topics_of

SLOTS: Final = 2**26
"""What is moved falls into one of so many slots, of which two bits are kept: 16 MiB in all."""

Moved = tuple[str, *tuple[object, ...]]
"""A job, and what a posting of it moves."""


class Duplicate(Struct, frozen=True):
    """A posting, and the last one before it that moves the same under another key.

    Attributes:
        first: the earlier one.
        again: the later one.
        first_reversed_by, again_reversed_by: the reversal that took each back since; None where
            it stands.
    """

    first: PostedRecord
    again: PostedRecord
    first_reversed_by: str | None
    again_reversed_by: str | None


def duplicates(store: Store, chosen: Chosen) -> Iterator[Duplicate]:
    """Postings of one job that move the same as an earlier one, in the order of the later ones.

    The same is: the same entries, each with its book, its effective date, and its lines with their
    accounts, sides, amounts and currencies, in whatever order; not their texts and posting dates.

    Args:
        store: where they are.
        chosen: about the later posting; the earlier one may be any of the job before it.
    """
    pairs = _pairs(store, chosen)
    while some := list(islice(pairs, PAGE)):
        streams = {each.recorded.stream for pair in some for each in pair}
        taken_back = _taken_back(store, sorted(streams))
        for first, again in some:
            yield Duplicate(
                first, again, taken_back.get(_place(first)), taken_back.get(_place(again))
            )


def _pairs(store: Store, chosen: Chosen) -> Iterator[tuple[PostedRecord, PostedRecord]]:
    responsible, twins = Responsible(store), _Twins(_moved(each) for each in _read(store, chosen))
    last: dict[Moved, RecordedEvent] = {}
    for recorded in _read(store, chosen):
        moved = _moved(recorded)
        if not moved or not twins.may_have(moved):
            continue
        first, last[moved] = last.get(moved), recorded
        if first is None or first.stream == recorded.stream:
            continue
        if recorded.position <= chosen.span.after:
            continue
        again = posted_record(responsible, recorded)
        if again is not None and chosen.admits(again):
            before = posted_record(responsible, first)
            assert before is not None, "nothing but postings was kept"
            yield before, again


class _Twins:
    """Which postings may have a twin: those whose slot was hit twice."""

    def __init__(self, postings: Iterable[Moved | None]) -> None:
        once, self._twice = bytearray(SLOTS // 8), bytearray(SLOTS // 8)
        for moved in filter(None, postings):
            byte, bit = self._slot(moved)
            if once[byte] & bit:
                self._twice[byte] |= bit
            once[byte] |= bit

    def may_have(self, moved: Moved) -> bool:
        """False where there is certainly none."""
        byte, bit = self._slot(moved)
        return bool(self._twice[byte] & bit)

    @staticmethod
    def _slot(moved: Moved) -> tuple[int, int]:
        slot = hash(moved) % SLOTS
        return slot >> 3, 1 << (slot & 7)


def _read(store: Store, chosen: Chosen) -> Iterator[RecordedEvent]:
    """All postings of the jobs that are meant, up to the end of what is chosen."""
    job = chosen.run.partition("/")[0] if chosen.run is not None else chosen.job
    span = Span(0, chosen.span.last)
    conditions = Chosen(span, job).conditions(store)
    return scan(store, span.windows(), topics_of((RecordSucceeded,)), conditions)


def _moved(recorded: RecordedEvent) -> Moved | None:
    """What a posting moves, to be compared; None where it moves nothing."""
    event = recorded.event
    if not isinstance(event, RecordSucceeded) or not event.entries:
        return None
    job = recorded.stream.split("/", 2)[1]
    return (job, *sorted(map(_of_entry, event.entries)))


def _of_entry(entry: PostedEntry) -> tuple[object, ...]:
    lines = sorted((line.account, line.side, line.currency, line.minor) for line in entry.lines)
    return (entry.book, entry.effective, *lines)


def _place(posted: PostedRecord) -> tuple[str, int]:
    return posted.recorded.stream, posted.recorded.version


def _taken_back(store: Store, streams: list[str]) -> dict[tuple[str, int], str]:
    """Stream and version of postings that were taken back, with the reversal."""
    return {
        (each.stream, each.event.posted_version): each.event.reversal
        for start in range(0, len(streams), PAGE)
        for events in streams_events(store, streams[start : start + PAGE])
        for each in events
        if isinstance(each.event, RecordReversed)
    }
