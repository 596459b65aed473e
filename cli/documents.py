"""The JSON documents of runs, chunks, attempts and dead letters, made from their rows.

Scripts rely on the fields; a field may come, none may go or change its meaning.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..domain.codec import encode
from .render import moment

if TYPE_CHECKING:
    from ..storage.queries import (
        AttemptRow,
        ChunkRow,
        DeadLetterPlace,
        DeadLetterRow,
        RecordedEvent,
        RunRow,
    )

Document = dict[str, Any]
COUNTS = ("read", "succeeded", "skipped", "failed", "discarded")
SECOND = 1_000_000


def counts_document(row: RunRow | AttemptRow | ChunkRow) -> Document:
    """``read`` is the sum of the others, always."""
    return {name: getattr(row, name) for name in COUNTS}


def run_document(row: RunRow) -> Document:
    """A run as ``run``, ``resume``, ``show`` and ``runs`` give it."""
    return {
        "run": row.run,
        "job": row.job,
        "state": row.state,
        "attempt": row.attempt,
        **counts_document(row),
        "reversed": row.reversed,
        "reversal": row.reversal,
        "chunks": {
            "total": row.chunks_total,
            "completed": row.chunks_completed,
            "failed": row.chunks_failed,
        },
        "seconds": seconds_between(row.started_at, row.ended_at or row.updated_at),
        "parameters": json.loads(row.parameters),
        "book": row.book,
        "position": row.position,
        "size": row.size,
        "actor": row.actor,
        "worker": row.worker,
        "started": moment(row.started_at),
        "ended": moment(row.ended_at),
        "stop_requested": row.stop_reason,
        "error": row.error,
        "message": row.message,
    }


def attempt_document(row: AttemptRow) -> Document:
    """One attempt at a run."""
    return {
        "attempt": row.attempt,
        "state": row.state,
        "why": row.why,
        **counts_document(row),
        "chunks": {"completed": row.chunks_completed, "failed": row.chunks_failed},
        "seconds": seconds_between(row.started_at, row.ended_at),
        "actor": row.actor,
        "worker": row.worker,
        "code": row.code,
        "started": moment(row.started_at),
        "ended": moment(row.ended_at),
        "error": row.error,
        "message": row.message,
    }


def chunk_document(row: ChunkRow) -> Document:
    """One chunk of a run."""
    return {
        "chunk": f"{row.partition}/{row.number}",
        "partition": row.partition,
        "number": row.number,
        "status": row.status,
        "attempt": row.attempt,
        "claims": row.claims,
        "worker": row.worker,
        "first_record": row.first_ordinal,
        **counts_document(row),
        "seconds": seconds_between(row.started_at, row.completed_at),
        "started": moment(row.started_at),
        "completed": moment(row.completed_at),
        "error": row.error,
        "message": row.message,
    }


def letter_document(row: DeadLetterRow) -> Document:
    """A dead letter. A record without a usable key goes by the end of its stream's name."""
    return {
        "job": row.job,
        "key": letter_key(row),
        "run": row.run,
        "error": row.error,
        "message": row.message,
        "attempts": row.tries,
        "payload": json.loads(row.payload),
        "state": row.state,
        "record": row.ordinal,
        "location": row.location,
        "chunk": row.chunk,
        "failed": moment(row.recorded_at),
        "moved_to": row.moved_to,
        "settled_by": row.settled_by,
        "settled": moment(row.settled_at),
        "reason": row.reason,
    }


def place_document(event: RecordedEvent) -> Document:
    """Where and when an event was recorded."""
    return {
        "position": event.position,
        "commit": event.commit_number,
        "recorded": moment(event.recorded_at),
        "stream": event.stream,
        "version": event.version,
    }


def event_document(event: RecordedEvent) -> Document:
    """An event as it is stored, with its place in the log."""
    return {
        **place_document(event),
        "event": type(event.event).__name__,
        "data": json.loads(encode(event.event)),
    }


def letter_key(row: DeadLetterRow | DeadLetterPlace) -> str:
    """The business key; ``~<run>/<partition>/<ordinal>`` where the record had no usable one."""
    return row.key if row.key is not None else row.stream.split("/", 2)[2]


def seconds_between(start: int | None, end: int | None) -> float | None:
    """Seconds between two times in microseconds, None where one is missing."""
    if start is None or end is None:
        return None
    return round((end - start) / SECOND, 3)
