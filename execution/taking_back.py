"""What takes a batch of postings back, or why some of it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from ..compensations.entries import Dates, reversing
from ..compensations.plan import Request
from ..domain.events import Event, RecordReversalFailed, RecordReversed
from ..domain.period import Calendar
from ..domain.reversal import ReversalRequested
from ..projections.changes import Recorded
from .postings import Changed, Posting, Postings
from .retrying import InterruptedRetryError
from .sealing import Bulk
from .undoing import Failure, Undoer


class Outcomes(NamedTuple):
    """What is to be done about a batch, or about the beginning of one where a stop was asked for.

    Attributes:
        standing: how many stay in force.
    """

    events: list[Recorded]
    standing: int


@dataclass(slots=True)
class TakingBack:
    """Decides on batches for one attempt at a reversal.

    Attributes:
        reversal: its name.
        requested: what was asked for, and when.
        planned: the dates of what is taken back, as they were to be then.
        calendar: which months are closed; read anew where a commit is refused.
        reopened: whether months are open that were closed when it was planned: what they blocked
            then is not meant.
    """

    reversal: str
    attempt: int
    request: Request
    requested: ReversalRequested
    planned: Dates
    postings: Postings
    undoer: Undoer
    calendar: Calendar
    dates: Dates = field(init=False)
    reopened: bool = field(init=False)

    def __post_init__(self) -> None:
        self.follow(self.calendar)

    def follow(self, calendar: Calendar) -> None:
        """Decide by this calendar from now on."""
        self.calendar = calendar
        self.dates = Dates(calendar, self.request.date)
        self.reopened = not self.planned.calendar.closed <= calendar.closed

    def in_haste(self, batch: Sequence[Posting], chunk: str) -> Bulk | None:
        """Take postings back as if nothing happened to them since; a conflict tells if it did.

        None where they have to be looked at: in a further attempt, where handlers are called,
        where the plan may have blocked some, and where some cannot be taken back.

        Args:
            chunk: the label of the reversal's chunk.
        """
        if self.attempt > 1 or self.reopened or any(bytes(each.event.output) for each in batch):
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
        self, batch: Sequence[Posting], chunk: str, done: dict[str, msgspec.Raw | Failure]
    ) -> Outcomes:
        """Look where each record stands, take back what is in force, set aside what cannot be.

        Args:
            chunk: the label of the reversal's chunk.
            done: stream to what came of calling its handler: it is not called again, however often
                the batch is decided; added to.
        """
        untouched, changed = self.postings.look(batch)
        events: list[Recorded] = []
        standing = 0
        try:
            for posting in untouched:
                if self._is_meant(posting):
                    events.append(self._taken(posting, chunk, done))
                else:
                    standing += 1
            for each in changed:
                event = self._of_changed(each, chunk, done)
                if event is not None:
                    events.append(event)
                elif each.state.posting is not None:
                    standing += 1
        except InterruptedRetryError:
            pass  # what was done until then is committed, the rest is for the next attempt
        failures = [each.event for each in events if isinstance(each.event, RecordReversalFailed)]
        standing += sum(event.error != "already-reversed" for event in failures)
        return Outcomes(events, standing)

    def _of_changed(
        self, changed: Changed, chunk: str, done: dict[str, msgspec.Raw | Failure]
    ) -> Recorded | None:
        """What is to be done about a posting that something happened to; None for nothing."""
        posting, state, reversed_at = changed
        if self.reversal in (state.settled_for, state.reversed_by) or not self._is_meant(posting):
            return None
        if state.posting is not None:
            return self._taken(posting, chunk, done)
        if reversed_at <= self.requested.as_of:
            return None  # the plan has said so
        if state.set_aside is not None and state.set_aside.reversal == self.reversal:
            return None  # it waits for a person
        why = f"reversal {state.reversed_by} took it back meanwhile"
        event = self._set_aside(posting, chunk, "already-reversed", why)
        return Recorded(posting.stream, posting.last + 1, event)

    def _is_meant(self, posting: Posting) -> bool:
        """Whether the plan that was agreed to took it back.

        What it had blocked stays, whatever could be done about it by now.
        """
        if bytes(posting.event.output) and not self.requested.undoes:
            return False
        return all(
            self.planned.of(entry.book, entry.posting) is not None
            for entry in posting.event.entries
        )

    def _taken(
        self, posting: Posting, chunk: str, done: dict[str, msgspec.Raw | Failure]
    ) -> Recorded:
        event: Event = self._undone(posting, chunk, done)
        return Recorded(posting.stream, posting.last + 1, event)

    def _undone(
        self, posting: Posting, chunk: str, done: dict[str, msgspec.Raw | Failure]
    ) -> RecordReversed | RecordReversalFailed:
        """What takes a posting back, or why that cannot be.

        Raises:
            InterruptedRetryError: a stop was asked for before its handler was through.
        """
        event = self._reversed(posting, chunk)
        if event is None:
            why = "no open period takes the reversal: reopen one, then execute it again"
            return self._set_aside(posting, chunk, "period-closed", why)
        if not bytes(posting.event.output):
            return event
        if posting.stream not in done:
            if self.undoer.flag:
                raise InterruptedRetryError
            done[posting.stream] = self.undoer.undo(posting)
        undone = done[posting.stream]
        if isinstance(undone, Failure):
            return self._set_aside(posting, chunk, undone.error, undone.message, undone.tries)
        return msgspec.structs.replace(event, output=undone)

    def _reversed(self, posting: Posting, chunk: str) -> RecordReversed | None:
        """The event that takes a posting back; None where no period takes it."""
        form = self.request.form
        entries = []
        for entry in posting.event.entries:
            day = self.dates.of(entry.book, entry.posting)
            if day is None:
                return None
            entries.append(reversing(entry, form, day))
        return RecordReversed(**self._place(posting, chunk), entries=tuple(entries))

    def _place(self, posting: Posting, chunk: str) -> dict[str, Any]:
        """What all that happens to a posting in this attempt has in common."""
        event = posting.event
        return {
            "run": event.run,
            "partition": event.partition,
            "chunk": chunk,
            "ordinal": event.ordinal,
            "attempt": self.attempt,
            "key": event.key,
            "reversal": self.reversal,
            "posted_version": posting.version,
        }

    def _set_aside(
        self, posting: Posting, chunk: str, error: str, message: str, tries: int = 1
    ) -> RecordReversalFailed:
        return RecordReversalFailed(
            **self._place(posting, chunk),
            error=error,
            message=message,
            record=posting.event.record,
            tries=tries,
        )
