"""Reversals: a row each, with what was asked for, who agreed, and how far it is.

How many of its records are set aside is not kept here: they are its open dead letters.
"""

from __future__ import annotations

import json
from typing import Any

from ..domain.events import ChunkCompleted, Event
from ..domain.ids import ChunkId
from ..domain.reversal import (
    ReversalApproved,
    ReversalCompleted,
    ReversalFailed,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
    ReversalStopped,
)
from .changes import Changes, Released, Upsert
from .dead_letters import REVERSED


def fold(changes: Changes, reversal: str, event: Event) -> None:
    """Something happened to the reversal as a whole."""
    put: dict[str, Any]
    match event:
        case ReversalRequested():
            put = {
                "job": event.job,
                "run": event.run,
                "state": "requested" if event.approvals else "approved",
                "scope": json.dumps(event.scope, ensure_ascii=False),
                "form": event.form,
                "date": event.date,
                "code": event.code,
                "text": event.text,
                "digest": event.digest,
                "records": event.records,
                "blocked": event.blocked,
                "approvals": event.approvals,
                "requested_by": event.actor.name,
            }
            _put(changes, reversal, put, ("requested_at",))
        case ReversalApproved():
            put = {"decided_by": event.actor.name}
            if event.final:
                put["state"] = "approved"
            _put(changes, reversal, put, ("decided_at",), {"approved": 1})
        case ReversalRejected():
            put = {"state": "rejected", "decided_by": event.actor.name, "message": event.reason}
            _put(changes, reversal, put, ("decided_at", "ended_at"))
        case ReversalStarted():
            put = {
                "state": "running",
                "attempt": event.attempt,
                "executed_by": event.actor.name,
                "worker": str(event.worker),
                "ended_at": None,
                "error": None,
                "message": None,
            }
            _put(changes, reversal, put, ("started_at",))
            _release(changes, reversal)
        case ReversalStopped():
            _put(changes, reversal, {"state": "stopped", "message": event.why}, ("ended_at",))
            _release(changes, reversal)
        case ReversalFailed():
            put = {"state": "failed", "error": event.error, "message": event.message}
            _put(changes, reversal, put, ("ended_at",))
            _release(changes, reversal)
        case ReversalCompleted():
            _put(changes, reversal, {"state": "completed"}, ("ended_at",))
        case _:
            pass


def fold_chunk(changes: Changes, chunk: ChunkId, event: ChunkCompleted) -> None:
    """A chunk of it is committed."""
    reversal = chunk.partition.removeprefix(REVERSED)
    add = {"reversed": event.counts.succeeded}
    changes.rows.append(Upsert("reversals", (reversal,), add=add))


def _release(changes: Changes, reversal: str) -> None:
    changes.rows.append(Released("partition", f"{REVERSED}{reversal}"))


def _put(
    changes: Changes,
    reversal: str,
    put: dict[str, Any],
    times: tuple[str, ...],
    add: dict[str, int] | None = None,
) -> None:
    changes.rows.append(Upsert("reversals", (reversal,), put=put, add=add or {}, times=times))
