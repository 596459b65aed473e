"""The postings of a run that a reversal is about, the newest chunk first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ..compensations.scope import Scope
from ..domain.codec import decode
from ..domain.events import NO_OUTPUT, RecordSucceeded
from ..domain.ids import RunId, key_of, record_stream
from ..domain.record import NEW, RecordState, evolve
from . import retrying
from .journal import Journal, PostingCommit, Row
from .plan import PARTITION

BATCH = 1_000
"""Postings taken back in one commit."""


class DatedEntry(msgspec.Struct, frozen=True, gc=False):
    """Of a stored entry, what decides when its reversal is posted."""

    book: str
    posting: dt.date


class Outline(msgspec.Struct, frozen=True, gc=False):
    """Of a stored posting, what a plan's digest is made of: the rest is not even read."""

    run: str
    key: str | None = None
    entries: tuple[DatedEntry, ...] = ()
    output: msgspec.Raw = NO_OUTPUT


_outline = msgspec.json.Decoder(Outline).decode


class Posting(NamedTuple):
    """A posting of a record.

    Attributes:
        version: of the posting in its stream.
        last: the stream's version, behind which the reversal is appended.
        event: whole, or in outline.
    """

    stream: str
    version: int
    last: int
    event: Any

    @property
    def key(self) -> str:
        """The record's business key."""
        return key_of(self.stream, self.event.key) or self.stream


class Changed(NamedTuple):
    """A posting that something happened to.

    Attributes:
        state: where its record stands now.
        reversed_at: the position in the log at which it was taken back last; 0 where it was not.
    """

    posting: Posting
    state: RecordState
    reversed_at: int


class Postings:
    """Finds the postings of a run that are in a scope.

    Args:
        as_of: only those made up to this position of the log; None for all.
        after: of a run's chunks only those made behind this position.
        in_haste: read them in outline, where that will do.
    """

    def __init__(
        self,
        journal: Journal,
        run: RunId,
        scope: Scope,
        as_of: int | None = None,
        *,
        after: int = 0,
        in_haste: bool = False,
    ) -> None:
        self._journal = journal
        self._run = run
        self._name = run.name
        self._scope = scope
        self._as_of = as_of
        self._after = after
        self._in_haste = in_haste and not scope.where

    def batches(self, size: int = BATCH) -> Iterator[list[Posting]]:
        """As they were posted, whatever happened to them since; so many at a time."""
        batch: list[Posting] = []
        for rows in self._pages():
            batch += [posting for row in rows if (posting := self._posting(row)) is not None]
            while len(batch) >= size:
                yield batch[:size]
                batch = batch[size:]
        if batch:
            yield batch

    def look(self, batch: Sequence[Posting]) -> tuple[list[Posting], list[Changed]]:
        """Those to which nothing happened since, and the others.

        What was taken back and posted again is left out: that posting speaks for its record.
        """
        streams = [posting.stream for posting in batch]
        versions = retrying.store_call(lambda: self._journal.versions(streams))
        untouched = [each for each in batch if versions.get(each.stream) == each.version]
        if len(untouched) == len(batch):
            return untouched, []
        others = [each for each in batch if versions.get(each.stream) != each.version]
        touched = [posting.stream for posting in others]
        lives = retrying.store_call(lambda: self._journal.rows(touched))
        changed = [_changed(posting, lives[posting.stream]) for posting in others]
        return untouched, [
            each for each in changed if each.state.posting_version == each.posting.version
        ]

    def _pages(self) -> Iterator[Sequence[Row]]:
        """Events among which the postings are."""
        if self._scope.keys:
            yield self._of_keys()
            return
        within = (self._run, self._as_of, self._after)
        for commit in retrying.store_call(lambda: self._journal.posting_commits(*within)):
            if self._holds(commit):
                yield from self._journal.pages_of(commit)

    def _holds(self, commit: PostingCommit) -> bool:
        chunks = self._scope.chunks
        return not chunks or (commit.partition == PARTITION and commit.chunk in chunks)

    def _posting(self, row: Row) -> Posting | None:
        """The posting that a stored event is, where it is one of the run's and in the scope."""
        _, stream, version, topic, state = row
        if not topic.startswith("storno.RecordSucceeded."):
            return None
        if self._in_haste and topic == RecordSucceeded.TOPIC:
            event: Any = _outline(state)
        else:
            event = decode(topic, state)
        if event.run != self._name or (self._scope.where and not self._scope.matches(event.record)):
            return None
        return Posting(stream, version, version, event)

    def _of_keys(self) -> list[Row]:
        """The last posting of each record that is named, whichever run made it."""
        found = []
        streams = [record_stream(self._run.job, key) for key in self._scope.keys]
        states = retrying.store_call(lambda: self._journal.records(streams))
        for stream in dict.fromkeys(streams):
            if (state := states.get(stream)) is not None and state.posting_version:
                row = retrying.store_call(
                    partial(self._journal.event, stream, state.posting_version)
                )
                if self._as_of is None or row.position <= self._as_of:
                    found.append(row)
        return found


def _changed(posting: Posting, life: Sequence[Row]) -> Changed:
    state, reversed_at = NEW, 0
    for row in life:
        state = evolve(state, decode(row.topic, row.state))
        if row.topic.startswith("storno.RecordReversed."):
            reversed_at = row.position
    return Changed(posting._replace(last=state.version), state, reversed_at)
