"""What people did: the events that carry an actor, in an auditor's words. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from .access import AccessRefused
from .codec import EVENTS
from .events import (
    Actor,
    ChunkStarted,
    Event,
    RecordCorrected,
    RecordDiscarded,
    RecordReversalResolved,
    RunResumed,
    RunStopRequested,
)
from .period import PeriodClosed
from .reversal import ReversalRequested, ReversalStarted

OF_RECORDS: Final[tuple[type[Event], ...]] = (
    RecordCorrected,
    RecordDiscarded,
    RecordReversalResolved,
)
"""Acts in the streams of records. Each answers an event, so that it is never a stream's first."""

OF_CHUNKS: Final[tuple[type[Event], ...]] = (ChunkStarted,)
"""A claim is an act where somebody had dead letters tried again; of other chunks the run is."""

OF_OTHERS: Final[tuple[type[Event], ...]] = tuple(
    kind
    for kind in EVENTS
    if "actor" in kind.__struct_fields__ and kind not in (*OF_RECORDS, *OF_CHUNKS)
)
"""Acts in streams of which there are few, with few events each."""

_WORDS: Final[Mapping[type[Event], str]] = {
    ChunkStarted: "dead letters retried",
    RecordReversalResolved: "reversal of record settled",
    ReversalStarted: "reversal executed",
    RunStopRequested: "stop requested",
}
"""What is not called as its event is."""

_RESUMED: Final[Mapping[str, str]] = {"takeover": "run taken over", "again": "run again"}
_CAPITAL: Final = re.compile("(?<!^)(?=[A-Z])")

FORCED_CLOSED: Final = "period forced closed"
REOPENED: Final = "period reopened"


class Act(Struct, frozen=True):
    """What somebody did.

    Attributes:
        word: what it was, as auditors say it: ``record discarded``.
        reason: why, in the actor's words; None where nobody is asked for a reason.
    """

    word: str
    actor: Actor
    reason: str | None = None


def act_of(event: Event) -> Act | None:
    """The act that an event records; None where nobody acted in it."""
    actor = getattr(event, "actor", None)
    return None if actor is None else Act(_word(event), actor, _reason(event))


def _word(event: Event) -> str:
    match event:
        case RunResumed(why=why) if why in _RESUMED:
            return _RESUMED[why]
        case PeriodClosed(forced=forced) if forced:
            return FORCED_CLOSED
        case AccessRefused(act=act):
            return f"refused: {act}"
        case _:
            kind = type(event)
            return _WORDS.get(kind) or _CAPITAL.sub(" ", kind.__name__).lower()


def _reason(event: Event) -> str | None:
    if isinstance(event, RunResumed) and event.why != "again":
        return None
    if isinstance(event, ReversalRequested):
        return event.text
    return getattr(event, "reason", None)
