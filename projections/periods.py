"""Periods: a row for every month of a book that was ever closed."""

from __future__ import annotations

from typing import Any

from ..domain.events import Event
from ..domain.ids import unescape
from ..domain.period import PeriodClosed, PeriodReopened
from .changes import Changes, Recorded, Upsert


def fold(changes: Changes, recorded: Recorded, event: Event) -> None:
    """A month was closed, or opened again."""
    _, book, period = recorded.stream.split("/", 2)
    put: dict[str, Any]
    match event:
        case PeriodClosed():
            put = {"state": "closed", "digest": event.digest, "forced": event.forced}
        case PeriodReopened():
            put = {"state": "open", "digest": None, "forced": None}
        case _:
            return
    put |= {"version": recorded.version, "actor": event.actor.name, "reason": event.reason}
    key = (unescape(book), period)
    changes.rows.append(Upsert("periods", key, put=put, times=("changed_at",)))
