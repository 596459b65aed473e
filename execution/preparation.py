"""Preparing a chunk: its records are read, validated and worked on; nothing is written yet."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ..domain.chunk import CRASHES_BEFORE_ISOLATION
from ..domain.entry import PostingRules
from ..domain.errors import SourceError, StornoError
from ..domain.events import Offset
from ..domain.record import Record
from .context import Context
from .controls import chunk_sums, take_trailer
from .decide import Decided
from .draw import Drawn, describe, draw
from .isolation import Isolated
from .job import Job
from .plan import Item
from .signals import StopFlag
from .sources.base import Batch, Reader, Source
from .watchdog import Watchdog
from .work import Outcome, TransientError, Work


@dataclass(slots=True)
class Prepared:
    """A chunk ready to be settled against the store.

    Attributes:
        next_offset: where the record after its last one begins.
        position: how far the source has been read.
        end: no record follows it.
        work: calls the function on a record that has no outcome yet.
        outcomes: of all records, where the job only posts; None where they are made later.
        as_new: the chunk settled as if the store knew none of its keys.
        controls: what the control totals came to.
        batch_size: how many records were read, of which these may be chosen ones.
    """

    item: Item
    drawn: Drawn
    next_offset: Offset
    digest: str | None
    position: int | None
    end: bool
    work: Work
    outcomes: list[Outcome] | None = None
    as_new: Decided | None = None
    controls: dict[str, str] = field(default_factory=dict)
    batch_size: int = 0

    @property
    def read(self) -> int:
        """How many records it has."""
        return len(self.drawn.records)


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


@dataclass(slots=True)
class Preparer:
    """Prepares chunks of one attempt.

    Attributes:
        call: calls the job's function on a record.
        isolated: calls it in a child process, for a chunk that keeps killing its worker.
        clock: monotonic seconds, for chunks that close by time.
        flag: set when the attempt is to stop.
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
    last_read: Batch | None = None

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
        prepared = self.draw(item, tries=tries, limit=limit)
        outcomes = prepared.work.until(self.is_full(item))
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
        drawn = draw(
            self.job,
            item.chunk,
            batch,
            attempt=self.attempt,
            partition=self.partition,
            first_ordinal=item.first_ordinal,
        )
        if keys is not None:
            drawn = choose(drawn, keys)
        if self.context is not None:
            self.context.tries = tries
        alone = item.crashes >= CRASHES_BEFORE_ISOLATION and not self.job.writes
        work = Work(
            self.job,
            self.rules,
            drawn,
            call=self.isolated if alone else self.call,
            context=self.context,
            watchdog=Watchdog(None) if alone else self.watchdog,
            tries=tries,
        )
        return Prepared(
            item,
            drawn,
            batch.next_offset,
            batch.digest,
            position,
            batch.end,
            work,
            batch_size=len(batch.rows),
        )

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
    )
