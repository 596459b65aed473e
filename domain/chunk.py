"""The chunk: consecutive records committed together, claimed by one worker at a time."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from .events import ChunkCompleted, ChunkFailed, ChunkStarted, Event, Offset

CRASHES_BEFORE_ISOLATION = 3
"""A chunk claimed this often without an outcome is worked through record by record."""


class ChunkStatus(StrEnum):
    """Where a chunk stands."""

    NEW = "new"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class ChunkState(Struct, frozen=True):
    """The fold of a chunk's stream.

    Attributes:
        version: of its last event; 0 where there is none.
        first_offset: where its first record begins in the source.
        first_ordinal: the number of its first record in the partition, from 0.
        open_claims: the attempts that claimed it since its last outcome.
        outcome: its last outcome.
    """

    version: int = 0
    status: ChunkStatus = ChunkStatus.NEW
    first_offset: Offset | None = None
    first_ordinal: int = 0
    open_claims: tuple[int, ...] = ()
    outcome: ChunkCompleted | ChunkFailed | None = None

    @property
    def position(self) -> int:
        """How far the source had been read when the chunk was committed, in the source's unit."""
        return getattr(self.outcome, "position", None) or 0


def evolve(state: ChunkState, event: Event) -> ChunkState:
    """The state after one more event."""
    state = replace(state, version=state.version + 1)
    match event:
        case ChunkStarted():
            return replace(
                state,
                status=ChunkStatus.PROCESSING,
                first_offset=event.first_offset,
                first_ordinal=event.first_ordinal,
                open_claims=(*state.open_claims, event.attempt),
            )
        case ChunkCompleted():
            return replace(state, status=ChunkStatus.COMPLETED, open_claims=(), outcome=event)
        case ChunkFailed():
            return replace(state, status=ChunkStatus.FAILED, open_claims=(), outcome=event)
        case _:
            return state


def crashed_claims(state: ChunkState, orderly_attempts: frozenset[int]) -> int:
    """How many claims ended with neither an outcome nor an orderly end of their attempt."""
    return sum(attempt not in orderly_attempts for attempt in state.open_claims)
