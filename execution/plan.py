"""What an attempt has to work on: chunks that failed first, then the rest of the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from ..domain.chunk import ChunkState, crashed_claims
from ..domain.events import ChunkCompleted, ChunkFailed, ChunkStarted, Counts, Offset
from ..domain.ids import ChunkId, RunId
from .sources.base import Range

PARTITION = "0"
"""The one partition that a run has."""


class Item(Struct, frozen=True):
    """A chunk to work on.

    Attributes:
        chunk: which one.
        version: of its stream before our claim.
        first_offset: where its first record begins.
        first_ordinal: its first record's number in the partition.
        count: how many records it has; None for as many as the job's chunks have.
        crashes: how many claims of it ended without an outcome.
    """

    chunk: ChunkId
    version: int
    first_offset: Offset
    first_ordinal: int
    count: int | None = None
    crashes: int = 0

    def claim(self, attempt: int, worker: str, lease_seconds: float) -> ChunkStarted:
        """The event that claims it."""
        return ChunkStarted(
            attempt=attempt,
            worker=worker,
            lease_seconds=lease_seconds,
            first_offset=self.first_offset,
            first_ordinal=self.first_ordinal,
        )


class Plan(Struct, frozen=True):
    """What the chunks' streams say about a pass through the input.

    Attributes:
        redo: chunks that failed for good.
        tail: the first chunk of what has not been read.
        counts: of the chunks that are committed.
        totals: currency to minor units debited, of the same.
        controls: what the control totals came to, of the same.
        ranges: what was read, and its digests, in order.
    """

    redo: tuple[Item, ...]
    tail: Item
    counts: Counts
    totals: dict[str, int]
    controls: tuple[Mapping[str, str], ...]
    ranges: tuple[Range, ...]


def plan(
    run: RunId,
    partition: str,
    states: Mapping[int, ChunkState],
    *,
    pass_from: int,
    orderly: frozenset[int],
) -> Plan:
    """The plan of an attempt.

    Args:
        states: of the partition's chunks, by number.
        pass_from: number of the first chunk of the pass under way.
        orderly: attempts that gave their claims back.
    """
    settled = [
        (number, state.outcome)
        for number, state in sorted(states.items())
        if number >= pass_from and state.outcome is not None
    ]

    def item(number: int, offset: Offset, ordinal: int, count: int | None = None) -> Item:
        state = states.get(number, ChunkState())
        crashes = crashed_claims(state, orderly)
        chunk = ChunkId(run, partition, number)
        return Item(chunk, state.version, offset, ordinal, count, crashes)

    completed = [outcome for _, outcome in settled if isinstance(outcome, ChunkCompleted)]
    redo = tuple(
        item(number, outcome.first_offset, outcome.first_ordinal, outcome.read)
        for number, outcome in settled
        if isinstance(outcome, ChunkFailed)
    )
    return Plan(
        redo,
        _tail(item, settled, pass_from),
        sum((outcome.counts for outcome in completed), Counts()),
        _summed(completed),
        tuple(outcome.controls for outcome in completed),
        tuple(
            Range(outcome.first_offset, outcome.next_offset, outcome.digest)
            for _, outcome in settled
            if outcome.digest is not None
        ),
    )


def _tail(
    item: Callable[[int, Offset, int], Item],
    settled: list[tuple[int, ChunkCompleted | ChunkFailed]],
    pass_from: int,
) -> Item:
    if not settled:
        return item(pass_from, {}, 0)
    number, last = settled[-1]
    read = last.counts.read if isinstance(last, ChunkCompleted) else last.read
    return item(number + 1, last.next_offset, last.first_ordinal + read)


def _summed(completed: list[ChunkCompleted]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for outcome in completed:
        for currency, minor in outcome.totals.items():
            sums[currency] = sums.get(currency, 0) + minor
    return sums
