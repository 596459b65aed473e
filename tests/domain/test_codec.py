"""Events survive being stored, every one of them, byte for byte."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from storno.domain import codec
from storno.domain.codec import EVENTS, can_decode, decode, encode
from storno.domain.errors import StoreError
from storno.domain.events import Event, RunStopped

from .strategies import events_of


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.TOPIC)
def test_every_event_comes_back_as_it_was(kind: type[Event]) -> None:
    @settings(max_examples=50, deadline=None)
    @given(events_of(kind))
    def comes_back(event: Event) -> None:
        stored = encode(event)
        again = decode(kind.TOPIC, stored)
        assert type(again) is kind
        assert again == event
        assert encode(again) == stored

    comes_back()


def test_every_topic_is_versioned_and_its_own() -> None:
    topics = [kind.TOPIC for kind in EVENTS]

    assert len(set(topics)) == len(topics)
    assert all(topic.startswith("storno.") and topic[-3:-1] == ".v" for topic in topics)


def test_every_event_class_is_registered() -> None:
    def below(kind: type[Event]) -> set[type[Event]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    concrete = {kind for kind in below(Event) if "TOPIC" in vars(kind)}
    assert concrete == set(EVENTS)


@pytest.mark.parametrize(
    ("topic", "state", "told"),
    [
        ("storno.RunStopped.v9", b"{}", "does not know events of storno.RunStopped.v9"),
        ("storno.RunStopped.v1", b"{}", "missing required field `attempt`"),
        ("storno.RunStopped.v1", b'{"attempt":"1","why":""}', "Expected `int`"),
        ("storno.RunStopped.v1", b"\xff", "cannot be read"),
        ("storno.RunStopped.v1", b"", "cannot be read"),
        ("storno.RunStopped.v1", b'{"attempt":1,"why":"\xff"}', "cannot be read"),
        ("storno.RecordSucceeded.v1", b'{"record":' + b"[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_no_event_is_named(topic: str, state: bytes, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        decode(topic, state)
    stopped = encode(RunStopped(attempt=1, why="limit"))
    assert not can_decode([RunStopped.TOPIC, topic, RunStopped.TOPIC], [stopped, state, stopped])


def test_events_that_are_one_event_together_cannot_be_decoded() -> None:
    """Joined by anything that stands in JSON, these would pass as three."""
    states = [b'{"attempt":1', b'"why":""}', b'{"attempt":1,"why":""},{"attempt":1,"why":""}']

    assert not can_decode([RunStopped.TOPIC] * 3, states)
    assert can_decode([RunStopped.TOPIC], [b",".join(states[:2])])


def test_a_newer_field_is_left_alone() -> None:
    event = decode(RunStopped.TOPIC, b'{"attempt":1,"why":"limit","later":true}')

    assert event == RunStopped(attempt=1, why="limit")


def test_old_topics_are_brought_forward_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(state: codec.State) -> tuple[str, codec.State]:
        return "test.Stopped.v1", {"attempt": state["try"], "reason": state["reason"]}

    def second(state: codec.State) -> tuple[str, codec.State]:
        return RunStopped.TOPIC, {"attempt": state["attempt"], "why": state["reason"]}

    monkeypatch.setitem(codec.UPCASTERS, "test.Stopped.v0", first)
    monkeypatch.setitem(codec.UPCASTERS, "test.Stopped.v1", second)

    state = msgspec.json.encode({"try": 3, "reason": "limit"})
    event = decode("test.Stopped.v0", state)

    assert event == RunStopped(attempt=3, why="limit")
    assert can_decode(["test.Stopped.v0", RunStopped.TOPIC], [state, encode(event)])
