"""Events to stored bytes and back.

An upcaster turns the state of an old topic into the state of its successor, one step at a time,
so that what reads events only ever sees the newest classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import call
from typing import Any

import msgspec

from . import access, events, period, reversal, subject
from .errors import ChangedLogError, StoreError
from .events import Event

EVENTS: tuple[type[Event], ...] = (
    *events.EVENTS,
    *reversal.EVENTS,
    *period.EVENTS,
    *access.EVENTS,
    *subject.EVENTS,
)

_encode = msgspec.json.Encoder().encode
_DECODERS: dict[str, Callable[[bytes], Event]] = {
    event.TOPIC: msgspec.json.Decoder(event).decode for event in EVENTS
}

State = dict[str, Any]
Upcaster = Callable[[State], tuple[str, State]]
UPCASTERS: dict[str, Upcaster] = {}
"""Old topic to a function that returns the next topic and its state."""


def encode(event: Event) -> bytes:
    """The event's state as it is stored."""
    return _encode(event)


def decode(topic: str, state: bytes) -> Event:
    """The event of a stored state, brought forward to its newest version.

    Raises:
        ChangedLogError: a state that is not of its topic.
        StoreError: a topic that this version does not know.
    """
    decoder = _DECODERS.get(topic)
    try:
        if decoder is None:
            return _upcast(topic, state)
        return decoder(state)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChangedLogError(
            f"an event of {topic} cannot be read: {error}. Was the store changed by hand? Run "
            "storno audit verify, which says where."
        ) from None


def can_decode(topics: Sequence[str], states: Sequence[bytes]) -> bool:
    """Whether ``decode`` reads each of these stored states; nothing is kept of them.

    Args:
        topics: of one event at least.
        states: one for each topic.
    """
    first = topics[0]
    try:
        if topics.count(first) == len(topics):  # as in most of a run: a tenth less to do
            decoded = map(_DECODERS[first], states)
        else:
            decoded = map(call, map(_DECODERS.__getitem__, topics), states)
        for _ in decoded:
            pass
    except KeyError:
        return all(map(_is_readable, topics, states))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _is_readable(topic: str, state: bytes) -> bool:
    try:
        decode(topic, state)
    except StoreError:
        return False
    return True


def _upcast(topic: str, state: bytes) -> Event:
    if topic not in UPCASTERS:
        raise StoreError(
            f"this version of storno does not know events of {topic}: use a newer version."
        )
    successor, data = UPCASTERS[topic](msgspec.json.decode(state))
    while successor in UPCASTERS:
        successor, data = UPCASTERS[successor](data)
    return decode(successor, _encode(data))
