"""What takes a batch of postings back, or why some of it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ..compensations.entries import Dates, reversing
from ..compensations.plan import Request
from ..domain.events import Event, RecordReversalFailed, RecordReversed
from ..domain.period import Calendar
from ..projections.changes import Recorded
from .postings import Posting, Postings
from .sealing import Bulk
from .undoing import Failure, Undoer


class Outcomes(NamedTuple):
    """What is to be done about a batch.

    Attributes:
        waiting: how many an earlier attempt set aside, and still stand so.
        standing: how many stay in force.
    """

    events: list[Recorded]
    waiting: int
    standing: int


@dataclass(slots=True)
class TakingBack:
    """Decides on batches for one attempt at a reversal.

    Attributes:
        reversal: its name.
        as_of: the position of the log at which it was requested.
        calendar: which months are closed; read anew where a commit is refused.
    """

    reversal: str
    attempt: int
    request: Request
    as_of: int
    postings: Postings
    undoer: Undoer
    calendar: Calendar
    dates: Dates = field(init=False)

    def __post_init__(self) -> None:
        self.follow(self.calendar)

    def follow(self, calendar: Calendar) -> None:
        """Decide by this calendar from now on."""
        self.calendar = calendar
        self.dates = Dates(calendar, self.request.date)

    def in_haste(self, batch: Sequence[Posting], chunk: str) -> Bulk | None:
        """Take postings back as if nothing happened to them since; a conflict tells if it did.

        None where they have to be looked at: in a further attempt, where handlers are called, and
        where some cannot be taken back.

        Args:
            chunk: the label of the reversal's chunk.
        """
        if self.attempt > 1 or any(bytes(each.event.output) for each in batch):
            return None
        events: list[RecordReversed] = []
        for posting in batch:
            event = self._reversed(posting, chunk)
            if event is None:
                return None
            events.append(event)
        bulk = Bulk(RecordReversed.TOPIC, versions=[posting.last + 1 for posting in batch])
        bulk.add([posting.stream for posting in batch], events)
        return bulk

    def with_care(
        self, batch: Sequence[Posting], chunk: str, done: dict[str, msgspec.Raw]
    ) -> Outcomes:
        """Look where each record stands, take back what is in force, set aside what cannot be.

        Args:
            chunk: the label of the reversal's chunk.
            done: stream to what its handler returned: it is not called again, however often the
                batch is decided; added to.
        """
        untouched, changed = self.postings.look(batch)
        events: list[Recorded] = []
        waiting = standing = 0
        for posting in untouched:
            if self._is_irreversible(posting):
                standing += 1
                continue
            event: Event = self._undone(posting, chunk, done)
            events.append(Recorded(posting.stream, posting.last + 1, event))
        for posting, state, reversed_at in changed:
            if self.reversal in (state.settled_for, state.reversed_by):
                standing += state.posting is not None
                continue
            if state.posting is None and reversed_at <= self.as_of:
                continue  # the plan has said so
            if state.posting is not None and self._is_irreversible(posting):
                standing += 1
                continue
            if state.posting is not None:
                event = self._undone(posting, chunk, done)
            elif state.set_aside is not None and state.set_aside.reversal == self.reversal:
                waiting += 1
                continue
            else:
                why = f"reversal {state.reversed_by} took it back meanwhile"
                event = self._set_aside(posting, chunk, "already-reversed", why)
            events.append(Recorded(posting.stream, posting.last + 1, event))
        failures = [each.event for each in events if isinstance(each.event, RecordReversalFailed)]
        standing += sum(event.error != "already-reversed" for event in failures)
        return Outcomes(events, waiting, standing)

    def _is_irreversible(self, posting: Posting) -> bool:
        """Whether the job says that the effect cannot be undone; every plan has said so."""
        job = self.undoer.job
        return job is not None and bool(job.irreversible) and bool(bytes(posting.event.output))

    def _undone(
        self, posting: Posting, chunk: str, done: dict[str, msgspec.Raw]
    ) -> RecordReversed | RecordReversalFailed:
        """What takes a posting back, or why that cannot be."""
        event = self._reversed(posting, chunk)
        if event is None:
            why = "no open period takes the reversal: reopen one, then execute it again"
            return self._set_aside(posting, chunk, "period-closed", why)
        if not bytes(posting.event.output):
            return event
        if posting.stream not in done:
            undone = self.undoer.undo(posting)
            if isinstance(undone, Failure):
                return self._set_aside(posting, chunk, undone.error, undone.message, undone.tries)
            done[posting.stream] = undone
        return msgspec.structs.replace(event, output=done[posting.stream])

    def _reversed(self, posting: Posting, chunk: str) -> RecordReversed | None:
        """The event that takes a posting back; None where no period takes it."""
        form, event = self.request.form, posting.event
        entries = []
        for entry in event.entries:
            day = self.dates.of(entry.book, entry.posting)
            if day is None:
                return None
            entries.append(reversing(entry, form, day))
        return RecordReversed(
            run=event.run,
            partition=event.partition,
            chunk=chunk,
            ordinal=event.ordinal,
            attempt=self.attempt,
            key=event.key,
            reversal=self.reversal,
            posted_version=posting.version,
            entries=tuple(entries),
        )

    def _set_aside(
        self, posting: Posting, chunk: str, error: str, message: str, tries: int = 1
    ) -> RecordReversalFailed:
        event = posting.event
        return RecordReversalFailed(
            run=event.run,
            partition=event.partition,
            chunk=chunk,
            ordinal=event.ordinal,
            attempt=self.attempt,
            key=event.key,
            reversal=self.reversal,
            posted_version=posting.version,
            error=error,
            message=message,
            record=event.record,
            tries=tries,
        )
