"""From the events of one commit to what it changes in the views. Pure."""

from __future__ import annotations

from collections.abc import Sequence

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
from ..domain.postings import AlikePostings, Posting, Postings
from . import checkpoint, dead_letters, ledger, monitoring, periods, reversals
from .changes import Changes, Movements, Recorded


def project(events: Sequence[Recorded], movements: Movements | None = None) -> Changes:
    """What a commit changes.

    Args:
        events: the commit's, in order; all of them, or all but its successes.
        movements: what the successes move that were left out; not changed.
    """
    posted: list[RecordSucceeded] = []
    reversed_: list[RecordReversed] = []
    others: list[Recorded] = []
    for recorded in events:
        event = recorded.event
        if type(event) is RecordSucceeded:
            posted.append(event)
        elif type(event) is RecordReversed:
            reversed_.append(event)
        else:
            others.append(recorded)
    moved = movements or {}
    if posted or reversed_:
        moved = ledger.copied(moved)
        ledger.fold(moved, posted)
        ledger.fold(moved, reversed_)
    return _project(others, moved, posted, reversed_)


def project_apart(others: Sequence[Recorded], postings: Postings | AlikePostings) -> Changes:
    """What a commit changes, its postings being at hand as they are stored.

    The same as ``project`` of all its events, which are read in full where they have to be.

    Args:
        others: the commit's events but its postings and what takes postings back, in order.
        postings: those.

    Raises:
        StoreError: a posting cannot be read.
    """
    moved: Movements = {}
    if isinstance(postings, AlikePostings):
        if not _job_settling(others):
            if one_unit := postings.in_one_unit():
                ledger.fold_alike(moved, one_unit)
                return _project(others, moved, (), ())
            if entry := postings.entry():
                ledger.fold(moved, [Posting((entry,))])
                return _project(others, moved, (), ())
        postings = postings.whole()
    posted, taken_back = postings.entries()
    ledger.fold(moved, posted)
    ledger.fold(moved, taken_back)
    return _project(
        others,
        moved,
        postings.successes() if _job_settling(others) else (),
        postings.reversals() if any(each.attempt > 1 for each in taken_back) else (),
    )


def _project(
    others: Sequence[Recorded],
    movements: Movements,
    posted: Sequence[RecordSucceeded],
    reversed_: Sequence[RecordReversed],
) -> Changes:
    changes = Changes(movements=movements)
    failed = frozenset(
        recorded.event.ordinal for recorded in others if type(recorded.event) is RecordFailed
    )
    for taken_back in reversed_:
        dead_letters.fold_reversed(changes, taken_back)
    for recorded in others:
        if isinstance(recorded.event, RecordEvent):
            _fold_record(changes, recorded)
        elif recorded.stream.startswith("chunk/"):
            _fold_chunk(changes, ChunkId.parse(recorded.stream), recorded, failed)
        else:
            _fold_other(changes, recorded)
    if posted and (job := _job_settling(others)):
        for each in posted:
            dead_letters.fold_chosen(changes, job, each)
    return changes


def _job_settling(others: Sequence[Recorded]) -> str | None:
    """The job that has a chunk here outside of its input: what that posts settles dead letters."""
    for recorded in others:
        if recorded.stream.startswith("chunk/"):
            chunk = ChunkId.parse(recorded.stream)
            if not dead_letters.is_of_input(chunk.partition):
                return chunk.run.job
    return None


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
