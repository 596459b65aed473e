"""What happened to a run, event by event, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..domain.events import (
    Actor,
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
from .html import Html, table
from .reasons import why
from .render import clock

if TYPE_CHECKING:
    from ..storage.queries import RecordedEvent

Happened = tuple[str, str, str]
"""What, by whom, and what is to be said of it."""

_RESUMED: Final = {"resume": "resumed", "takeover": "taken over", "again": "run again"}


def history(events: Sequence[RecordedEvent]) -> Html:
    """The run's own events as a table."""
    rows = [
        (clock(each.recorded_at), f"{each.commit_number:,}", *_happened(each.event))
        for each in events
    ]
    return table(("when", "commit", "what", "by", "details"), rows, numbers=(1,), short=(0, 2))


def person(actor: Actor) -> str:
    """Who acted: the name that was given, and the system's user and host beside it."""
    return f"{actor.name} ({actor.os_user} at {actor.host})"


def _happened(event: Event) -> Happened:
    match event:
        case RunStarted(actor=actor, worker=worker):
            return "started", person(actor), f"worker {worker}"
        case RunResumed(actor=actor, worker=worker, why=how, reason=reason):
            said = f"worker {worker}" + (f"; {reason}" if reason else "")
            return _RESUMED.get(how, how), person(actor), said
        case RunStopRequested(actor=actor, reason=reason):
            return "asked to stop", person(actor), reason
        case RunAbandoned(actor=actor, reason=reason):
            return "abandoned", person(actor), reason
        case by_itself:
            return _ended(by_itself)


def _ended(event: Event) -> Happened:
    match event:
        case RunStopped(why=code):
            return "stopped", "", why("stopped", code)
        case RunCompleted(counts=counts):
            return "completed", "", f"{counts.read:,} read, {counts.failed:,} failed"
        case RunFailed(error=error, message=message):
            return "failed", "", f"{error}: {message}"
        case RunReversing(reversal=name):
            return "is taken back", "", name
        case RunReversed(reversal=name, reversed=number, standing=standing):
            return "was taken back", "", f"{name}: {number:,} records; {standing:,} stand"
        case other:
            return type(other).__name__, "", ""
