"""What people did, in an auditor's words."""

from __future__ import annotations

from typing import Any

import pytest

from storno.domain.acts import OF_CHUNKS, OF_OTHERS, OF_RECORDS, Act, act_of
from storno.domain.codec import EVENTS
from storno.domain.events import RunStopped

from .test_frozen_events import EVENTS_MEANT

ACTED = [event for event in EVENTS_MEANT if getattr(event, "actor", None) is not None]


def test_each_sample_in_words() -> None:
    words = {act.word for event in ACTED if (act := act_of(event))}
    assert words >= {
        "run started", "run taken over", "run again", "stop requested", "run abandoned",
        "dead letters retried", "record corrected", "record discarded",
        "reversal of record settled", "reversal requested", "reversal approved",
        "reversal rejected", "reversal executed", "period closed", "period forced closed",
        "period reopened", "refused: reverse approve",
    }  # fmt: skip


@pytest.mark.parametrize("event", ACTED, ids=lambda event: event.TOPIC)
def test_an_act_has_the_actor_and_the_reason_of_its_event(event: Any) -> None:
    act = act_of(event)
    assert isinstance(act, Act)
    assert act.actor == event.actor
    reason = getattr(event, "text", getattr(event, "reason", None))
    assert act.reason == (reason if act.word not in ("run taken over", "run resumed") else None)


def test_what_nobody_did_is_no_act() -> None:
    assert act_of(RunStopped(attempt=1, why="limit")) is None


def test_every_event_with_an_actor_is_looked_for() -> None:
    with_actor = {kind for kind in EVENTS if "actor" in kind.__struct_fields__}
    assert {*OF_RECORDS, *OF_CHUNKS, *OF_OTHERS} == with_actor
