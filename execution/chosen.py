"""Chosen keys: only these records of the input are worked on, outside the run's totals.

When the run is resumed and comes to them, they count as what they are by then: posted by an
earlier attempt of the same run.
"""

from __future__ import annotations

from collections.abc import Collection

from ..domain.events import ChunkCompleted, Counts
from ..domain.ids import ChunkId
from ..projections.changes import Recorded
from .attempt import Closing, Setting, periods_of
from .careful import Careful
from .decide import Decided
from .plan import Item
from .preparation import Extent, Prepared
from .sealing import seal
from .sources.base import Batch
from .troubles import Trouble, with_retries


class Chosen(Careful):
    """Goes through the whole input, and commits only the records with these keys."""

    def __init__(self, setting: Setting, keys: Collection[str]) -> None:
        super().__init__(setting)
        self._missing = dict.fromkeys(keys)
        self._keys = frozenset(keys)
        self._counts = Counts()

    def work(self) -> None:
        """Look at every record; the run is left stopped."""
        chunk = ChunkId(self.set.run, f"keys-{self.state.attempt}", 0)
        item: Item | None = Item(chunk, 0, {}, 0)
        while item is not None and not self.set.flag:
            found = self._look(item)
            if isinstance(found, Trouble):
                self.give_up(found)
                return
            if self._keys.intersection(found.drawn.keys):
                self._chunk(item)
            if self.ended:
                return
            item = None if found.end else self._next(item, found)
        if not self.set.flag:
            self.not_found = tuple(self._missing)
        self.commit(lambda: self.stopped(self._outcome_text()))

    def _look(self, item: Item) -> Prepared | Trouble:
        preparer = self.set.preparer
        return with_retries(self.set, item, lambda tries: preparer.draw(item, tries=tries))

    def chunk_failed(self, item: Item, error: BaseException, tries: int, batch: Batch) -> Closing:
        """There is no chunk of the run to give up: the attempt ends, what it did stays."""
        first = item.first_ordinal + 1
        return self.run_failed(
            "chosen-failed",
            f"the chosen keys among records {first} to {item.first_ordinal + len(batch.rows)} "
            f"failed after {tries} tries ({error}): choose them again, or resume the run.",
        )

    def prepare(self, item: Item, tries: int) -> Prepared:
        """The chosen ones of a batch."""
        prepared = self.set.preparer.draw(item, tries=tries, keys=self._keys)
        for key in prepared.drawn.keys:
            self._missing.pop(key, None)
        return prepared

    def closing(self, prepared: Extent, decided: Decided) -> Closing:
        """The chosen records, with a chunk of their own that says so."""
        item, chunk = prepared.item, prepared.item.chunk
        completed = ChunkCompleted(
            attempt=self.state.attempt,
            first_offset=item.first_offset,
            next_offset=prepared.next_offset,
            first_ordinal=item.first_ordinal,
            counts=decided.counts,
            digest=prepared.digest,
            totals=decided.totals,
            skipped_keys=tuple(decided.skipped_keys),
            kept=tuple(decided.kept),
        )
        claim = item.claim(self.state.attempt, self.set.worker, self.job.lease_seconds)
        proof = Recorded(chunk.stream, 2, completed)
        self._counts += decided.counts
        return Closing(
            seal([*decided.events, Recorded(chunk.stream, 1, claim), proof]),
            proof,
            periods=periods_of(prepared, decided),
        )

    def _next(self, item: Item, prepared: Prepared) -> Item:
        number = item.chunk.number + 1
        chunk = ChunkId(item.chunk.run, item.chunk.partition, number)
        ordinal = item.first_ordinal + prepared.batch_size
        return Item(chunk, 0, prepared.next_offset, ordinal)

    def _outcome_text(self) -> str:
        counts = self._counts
        text = (
            f"keys: {counts.succeeded} succeeded, {counts.skipped} skipped, {counts.failed} failed"
        )
        return f"{text}, not found: {', '.join(self._missing)}" if self._missing else text
