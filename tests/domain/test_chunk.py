"""The chunk: claims, outcomes, and how many claims came to nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.chunk import ChunkState, ChunkStatus, crashed_claims, evolve
from storno.domain.events import (
    ChunkCompleted,
    ChunkFailed,
    ChunkStarted,
    Counts,
    Event,
    RunStopped,
)


def claim(attempt: int) -> ChunkStarted:
    return ChunkStarted(
        attempt=attempt, worker="w", lease_seconds=60, first_offset={"byte": 9}, first_ordinal=3
    )


COMPLETED = ChunkCompleted(
    attempt=1,
    first_offset={"byte": 9},
    next_offset={"byte": 20},
    first_ordinal=3,
    counts=Counts(read=2, succeeded=2),
    position=20,
)
FAILED = ChunkFailed(
    attempt=1,
    first_offset={"byte": 9},
    next_offset={"byte": 20},
    first_ordinal=3,
    read=2,
    error="TimeoutError",
    message="late",
    tries=4,
)


def folded(*events: Event) -> ChunkState:
    state = ChunkState()
    for event in events:
        state = evolve(state, event)
    return state


@pytest.mark.parametrize(
    ("events", "status", "claims"),
    [
        ((), ChunkStatus.NEW, ()),
        ((claim(1),), ChunkStatus.PROCESSING, (1,)),
        ((claim(1), COMPLETED), ChunkStatus.COMPLETED, ()),
        ((claim(1), FAILED), ChunkStatus.FAILED, ()),
        ((claim(1), claim(2)), ChunkStatus.PROCESSING, (1, 2)),
        ((claim(1), FAILED, claim(2)), ChunkStatus.PROCESSING, (2,)),
        ((claim(1), FAILED, claim(2), COMPLETED), ChunkStatus.COMPLETED, ()),
    ],
)
def test_the_fold(events: tuple[Event, ...], status: ChunkStatus, claims: tuple[int, ...]) -> None:
    state = folded(*events)

    assert (state.version, state.status, state.open_claims) == (len(events), status, claims)


def test_where_a_chunk_begins_and_how_far_it_read() -> None:
    state = folded(claim(1), COMPLETED)

    assert (state.first_offset, state.first_ordinal, state.position) == ({"byte": 9}, 3, 20)
    assert folded(claim(1), FAILED).position == folded().position == 0


def test_a_failed_chunk_that_is_claimed_again_keeps_its_outcome() -> None:
    assert folded(claim(1), FAILED, claim(2)).outcome == FAILED


@pytest.mark.parametrize(
    ("attempts", "orderly", "crashes"),
    [((), (), 0), ((1, 2, 3), (), 3), ((1, 2, 3), (2,), 2), ((1,), (1,), 0), ((1,), (2,), 1)],
)
def test_claims_of_attempts_that_ended_in_order_are_no_crashes(
    attempts: tuple[int, ...], orderly: tuple[int, ...], crashes: int
) -> None:
    state = folded(*map(claim, attempts))

    assert crashed_claims(state, frozenset(orderly)) == crashes


@given(st.lists(st.sampled_from([claim(1), claim(2), COMPLETED, FAILED]), max_size=8))
def test_an_outcome_settles_all_claims(events: list[Event]) -> None:
    state = folded(*events)
    last = max((n for n, e in enumerate(events) if not isinstance(e, ChunkStarted)), default=-1)

    assert len(state.open_claims) == len(events) - 1 - last
    assert state.version == len(events)


def test_other_events_only_count() -> None:
    state = folded(claim(1))

    assert evolve(state, RunStopped(attempt=1, why="")).status is ChunkStatus.PROCESSING
