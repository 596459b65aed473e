"""The plan of an attempt: what is done again, where the input goes on, and what it came to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storno.domain.chunk import ChunkState, evolve
from storno.domain.events import ChunkCompleted, ChunkFailed, ChunkStarted, Counts, Event
from storno.domain.ids import ChunkId, RunId
from storno.execution.plan import Plan, plan

RUN = RunId("job", "once")
SIZE = 10


def claim(number: int, attempt: int = 1) -> ChunkStarted:
    return ChunkStarted(
        attempt=attempt, worker="w", lease_seconds=60, first_offset=at(number),
        first_ordinal=number * SIZE,
    )  # fmt: skip


def at(number: int) -> dict[str, int | str]:
    return {"index": number * SIZE} if number else {}


def completed(number: int, read: int = SIZE, **more: Any) -> ChunkCompleted:
    return ChunkCompleted(
        attempt=1, first_offset=at(number), next_offset=at(number + 1),
        first_ordinal=number * SIZE, counts=Counts(read=read, succeeded=read),
        totals={"EUR": 100}, controls={"records": str(read)}, digest=f"digest {number}", **more,
    )  # fmt: skip


def failed(number: int, read: int = SIZE) -> ChunkFailed:
    return ChunkFailed(
        attempt=1, first_offset=at(number), next_offset=at(number + 1),
        first_ordinal=number * SIZE, read=read, error="TimeoutError", message="late", tries=4,
        digest=f"digest {number}",
    )  # fmt: skip


def planned(*chunks: list[Event], pass_from: int = 0, orderly: set[int] | None = None) -> Plan:
    states: dict[int, ChunkState] = {}
    for number, events in enumerate(chunks):
        state = ChunkState()
        for event in events:
            state = evolve(state, event)
        states[number] = state
    return plan(RUN, "0", states, pass_from=pass_from, orderly=frozenset(orderly or ()))


def test_a_new_run_begins_at_the_start() -> None:
    todo = planned()

    assert (todo.redo, todo.counts, todo.ranges) == ((), Counts(), ())
    assert todo.tail.chunk == ChunkId(RUN, "0", 0)
    assert (todo.tail.version, todo.tail.first_offset, todo.tail.first_ordinal) == (0, {}, 0)


def test_it_goes_on_behind_the_last_settled_chunk() -> None:
    todo = planned([claim(0), completed(0)], [claim(1), completed(1)], [claim(2)])

    assert (todo.tail.chunk.number, todo.tail.version, todo.tail.crashes) == (2, 1, 1)
    assert (todo.tail.first_offset, todo.tail.first_ordinal) == ({"index": 20}, 20)
    assert todo.tail.count is None
    assert todo.counts == Counts(read=20, succeeded=20)
    assert todo.totals == {"EUR": 200}
    assert [dict(each) for each in todo.controls] == [{"records": "10"}] * 2
    assert [(first, digest) for first, _, digest in todo.ranges] == [
        ({}, "digest 0"), ({"index": 10}, "digest 1")
    ]  # fmt: skip


def test_failed_chunks_come_first_with_the_records_they_had() -> None:
    todo = planned([claim(0), failed(0, read=7)], [claim(1), completed(1)], [claim(2), failed(2)])

    assert [(item.chunk.number, item.version, item.count) for item in todo.redo] == [
        (0, 2, 7), (2, 2, 10)
    ]  # fmt: skip
    assert todo.tail.chunk.number == 3
    assert todo.counts == Counts(read=10, succeeded=10)
    assert len(todo.ranges) == 3, "what a failed chunk read is held against the input too"


def test_a_failed_chunk_that_was_done_again_is_done() -> None:
    todo = planned([claim(0), failed(0), claim(0, 2), completed(0)])

    assert not todo.redo
    assert todo.counts.read == 10


def test_a_claim_given_back_is_no_crash() -> None:
    crashed = planned([claim(0, 1), claim(0, 2), claim(0, 3)])
    orderly = planned([claim(0, 1), claim(0, 2), claim(0, 3)], orderly={1, 3})

    assert (crashed.tail.crashes, orderly.tail.crashes) == (3, 1)
    assert crashed.tail.version == orderly.tail.version == 3


def test_a_new_pass_begins_at_the_start_again() -> None:
    done = [[claim(0), completed(0)], [claim(1), completed(1)]]

    new = planned(*done, pass_from=2)
    assert (new.tail.chunk.number, new.tail.first_offset, new.tail.first_ordinal) == (2, {}, 0)
    assert (new.counts, new.ranges) == (Counts(), ())

    second = planned(*done, [claim(0), completed(0)], pass_from=2)
    assert (second.tail.chunk.number, second.tail.first_ordinal) == (3, 10)
    assert second.counts == Counts(read=10, succeeded=10)


OUTCOMES = st.lists(st.booleans(), max_size=12)


@given(OUTCOMES)
def test_every_record_is_either_counted_or_done_again(outcomes: list[bool]) -> None:
    chunks: list[list[Event]] = [
        [claim(number), completed(number) if went_well else failed(number)]
        for number, went_well in enumerate(outcomes)
    ]

    todo = planned(*chunks)

    again = sum(item.count or 0 for item in todo.redo)
    assert todo.counts.read + again == todo.tail.first_ordinal == SIZE * len(outcomes)
    assert [item.chunk.number for item in todo.redo] == [
        number for number, went_well in enumerate(outcomes) if not went_well
    ]
