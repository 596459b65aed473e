"""The roots over the events of many commits at once, as long as nothing is wrong with them.

What is wrong is not named here, so this is quick, and can be done ahead of its turn and in another
process: the commits for which it has no answer, or another one than they say, are read again in
order.
"""

from __future__ import annotations

import struct
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from ...domain.codec import can_decode
from ...domain.seal import NewEvents, event_leaves, merkle_root
from .event_rows import EventRows


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Consecutive commits, as their rows say.

    Attributes:
        first_position: of the first commit.
        counts: how many events each of them holds, at least 1.
        begins: whether the log begins here, so that nothing may stand before it.
    """

    first_position: int
    counts: list[int]
    begins: bool


def roots(rows: EventRows, stretch: Stretch, *, streams: bool) -> list[bytes]:
    """The root over each commit's events, in order; empty where something does not fit.

    Args:
        rows: of the events.
        stretch: the commits.
        streams: whether an event does not fit whose stream has none of the version before it
            further up; that is slow where the log has lost the index over streams and versions.
    """
    total = sum(stretch.counts)
    after = stretch.first_position - 1
    leaves: list[bytes] = []
    expected = stretch.first_position
    for some in rows.between(None if stretch.begins else after, after + total):
        columns: list[Any] = list(zip(*some, strict=True))
        positions, _, versions, topics, states = columns
        if positions != tuple(range(expected, expected + len(some))):
            return []
        expected += len(some)
        try:
            leaves += event_leaves(NewEvents(*columns[1:]))
        except (TypeError, AttributeError, struct.error, UnicodeError):
            return []
        if not can_decode(topics, states):
            return []
        has_later_versions = streams and versions.count(1) < len(versions)
        if has_later_versions and not rows.are_preceded(positions[0], positions[-1]):
            return []
    if len(leaves) != total:
        return []
    ends = accumulate(stretch.counts, initial=0)
    return [merkle_root(leaves[start:end]) for start, end in pairwise(ends)]
