"""Run monitoring: a row per run and a row per attempt, with state, counts and times."""

from __future__ import annotations

import json
from typing import Any

from ..domain.events import (
    ChunkCompleted,
    ChunkFailed,
    Event,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunReversed,
    RunReversing,
    RunStarted,
    RunStopped,
    RunStopRequested,
)
from ..domain.ids import ChunkId, RunId
from .changes import COUNTS, Changes, Released, Upsert
from .checkpoint import count_columns
from .dead_letters import KEYED, RETRIED, REVERSED, is_keyed_partition


def fold_run(changes: Changes, run: RunId, event: Event) -> None:
    """Something happened to the run as a whole."""
    match event:
        case RunStarted():
            _started(changes, run, event)
        case RunResumed():
            _resumed(changes, run, event)
        case RunStopRequested():
            changes.rows.append(Upsert("runs", (str(run),), put={"stop_reason": event.reason}))
        case RunStopped():
            _ended(changes, run, "stopped", event.attempt, message=event.why)
        case RunFailed():
            _ended(changes, run, "failed", event.attempt, event.error, event.message)
        case RunCompleted():
            _ended(changes, run, "completed", event.attempt)
        case RunAbandoned():
            _put_run(changes, run, {"state": "abandoned", "message": event.reason}, ("ended_at",))
            changes.rows.append(Released("run", str(run)))
        case RunReversing():
            put = {"state": "reversing", "reversal": event.reversal}
            changes.rows.append(Upsert("runs", (str(run),), put=put))
        case RunReversed():
            state = "partly-reversed" if event.standing else "reversed"
            changes.rows.append(Upsert("runs", (str(run),), put={"state": state}))
        case _:
            pass


def _put_run(changes: Changes, run: RunId, put: dict[str, Any], times: tuple[str, ...]) -> None:
    changes.rows.append(Upsert("runs", (str(run),), put=put, times=times))


def _started(changes: Changes, run: RunId, event: RunStarted) -> None:
    source = event.source
    put = {
        "job": run.job,
        "name": run.name,
        "state": "running",
        "attempt": event.attempt,
        "book": event.book,
        "parameters": json.dumps(event.parameters, ensure_ascii=False),
        "source": json.dumps(source, ensure_ascii=False),
        "size": source.get("size"),
        "first_chunk": 0,
        "worker": str(event.worker),
        "actor": event.actor.name,
    }
    _put_run(changes, run, put, ("started_at",))
    _attempt(changes, run, event, "start")


def _resumed(changes: Changes, run: RunId, event: RunResumed) -> None:
    put: dict[str, Any] = {
        "state": "running",
        "attempt": event.attempt,
        "worker": str(event.worker),
        "actor": event.actor.name,
        "error": None,
        "message": None,
        "stop_reason": None,
        "ended_at": None,
    }
    if event.again_from is not None:
        put |= dict.fromkeys((*COUNTS, "reversed"), 0)
        put |= {"position": None, "first_chunk": event.again_from, "reversal": None}
    changes.rows.append(Released("run", str(run)))
    if event.why == "takeover":
        earlier = (str(run), event.attempt - 1)
        changes.rows.append(
            Upsert("attempts", earlier, put={"state": "taken-over"}, times=("ended_at",))
        )
    _put_run(changes, run, put, ())
    _attempt(changes, run, event, event.why)


def _attempt(changes: Changes, run: RunId, event: RunStarted | RunResumed, why: str) -> None:
    changes.rows.append(
        Upsert(
            "attempts",
            (str(run), event.attempt),
            put={
                "state": "running",
                "why": why,
                "worker": str(event.worker),
                "actor": event.actor.name,
                "code": event.code,
                **dict.fromkeys((*COUNTS, "chunks_completed", "chunks_failed"), 0),
            },
            times=("started_at",),
        )
    )


def _ended(
    changes: Changes,
    run: RunId,
    state: str,
    attempt: int,
    error: str | None = None,
    message: str | None = None,
) -> None:
    put = {"state": state, "error": error, "message": message}
    _put_run(changes, run, put, ("ended_at",))
    changes.rows.append(Upsert("attempts", (str(run), attempt), put=put, times=("ended_at",)))
    changes.rows.append(Released("run", str(run)))


def fold_chunk(changes: Changes, chunk: ChunkId, event: ChunkCompleted | ChunkFailed) -> None:
    """A chunk's outcome counts in its run and in the attempt; chosen keys only in the attempt.

    Dead letters tried again, and postings taken back, count in the run alone; those tried again
    that are outside the run's totals count nowhere.
    """
    run = str(chunk.run)
    if chunk.partition.startswith(KEYED + RETRIED):
        return
    if chunk.partition.startswith((RETRIED, REVERSED)):
        if isinstance(event, ChunkCompleted):
            _fold_aside(changes, chunk, event)
        return
    add = count_columns(event.counts) if isinstance(event, ChunkCompleted) else {}
    outcome = "chunks_completed" if isinstance(event, ChunkCompleted) else "chunks_failed"
    changes.rows.append(Upsert("attempts", (run, event.attempt), add={**add, outcome: 1}))
    if isinstance(event, ChunkCompleted) and not is_keyed_partition(chunk.partition):
        put = {"position": event.position} if event.position is not None else {}
        changes.rows.append(Upsert("runs", (run,), put=put, add=add, times=("updated_at",)))


def _fold_aside(changes: Changes, chunk: ChunkId, event: ChunkCompleted) -> None:
    counts = event.counts
    if chunk.partition.startswith(REVERSED):
        add = {"reversed": counts.succeeded}
    else:
        settled = counts.succeeded + counts.skipped
        add = {"succeeded": counts.succeeded, "skipped": counts.skipped, "failed": -settled}
    changes.rows.append(Upsert("runs", (str(chunk.run),), add=add, times=("updated_at",)))
