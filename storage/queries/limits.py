"""Reversals as they were asked for, for what auditors ask about limits of approval."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ...domain.reversal import ReversalRejected, ReversalRequested
from ..schema import log_tables
from ..store import Store
from .scan import Span, collect, topics_of, within


class Requested(Struct, frozen=True):
    """A reversal that was asked for.

    Attributes:
        reversal: its id.
        position: of the request in the log.
        commit_number: of the request's commit.
        recorded_at: microseconds since 1970-01-01 UTC.
        stands: whether it was not rejected.
    """

    reversal: str
    position: int
    commit_number: int
    recorded_at: int
    request: ReversalRequested
    stands: bool


def requested_reversals(store: Store, span: Span) -> Iterator[Requested]:
    """The reversals that were asked for in a span, in order."""
    topics = log_tables().events.c.topic.in_(
        sorted(topics_of((ReversalRequested, ReversalRejected)))
    )
    found = collect(store, Span.of_everything(), [(within("reversal/"), topics)])
    rejected = {each.stream for each in found if isinstance(each.event, ReversalRejected)}
    for each in found:
        if isinstance(each.event, ReversalRequested) and span.after < each.position <= span.last:
            yield Requested(
                each.stream.removeprefix("reversal/"),
                each.position,
                each.commit_number,
                each.recorded_at,
                each.event,
                each.stream not in rejected,
            )
