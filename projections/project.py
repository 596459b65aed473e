"""From the events of one commit to what it changes in the views. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..domain.events import (
    ChunkCompleted,
    ChunkFailed,
    ChunkStarted,
    RecordCorrected,
    RecordDiscarded,
    RecordEvent,
    RecordFailed,
    RecordResolved,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
)
from ..domain.ids import ChunkId, RunId
from . import checkpoint, dead_letters, ledger, monitoring, periods, reversals
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
    reversed_: list[RecordReversed] = []
    aside = False
    for recorded in events:
        event = recorded.event
        if type(event) is RecordSucceeded:
            posted.append(event)
        elif type(event) is RecordReversed:
            reversed_.append(event)
            dead_letters.fold_reversed(changes, event)
        elif isinstance(event, RecordEvent):
            _fold_record(changes, recorded)
        elif recorded.stream.startswith("chunk/"):
            chunk = ChunkId.parse(recorded.stream)
            aside = aside or not dead_letters.is_of_input(chunk.partition)
            _fold_chunk(changes, chunk, recorded, failed)
        else:
            _fold_other(changes, recorded)
    ledger.fold(changes.movements, posted)
    ledger.fold(changes.movements, reversed_)
    if aside and posted:
        job = events[0].stream.split("/", 2)[1]
        for each in posted:
            dead_letters.fold_chosen(changes, job, each)
    return changes


def _fold_record(changes: Changes, recorded: Recorded) -> None:
    match recorded.event:
        case RecordFailed() as event:
            dead_letters.fold_failure(changes, recorded, event)
        case RecordReversalFailed() as event:
            dead_letters.fold_reversal_failure(changes, recorded, event)
        case (
            RecordCorrected() | RecordDiscarded() | RecordResolved() | RecordReversalResolved()
        ) as event:
            dead_letters.fold_act(changes, recorded, event)
        case _:
            pass


def _fold_other(changes: Changes, recorded: Recorded) -> None:
    stream, _, event = recorded
    kind, _, name = stream.partition("/")
    match kind:
        case "run":
            monitoring.fold_run(changes, RunId.parse(stream), event)
        case "reversal":
            reversals.fold(changes, name, event)
        case "period":
            periods.fold(changes, recorded, event)
        case _:
            pass


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
            if chunk.partition.startswith(dead_letters.REVERSED):
                reversals.fold_chunk(changes, chunk, event)
        case ChunkFailed() as event:
            checkpoint.fold_failed(changes, chunk, event)
            monitoring.fold_chunk(changes, chunk, event)
        case _:
            pass
