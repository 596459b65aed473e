"""What is hashed, byte for byte: event leaves, Merkle roots (RFC 6962) and the commits' chain.

Leaves are over what is stored, so a proof holds whatever the state means or whether it is
encrypted. All lengths and numbers are 8 bytes, big-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from struct import Struct

import msgspec

EMPTY_CHAIN = bytes(32)
"""The previous chain hash of the first commit."""

_LENGTH = Struct(">Q").pack
_LENGTH_AND_VERSION = Struct(">QQ").pack
_COMMIT_NUMBERS = Struct(">QQQQ").pack
_LEAF = b"\x00"
_NODE = b"\x01"


_SHORT = 4096
"""Bytes that most names and states stay below; packing a length takes four times its look-up."""


class _Lengths(dict[int, bytes]):
    """Packed lengths behind what they always stand behind; those of short things are kept."""

    def __init__(self, before: bytes) -> None:
        super().__init__()
        self._before = before

    def __missing__(self, length: int) -> bytes:
        packed = self._before + _LENGTH(length)
        if length < _SHORT:
            self[length] = packed
        return packed


_name_length = _Lengths(_LEAF).__getitem__
_state_length = _Lengths(b"").__getitem__


class NewEvents(msgspec.Struct, frozen=True):
    """Events to be appended in one commit, in order: columns that are aligned by index.

    Attributes:
        streams: the streams' names.
        versions: each event's place in its stream, from 1.
        topics: the event classes' versioned names.
        states: what is stored, as it is hashed.
    """

    streams: list[str]
    versions: list[int]
    topics: list[str]
    states: list[bytes]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, int, str, bytes]]) -> NewEvents:
        """Events given one by one: stream, version, topic and state."""
        events = list(rows)
        return cls(
            [stream for stream, _, _, _ in events],
            [version for _, version, _, _ in events],
            [topic for _, _, topic, _ in events],
            [state for _, _, _, state in events],
        )

    def __len__(self) -> int:
        return len(self.streams)


def event_leaf(stream: str, version: int, topic: str, state: bytes) -> bytes:
    """The 32-byte leaf of one stored event: everything of it but its position."""
    (leaf,) = event_leaves(NewEvents([stream], [version], [topic], [state]))
    return leaf


def event_leaves(events: NewEvents) -> list[bytes]:
    """``event_leaf`` of each, in loops of the interpreter's own: there is one for every record."""
    names = list(map(str.encode, events.streams))
    return _hashes(
        zip(
            map(_name_length, map(len, names)),
            names,
            _middles(events.versions, events.topics),
            map(_state_length, map(len, events.states)),
            events.states,
            strict=True,
        )
    )


def _middles(versions: Sequence[int], topics: Sequence[str]) -> Iterable[bytes]:
    """What stands between name and state: mostly the same, as records are posted one by one."""
    count = len(versions)
    if count and versions.count(versions[0]) == topics.count(topics[0]) == count:
        return repeat(_version_and_topic(versions[0], topics[0]), count)
    return map(_version_and_topic, versions, topics)


@lru_cache(maxsize=1024)
def _version_and_topic(version: int, topic: str) -> bytes:
    label = topic.encode()
    return _LENGTH_AND_VERSION(version, len(label)) + label


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's Merkle tree hash over leaf hashes (32 bytes each), in order.

    Works level by level: pairing neighbours and carrying an odd last node up unchanged gives
    the same root as the RFC's recursive split at the largest power of two.
    """
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        ends = iter(level)
        paired = _hashes(zip(repeat(_NODE), ends, ends, strict=False))
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def _hashes(inputs: Iterable[tuple[bytes, ...]]) -> list[bytes]:
    """The SHA-256 of each, given in parts."""
    return [sha256(joined).digest() for joined in map(b"".join, inputs)]


def commit_leaf(
    number: int,
    first_position: int,
    count: int,
    recorded_at: int,
    root: bytes,
    previous_chain: bytes,
) -> bytes:
    """The leaf of a commit, which is also its chain hash.

    Args:
        number: the commit's number, from 1.
        first_position: position of its first event.
        count: how many events it holds.
        recorded_at: microseconds since 1970-01-01 UTC.
        root: the Merkle root of its events' leaves, 32 bytes.
        previous_chain: the chain hash of the commit before it, ``EMPTY_CHAIN`` for the first.
    """
    return sha256(
        _LEAF + _COMMIT_NUMBERS(number, first_position, count, recorded_at) + root + previous_chain
    ).digest()
