"""The checkpoint: one row per chunk, with its last claim and its outcome."""

from __future__ import annotations

import json

from ..domain.events import ChunkCompleted, ChunkFailed, ChunkStarted, Counts, Offset
from ..domain.ids import ChunkId
from .changes import COUNTS, Changes, Upsert


def _key(chunk: ChunkId) -> tuple[str, str, int]:
    return (str(chunk.run), chunk.partition, chunk.number)


def _offset(offset: Offset) -> str:
    return json.dumps(offset, separators=(",", ":"), ensure_ascii=False)


def count_columns(counts: Counts) -> dict[str, int]:
    """The counts by the names of their columns."""
    return {name: getattr(counts, name) for name in COUNTS}


def fold_started(changes: Changes, chunk: ChunkId, event: ChunkStarted) -> None:
    """A worker claimed the chunk."""
    changes.rows.append(
        Upsert(
            "checkpoint",
            _key(chunk),
            put={
                "status": "processing",
                "attempt": event.attempt,
                "worker": event.worker,
                "first_offset": _offset(event.first_offset),
                "first_ordinal": event.first_ordinal,
            },
            add={"claims": 1},
            times=("started_at",),
        )
    )


def fold_completed(changes: Changes, chunk: ChunkId, event: ChunkCompleted) -> None:
    """The chunk's records are committed."""
    changes.rows.append(
        Upsert(
            "checkpoint",
            _key(chunk),
            put={
                "status": "completed",
                "next_offset": _offset(event.next_offset),
                "error": None,
                "message": None,
                **count_columns(event.counts),
            },
            times=("completed_at",),
            commits=("commit_number",),
        )
    )


def fold_failed(changes: Changes, chunk: ChunkId, event: ChunkFailed) -> None:
    """The chunk failed for good; none of its records is committed."""
    changes.rows.append(
        Upsert(
            "checkpoint",
            _key(chunk),
            put={
                "status": "failed",
                "next_offset": _offset(event.next_offset),
                "error": event.error,
                "message": event.message,
                **count_columns(Counts()),
            },
            times=("completed_at",),
            commits=("commit_number",),
        )
    )
