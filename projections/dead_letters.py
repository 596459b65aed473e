"""Dead letters: records that failed for good and wait for a person.

There is one per input record of a run, named by (run, partition, ordinal); a later failure of
the same record takes its place and counts its tries on.
"""

from __future__ import annotations

from ..domain.events import ChunkCompleted, RecordFailed, RecordSucceeded
from ..domain.ids import ChunkId, key_of
from .changes import Changes, Recorded, Resolved, Upsert


def is_keyed_partition(partition: str) -> bool:
    """Whether a chunk worked through chosen keys, outside the run's totals."""
    return partition.startswith("keys-")


def fold_failure(changes: Changes, recorded: Recorded, event: RecordFailed) -> None:
    """A record failed: its dead letter is open."""
    job = recorded.stream.split("/", 2)[1]
    changes.rows.append(
        Upsert(
            "dead_letters",
            (f"{job}/{event.run}", event.partition, event.ordinal),
            put={
                "job": job,
                "key": key_of(recorded.stream, event.key),
                "stream": recorded.stream,
                "version": recorded.version,
                "chunk": event.chunk,
                "attempt": event.attempt,
                "error": event.error,
                "message": event.message,
                "payload": bytes(event.payload).decode(),
                "location": event.location,
                "posted_version": event.posted_version,
                "state": "open",
            },
            add={"tries": event.tries},
            times=("recorded_at",),
            commits=("commit_number",),
        )
    )


def fold_chunk(
    changes: Changes, chunk: ChunkId, event: ChunkCompleted, failed: frozenset[int]
) -> None:
    """A chunk that worked on records anew settles the dead letters of those that went through."""
    if event.attempt == 1 or is_keyed_partition(chunk.partition) or not event.counts.read:
        return
    changes.rows.append(
        Resolved(
            str(chunk.run),
            chunk.partition,
            event.first_ordinal,
            event.first_ordinal + event.counts.read - 1,
            failed,
        )
    )


def fold_chosen(changes: Changes, job: str, event: RecordSucceeded) -> None:
    """A record that was chosen by its key and posted settles its dead letter."""
    changes.rows.append(
        Resolved(f"{job}/{event.run}", event.partition, event.ordinal, event.ordinal, frozenset())
    )
