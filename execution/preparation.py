"""Preparing a chunk: its records are read, validated and worked on; nothing is written yet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import starmap
from typing import Any

from msgspec import Struct, field

from ..domain.chunk import CRASHES_BEFORE_ISOLATION
from ..domain.entry import PostingRules
from ..domain.errors import InputChangedError, SourceError, StornoError
from ..domain.events import Offset
from ..domain.period import Calendar
from ..domain.record import Record
from .context import Context
from .controls import chunk_sums, take_trailer
from .decide import AsNew, Decided
from .draw import Drawn, describe, draw
from .isolation import Isolated
from .job import Job
from .personal import Privacy
from .plan import Item
from .signals import StopFlag
from .sources.base import Batch, Reader, Source
from .watchdog import Watchdog
from .work import Outcome, TransientError, Work

SLICE = 128
"""Records worked on at once where none has to be kept: their objects fit the processor's cache, and
are freed while they are in it. As a whole, a chunk of 1,000 takes a tenth longer, measured."""


class Extent(Struct, kw_only=True):
    """The stretch of input that is a chunk.

    Attributes:
        rules: under which it was prepared.
        read: how many records it has.
        next_offset: where the record after its last one begins.
        position: how far the source has been read.
        end: no record follows it.
        controls: what the control totals came to.
    """

    item: Item
    rules: PostingRules
    read: int
    next_offset: Offset
    digest: str | None
    position: int | None
    end: bool
    controls: dict[str, str] = field(default_factory=dict)


class Optimistic(Extent, kw_only=True):
    """A chunk settled as if the store knew none of its keys; its records are let go of."""

    decided: Decided


class Prepared(Extent, kw_only=True):
    """A chunk ready to be settled against the store.

    Attributes:
        work: calls the function on a record that has no outcome yet.
        outcomes: of all records, where the job only posts; None where they are made later.
        batch_size: how many records were read, of which these may be chosen ones.
    """

    drawn: Drawn
    work: Work
    outcomes: list[Outcome] | None = None
    batch_size: int = 0

    def follow(self, rules: PostingRules) -> None:
        """Go by another calendar: what was worked out is not worked out again, but posted anew."""
        self.rules = self.work.rules = rules
        if self.outcomes is not None:
            self.outcomes = list(starmap(self.work.anew, enumerate(self.outcomes)))


class Feed:
    """Reads batches of a source, wherever the next one is wanted."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader: Reader | None = None
        self._at: Offset | None = None

    def read(self, offset: Offset, count: int) -> tuple[Batch, int | None]:
        """``count`` records from the offset on, and how far the source has been read."""
        reader = self._reader
        if reader is None or self._at != offset:
            reader = self.open(offset)
        self._at = None  # a read that fails leaves the reader's place unknown
        batch = reader.read(count)
        self._at = batch.next_offset
        return batch, reader.position

    def open(self, offset: Offset) -> Reader:
        """The reader that the next read at this offset will use.

        Raises:
            SourceError: the input is missing or unreadable.
        """
        self.close()
        self._reader = self._source.open(offset or None)
        self._at = offset
        return self._reader

    def close(self) -> None:
        """Let go of the source."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class Preparer(Struct):
    """Prepares chunks of one attempt.

    Attributes:
        call: calls the job's function on a record.
        isolated: calls it in a child process, for a chunk that keeps killing its worker.
        clock: monotonic seconds, for chunks that close by time.
        flag: set when the attempt is to stop.
        privacy: what the personal fields of records need; None where there are none.
        last_read: the batch of the last read that succeeded.
    """

    job: Job
    rules: PostingRules
    feed: Feed
    attempt: int
    partition: str
    call: Callable[[Record], Any]
    isolated: Isolated
    context: Context | None
    watchdog: Watchdog
    clock: Callable[[], float]
    flag: StopFlag
    chunk_seconds: float | None = None
    privacy: Privacy | None = None
    last_read: Batch | None = None

    def follow(self, calendar: Calendar) -> None:
        """Prepare by another calendar from now on."""
        self.rules = replace(self.rules, calendar=calendar)

    def read(self, item: Item, limit: int | None) -> tuple[Batch, int | None, dict[str, str]]:
        """The chunk's raw records, at most ``limit`` of them, and what a trailer promises."""
        count = self.job.chunk_size if item.count is None else item.count
        if limit is not None:
            count = min(count, limit)
        try:
            batch, position = self.feed.read(item.first_offset, count)
        except self.job.retry.on as error:
            raise TransientError(f"{type(error).__name__}: {describe(error)}") from error
        except (StornoError, OSError):
            raise
        except Exception as error:  # a source in Python may raise anything
            raise SourceError(
                f"the input cannot be read: {type(error).__name__}: {describe(error)}. Mend it, "
                "then resume the run."
            ) from error
        self.last_read = batch
        controls = self.job.controls
        if controls is None or controls.trailer is None:
            return batch, position, {}
        batch, promised = take_trailer(controls, batch)
        return batch, position, promised

    def prepare(self, item: Item, *, tries: int, limit: int | None = None) -> Prepared:
        """Read, validate and work on a chunk of a job that only posts.

        Raises:
            TransientError, FatalError: the function's; see ``Work``.
            SourceError, OSError: the source's.
        """
        return self._worked(self.draw(item, tries=tries, limit=limit), self.is_full(item))

    def prepare_again(self, before: Optimistic, *, tries: int) -> Prepared:
        """Prepare the same records once more, to be settled one after the other.

        Raises:
            InputChangedError: the source has others now.
            TransientError, FatalError, SourceError, OSError: as ``prepare``.
        """
        item = before.item
        prepared = self._worked(self.draw(item, tries=tries, limit=before.read), lambda: False)
        if (prepared.read, prepared.digest) != (before.read, before.digest):
            raise InputChangedError(
                f"chunk {item.chunk.label} was read again and is not what it was: put the input "
                "back as it was, then resume the run."
            )
        return prepared

    def prepare_optimistic(
        self, item: Item, *, tries: int, limit: int | None = None
    ) -> Optimistic | None:
        """Read, validate, work on and settle a chunk as new, slice by slice.

        None where a key repeats in it, or its records have to be seen as a whole.

        Raises:
            TransientError, FatalError, SourceError, OSError: as ``prepare``.
        """
        if self.job.controls is not None:
            return None
        limit = limit if item.count is None else None
        batch, position, _ = self.read(item, limit)
        settled, read = self._settled(item, batch, tries)
        decided = settled.decided()
        if decided is None:
            return None
        if read < len(batch.rows):  # it closed early: offset and digest of what it has
            batch, position, _ = self.read(item, read)
        return Optimistic(
            item=item,
            rules=self.rules,
            read=read,
            next_offset=batch.next_offset,
            digest=batch.digest,
            position=position,
            end=batch.end,
            decided=decided,
        )

    def _settled(self, item: Item, batch: Batch, tries: int) -> tuple[AsNew, int]:
        """The batch's records, settled as new, and how many of them belong to the chunk."""
        settled, is_full = AsNew(), self.is_full(item)
        # The keys of persons are asked for as often as records are drawn: once for a chunk.
        size = SLICE if self.privacy is None else max(len(batch.rows), 1)
        read = 0
        with self._watchdog_of(item).guarding():
            while read < len(batch.rows):
                part = batch.slice(read, read + size)
                drawn = self._draw(item, part, item.first_ordinal + read)
                outcomes = self._work(item, drawn, tries).until(is_full)
                settled.add(drawn.streams[: len(outcomes)], outcomes)
                read += len(outcomes)
                if len(outcomes) < len(part.rows) or is_full():
                    break
        return settled, read

    def _worked(self, prepared: Prepared, is_full: Callable[[], bool]) -> Prepared:
        outcomes = prepared.work.until(is_full)
        if len(outcomes) < prepared.read:
            prepared = self.shortened(prepared, len(outcomes))
        prepared.outcomes = outcomes
        return prepared

    def draw(
        self,
        item: Item,
        *,
        tries: int,
        limit: int | None = None,
        keys: Collection[str] | None = None,
    ) -> Prepared:
        """Read and validate a chunk; ``keys`` chooses among its records."""
        # A chunk done again has the records that it had, whatever the limit.
        batch, position, promised = self.read(item, limit if item.count is None else None)
        prepared = self._drawn(item, batch, position, tries, keys)
        if self.job.controls is not None:
            prepared.controls = chunk_sums(self.job.controls, prepared.drawn) | promised
        return prepared

    def shortened(self, prepared: Prepared, count: int) -> Prepared:
        """The chunk cut off after some records, read again so that offset and digest fit it."""
        return self.draw(prepared.item, tries=prepared.work.tries, limit=count)

    def _drawn(
        self,
        item: Item,
        batch: Batch,
        position: int | None,
        tries: int,
        keys: Collection[str] | None,
    ) -> Prepared:
        drawn = self._draw(item, batch, item.first_ordinal)
        if keys is not None:
            drawn = choose(drawn, keys)
        return Prepared(
            item=item,
            rules=self.rules,
            read=len(drawn.records),
            next_offset=batch.next_offset,
            digest=batch.digest,
            position=position,
            end=batch.end,
            drawn=drawn,
            work=self._work(item, drawn, tries),
            batch_size=len(batch.rows),
        )

    def _draw(self, item: Item, batch: Batch, first_ordinal: int) -> Drawn:
        return draw(
            self.job,
            item.chunk,
            batch,
            attempt=self.attempt,
            partition=self.partition,
            first_ordinal=first_ordinal,
            privacy=self.privacy,
        )

    def _work(self, item: Item, drawn: Drawn, tries: int) -> Work:
        if self.context is not None:
            self.context.tries = tries
        return Work(
            self.job,
            self.rules,
            drawn,
            call=self.isolated if self._is_isolated(item) else self.call,
            context=self.context,
            watchdog=self._watchdog_of(item),
            tries=tries,
        )

    def _is_isolated(self, item: Item) -> bool:
        return item.crashes >= CRASHES_BEFORE_ISOLATION and not self.job.writes

    def _watchdog_of(self, item: Item) -> Watchdog:
        """None of ours where the work is done in a child, which has its own."""
        return Watchdog(None) if self._is_isolated(item) else self.watchdog

    def is_full(self, item: Item) -> Callable[[], bool]:
        """Whether the chunk closes early: its time is up, or the attempt is to stop.

        A chunk that is done again keeps its records.
        """
        if item.count is not None:
            return lambda: False
        seconds, stopping = self.chunk_seconds, self.flag.event.is_set
        if seconds is None:
            return stopping
        clock = self.clock
        closes_at = clock() + seconds
        return lambda: clock() >= closes_at or stopping()


def choose(drawn: Drawn, keys: Collection[str]) -> Drawn:
    """Only the records with these keys; their ordinals stay."""
    kept = [index for index, key in enumerate(drawn.keys) if key in keys]
    location = drawn.location
    return Drawn(
        drawn.chunk,
        drawn.attempt,
        drawn.first_ordinal,
        [drawn.records[index] for index in kept],
        [drawn.keys[index] for index in kept],
        [drawn.streams[index] for index in kept],
        {at: drawn.failures[index] for at, index in enumerate(kept) if index in drawn.failures},
        [drawn.rows[index] for index in kept],
        lambda at: location(kept[at]),
        [drawn.ordinal(index) for index in kept],
        drawn.partition,
        {at: drawn.keys[index] for at, index in enumerate(kept) if index in drawn.hashed_keys},
        None if drawn.sealing is None else drawn.sealing.chosen(kept),
    )
