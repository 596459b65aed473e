"""From the events of one commit to what it changes in the views. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..domain.events import (
    ChunkCompleted,
    ChunkFailed,
    ChunkStarted,
    RecordFailed,
    RecordSucceeded,
)
from ..domain.ids import ChunkId, RunId
from . import checkpoint, dead_letters, ledger, monitoring
from .changes import Changes, Movement, Recorded


def project(events: Sequence[Recorded], movements: Mapping[Movement, list[int]] = {}) -> Changes:
    """What a commit changes.

    Args:
        events: the commit's, in order; all of them, or all but its successes.
        movements: what the successes move that were left out.
    """
    changes = Changes(movements=dict(movements))
    failed = frozenset(
        recorded.event.ordinal for recorded in events if type(recorded.event) is RecordFailed
    )
    posted: list[RecordSucceeded] = []
    chosen = False
    for recorded in events:
        event = recorded.event
        if type(event) is RecordSucceeded:
            posted.append(event)
        elif isinstance(event, RecordFailed):
            dead_letters.fold_failure(changes, recorded, event)
        elif recorded.stream.startswith("run/"):
            monitoring.fold_run(changes, RunId.parse(recorded.stream), event)
        elif recorded.stream.startswith("chunk/"):
            chunk = ChunkId.parse(recorded.stream)
            chosen = chosen or dead_letters.is_keyed_partition(chunk.partition)
            _fold_chunk(changes, chunk, recorded, failed)
    ledger.fold(changes.movements, posted)
    if chosen:
        job = events[0].stream.split("/", 2)[1]
        for event in posted:
            dead_letters.fold_chosen(changes, job, event)
    return changes


def _fold_chunk(
    changes: Changes, chunk: ChunkId, recorded: Recorded, failed: frozenset[int]
) -> None:
    match recorded.event:
        case ChunkStarted() as event:
            checkpoint.fold_started(changes, chunk, event)
        case ChunkCompleted() as event:
            checkpoint.fold_completed(changes, chunk, event)
            monitoring.fold_chunk(changes, chunk, event)
            dead_letters.fold_chunk(changes, chunk, event, failed)
        case ChunkFailed() as event:
            checkpoint.fold_failed(changes, chunk, event)
            monitoring.fold_chunk(changes, chunk, event)
        case _:
            pass
