"""From outcomes to events: each key once, versions in order, and counts that add up."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno import Record, iterable, job
from storno.domain.events import Counts, RecordFailed, RecordSucceeded
from storno.domain.ids import ChunkId, RunId, record_stream
from storno.domain.record import NEW, RecordState, content_of, evolve
from storno.execution.decide import AsNew, Decided, against, may_be_posted
from storno.execution.draw import Drawn, draw
from storno.execution.sources.base import Batch, Malformed
from storno.execution.work import Outcome


class Payment(Record):
    number: str
    amount: Decimal


@job(key="number", source=iterable([]))
def pay(payment: Payment) -> Any: ...


def drawn_from(rows: list[Any], run: str = "once", first_ordinal: int = 0) -> Drawn:
    batch = Batch(
        rows,
        any(isinstance(row, Malformed) for row in rows),
        {},
        None,
        True,
        lambda index: f"record {index + 1}",
    )
    chunk = ChunkId(RunId("pay", run), "0", 0)
    return draw(pay, chunk, batch, attempt=1, partition="0", first_ordinal=first_ordinal)


def outcome_of(drawn: Drawn, bad: set[str]) -> Any:
    """Succeeds, but for the keys that are bad."""

    def outcome(index: int, posting: int) -> Outcome:
        if drawn.records[index] is None:
            return drawn.failures[index]
        if drawn.keys[index] in bad:
            return drawn.failed(index, "ValueError", "bad")
        return succeeded(drawn, index)

    return outcome


def succeeded(drawn: Drawn, index: int) -> RecordSucceeded:
    record = drawn.records[index]
    assert record is not None
    encoded, digest = content_of(record)
    return RecordSucceeded(
        run=drawn.chunk.run.name,
        partition=drawn.partition,
        chunk=drawn.chunk.label,
        ordinal=drawn.ordinal(index),
        attempt=1,
        record=encoded,  # type: ignore[arg-type]
        digest=digest,
    )


def after(states: dict[str, RecordState], decided: Decided) -> dict[str, RecordState]:
    """The states once it is appended; versions must follow each other."""
    states = dict(states)
    for stream, version, event in decided.events:
        state = states.get(stream, NEW)
        assert version == state.version + 1
        states[stream] = evolve(state, event)
    return states


ROWS = st.lists(
    st.fixed_dictionaries(
        {"number": st.sampled_from(["A", "B", "C", ""]), "amount": st.sampled_from(["1", "2", "x"])}
    ),
    max_size=8,
)
BAD = st.sets(st.sampled_from(["A", "B", "C"]))


@given(ROWS, ROWS, BAD)
def test_two_chunks_post_each_key_once_and_reconcile(
    first: list[dict[str, str]], second: list[dict[str, str]], bad: set[str]
) -> None:
    states: dict[str, RecordState] = {}
    posted: Counter[str] = Counter()
    for rows, run, is_bad in ((first, "1", bad), (second, "2", set[str]())):
        drawn = drawn_from(rows, run)
        decided = against(drawn, states, outcome_of(drawn, is_bad))
        states = after(states, decided)
        posted.update(
            each.stream for each in decided.events if isinstance(each.event, RecordSucceeded)
        )
        counts = decided.counts
        assert counts.read == len(rows) == counts.succeeded + counts.skipped + counts.failed
        assert counts.skipped == len(decided.skipped_keys)
    assert set(posted.values()) <= {1}


@given(ROWS, BAD)
def test_deciding_a_committed_chunk_again_posts_nothing(
    rows: list[dict[str, str]], bad: set[str]
) -> None:
    drawn = drawn_from(rows)
    decided = against(drawn, {}, outcome_of(drawn, bad))
    states = after({}, decided)

    again = against(drawn, states, outcome_of(drawn, bad))

    assert not any(isinstance(each.event, RecordSucceeded) for each in again.events)
    assert again.counts.succeeded == decided.counts.succeeded


@given(ROWS.filter(lambda rows: len({row["number"] for row in rows}) == len(rows)), BAD)
def test_new_keys_come_to_the_same_both_ways(rows: list[dict[str, str]], bad: set[str]) -> None:
    drawn = drawn_from(rows)
    outcome = outcome_of(drawn, bad)
    outcomes = [outcome(index, 1) for index in range(len(rows))]

    settled = AsNew()
    for start in range(0, len(rows), 3):
        settled.add(drawn.streams[start : start + 3], outcomes[start : start + 3])
    fast = settled.decided()
    slow = against(drawn, {}, outcome)

    assert fast is not None
    assert fast.counts == slow.counts
    assert fast.totals == slow.totals
    assert set(fast.first.streams) == {
        each.stream for each in slow.events if isinstance(each.event, RecordSucceeded)
    }


def test_the_function_is_asked_for_free_keys_only() -> None:
    drawn = drawn_from([{"number": key, "amount": "1"} for key in "ABA"] + ["no record"])
    asked: list[tuple[int, int]] = []

    def outcome(index: int, posting: int) -> Outcome:
        asked.append((index, posting))
        return outcome_of(drawn, set())(index, posting)

    posted = drawn_from([{"number": "B", "amount": "1"}], "earlier")
    states = after({}, against(posted, {}, outcome_of(posted, set())))
    assert may_be_posted(drawn, states) == [0]

    decided = against(drawn, states, outcome)

    assert asked == [(0, 1), (3, 1)]
    assert decided.counts == Counts(read=4, succeeded=1, skipped=2, failed=1)


@pytest.mark.parametrize("closes_after", [1, 2, 5])
def test_a_chunk_that_is_full_leaves_the_rest(closes_after: int) -> None:
    drawn = drawn_from([{"number": key, "amount": "1"} for key in "ABCDE"])
    left = iter(range(1, 9))

    decided = against(drawn, {}, outcome_of(drawn, set()), lambda: next(left) >= closes_after)

    assert decided.counts.read == closes_after


# Drawing.


def test_bad_records_are_found_among_the_good() -> None:
    drawn = drawn_from(
        [
            {"number": "A", "amount": "1"},
            {"number": "B", "amount": "x"},
            Malformed("broken line", {"text": "???"}),
            {"number": "D"},
            {"amount": "5"},
            {"number": "", "amount": "6"},
            {"number": "G", "amount": "7"},
        ]
    )

    assert [record is not None for record in drawn.records] == [
        True, False, False, False, False, False, True
    ]  # fmt: skip
    errors = {index: failure.error for index, failure in drawn.failures.items()}
    assert errors == dict.fromkeys((1, 2, 3, 4), "invalid-record") | {5: "invalid-key"}
    assert drawn.failures[1].message == ("amount: Input should be a valid decimal (got 'x')")
    assert drawn.failures[2].message == "broken line"
    assert drawn.failures[3].message == "amount: Field required"
    assert drawn.streams[1] == record_stream("pay", "B")
    assert drawn.streams[4] == "record/pay/~once/0/4"
    assert drawn.streams[6] == record_stream("pay", "G")


def test_a_payload_is_kept_short_and_readable() -> None:
    drawn = drawn_from([{"number": "x" * 50_000, "amount": "\ud800", "odd": object(), 7: [1.5]}])

    payload = bytes(drawn.failures[0].payload).decode()
    assert "and 30000 more characters" in payload
    assert r"\\ud800" in payload
    assert "object object at" in payload
    assert len(payload) < 21_000


def test_every_fault_of_a_record_is_named() -> None:
    drawn = drawn_from([{"number": 7, "amount": []}])

    message = drawn.failures[0].message
    assert "number: Input should be a valid string (got 7)" in message
    assert "amount: " in message
    assert isinstance(drawn.failures[0], RecordFailed)
