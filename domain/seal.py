"""What is hashed, byte for byte: event leaves, Merkle roots (RFC 6962) and the commits' chain.

Leaves are over what is stored, so a proof holds whatever the state means or whether it is
encrypted. All lengths and numbers are 8 bytes, big-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

EMPTY_CHAIN = bytes(32)
"""The previous chain hash of the first commit."""

_LENGTH = Struct(">Q").pack
_LENGTH_AND_VERSION = Struct(">QQ").pack
_COMMIT_NUMBERS = Struct(">QQQQ").pack
_LEAF = b"\x00"
_NODE = b"\x01"


class NewEvent(NamedTuple):
    """An event to be appended.

    Attributes:
        stream: the stream's name.
        version: its place in the stream, from 1.
        topic: the event class's versioned name.
        state: what is stored, as it is hashed.
        leaf: ``event_leaf`` of the four above, 32 bytes; computed before the lock is taken.
    """

    stream: str
    version: int
    topic: str
    state: bytes
    leaf: bytes


def event_leaf(stream: str, version: int, topic: str, state: bytes) -> bytes:
    """The 32-byte leaf of one stored event: everything of it but its position."""
    name = stream.encode()
    label = topic.encode()
    return sha256(
        b"".join(
            (
                _LEAF,
                _LENGTH(len(name)),
                name,
                _LENGTH_AND_VERSION(version, len(label)),
                label,
                _LENGTH(len(state)),
                state,
            )
        )
    ).digest()


def event_leaves(
    streams: Sequence[str], version: int, topic: str, states: Sequence[bytes]
) -> list[bytes]:
    """The leaves of many events that share version and topic: ``event_leaf`` of each."""
    label = topic.encode()
    middle = _LENGTH_AND_VERSION(version, len(label)) + label
    leaves = []
    for stream, state in zip(streams, states, strict=True):
        name = stream.encode()
        leaves.append(
            sha256(
                b"".join((_LEAF, _LENGTH(len(name)), name, middle, _LENGTH(len(state)), state))
            ).digest()
        )
    return leaves


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962's Merkle tree hash over leaf hashes (32 bytes each), in order.

    Works level by level: pairing neighbours and carrying an odd last node up unchanged gives
    the same root as the RFC's recursive split at the largest power of two.
    """
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [
            sha256(_NODE + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


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
