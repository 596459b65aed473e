"""Dead letters: records that failed for good and wait for a person.

There is one per input record of a run, named by (run, partition, ordinal); a later failure of
the same record takes its place and counts its tries on.
"""

from __future__ import annotations

import msgspec

from ..domain.dead_letter import of_reversal
from ..domain.events import (
    ChunkCompleted,
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
from ..domain.ids import ChunkId, key_of
from .changes import Changes, Recorded, Resolved, Upsert

KEYED = "keys-"
"""Partitions of chunks that worked through chosen keys, outside the run's totals."""

RETRIED = "retry-"
"""Partitions of chunks that tried dead letters again."""

REVERSED = "reversal-"
"""Partitions of chunks that took postings back."""


def is_keyed_partition(partition: str) -> bool:
    """Whether a chunk worked through chosen keys, outside the run's totals."""
    return partition.startswith(KEYED)


def is_retried_partition(partition: str) -> bool:
    """Whether a chunk tried dead letters again, in the run's totals or outside them."""
    return partition.startswith((RETRIED, KEYED + RETRIED))


def is_of_input(partition: str) -> bool:
    """Whether a chunk is a stretch of the run's input."""
    return not partition.startswith((KEYED, RETRIED, REVERSED))


def fold_failure(changes: Changes, recorded: Recorded, event: RecordFailed) -> None:
    """A record failed: its dead letter is open."""
    job = recorded.stream.split("/", 2)[1]
    _open(changes, recorded, event, f"{job}/{event.run}", event.payload, event.location)


def fold_reversal_failure(
    changes: Changes, recorded: Recorded, event: RecordReversalFailed
) -> None:
    """A posting could not be taken back: a dead letter of the reversal."""
    _open(changes, recorded, event, of_reversal(event.reversal), event.record, "")


def _open(
    changes: Changes,
    recorded: Recorded,
    event: RecordFailed | RecordReversalFailed,
    run: str,
    payload: msgspec.Raw,
    location: str,
) -> None:
    changes.rows.append(
        Upsert(
            "dead_letters",
            (run, event.partition, event.ordinal),
            put={
                "job": recorded.stream.split("/", 2)[1],
                "key": key_of(recorded.stream, event.key),
                "stream": recorded.stream,
                "version": recorded.version,
                "chunk": event.chunk,
                "attempt": event.attempt,
                "error": event.error,
                "message": event.message,
                "payload": bytes(payload).decode(),
                "location": location,
                "posted_version": event.posted_version,
                "state": "open",
                "moved_to": None,
                "settled_by": None,
                "settled_at": None,
                "reason": None,
            },
            add={"tries": event.tries},
            times=("recorded_at",),
            commits=("commit_number",),
        )
    )


def fold_act(changes: Changes, recorded: Recorded, event: RecordEvent) -> None:
    """A dead letter was mended or settled, by a person or because it went through elsewhere."""
    job = recorded.stream.split("/", 2)[1]
    run = f"{job}/{event.run}"
    match event:
        case RecordCorrected():
            put = {
                "state": "corrected",
                "payload": bytes(event.payload).decode(),
                "moved_to": event.moved_to,
            }
        case RecordDiscarded():
            put = {"state": "discarded"}
            if event.counted:
                changes.rows.append(Upsert("runs", (run,), add={"failed": -1, "discarded": 1}))
        case RecordResolved():
            put = {"state": "resolved"}
            if event.moved_to is not None:
                put["moved_to"] = event.moved_to
            changes.rows.append(
                Upsert("dead_letters", (run, event.partition, event.ordinal), put=put)
            )
            return
        case RecordReversalResolved():
            run = of_reversal(event.reversal)
            put = {"state": "resolved"}
        case _:
            return
    put |= {"settled_by": event.actor.name, "reason": event.reason}
    place = (run, event.partition, event.ordinal)
    changes.rows.append(Upsert("dead_letters", place, put=put, times=("settled_at",)))


def fold_reversed(changes: Changes, event: RecordReversed) -> None:
    """A further attempt at a reversal settles what an earlier one had set aside."""
    if event.attempt > 1:
        place = (of_reversal(event.reversal), event.partition, event.ordinal)
        changes.rows.append(Resolved(*place, event.ordinal, frozenset()))


def fold_chunk(
    changes: Changes, chunk: ChunkId, event: ChunkCompleted, failed: frozenset[int]
) -> None:
    """A chunk that worked on records anew settles the dead letters of those that went through.

    Those that it kept as a person had left them stay so.
    """
    if event.attempt == 1 or not is_of_input(chunk.partition) or not event.counts.read:
        return
    changes.rows.append(
        Resolved(
            str(chunk.run),
            chunk.partition,
            event.first_ordinal,
            event.first_ordinal + event.counts.read - 1,
            failed.union(event.kept),
        )
    )


def fold_chosen(changes: Changes, job: str, event: RecordSucceeded) -> None:
    """A record that was chosen, or tried again, and is posted settles its dead letter."""
    changes.rows.append(
        Resolved(f"{job}/{event.run}", event.partition, event.ordinal, event.ordinal, frozenset())
    )
