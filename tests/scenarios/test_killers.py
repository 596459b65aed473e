"""Records that end or hang their process, and crashes around calls to the outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from storno.domain.events import ChunkStarted, RecordAttempted, RecordFailed, RecordSucceeded

from .lab import Lab
from .mishaps import Case, make_table, rows_in_table


@pytest.fixture
def case(lab: Lab, tmp_path: Path) -> Case:
    make_table(lab)
    return Case(lab.url, str(tmp_path))


@pytest.mark.parametrize("mode", ["posts", "effect", "writes"])
def test_records_that_kill_their_process_are_set_aside(lab: Lab, case: Case, mode: str) -> None:
    """details.md, Runs: a chunk claimed three times without an outcome is worked through record
    by record in a child process; the killer becomes a dead letter `process-died`."""
    case.mode, case.count = mode, 10
    case.mishaps = {5: "exit", 8: "kill"}

    result, starts = case.start_until_it_ends()

    assert result == {
        "state": "completed", "attempt": starts, "read": 10, "succeeded": 8, "failed": 2
    }  # fmt: skip
    good = [number for number in range(10) if number not in case.mishaps]
    assert lab.posted() == good
    assert lab.failures() == dict.fromkeys(case.mishaps, "process-died")
    messages = {event.ordinal: event.message for event in lab.events(RecordFailed)}
    assert "exit code 3" in messages[5]
    assert "signal SIGKILL" in messages[8]
    assert rows_in_table(lab) == [f"P-{n:03}" for n in (good if mode == "writes" else ())]


def test_three_claims_without_an_outcome_come_before_isolation(lab: Lab, case: Case) -> None:
    """details.md, Runs: claimed three times."""
    case.count, case.mishaps = 5, {0: "exit"}

    _, starts = case.start_until_it_ends()

    assert starts == 4
    claims = lab.events(ChunkStarted, "chunk/payments/once/0/00000000")
    assert [claim.attempt for claim in claims] == [1, 2, 3, 4]
    assert [attempt for ordinal, attempt, _ in case.calls() if ordinal == 0] == [1, 2, 3, 4]


@pytest.mark.parametrize("mode", ["posts", "effect"])
def test_a_hang_in_c_ends_the_process_and_becomes_a_dead_letter(
    lab: Lab, case: Case, mode: str
) -> None:
    """Scenario 41: sleeps for ever, where no signal gets through."""
    case.mode, case.record_seconds = mode, 0.5
    case.count, case.mishaps = 5, {3: "hang"}

    result, starts = case.start_until_it_ends()

    assert (result["state"], result["succeeded"], starts) == ("completed", 4, 4)
    assert lab.failures() == {3: "process-died"}


def test_a_crash_between_calling_out_and_committing_leaves_it_in_doubt(
    lab: Lab, case: Case
) -> None:
    """details.md, Records: RecordAttempted is committed before a chunk of an effect job calls out;
    a resume calls with the same idempotency key."""
    case.mode, case.mishaps, case.times = "effect", {7: "kill"}, 1

    assert case.start() is None
    assert lab.posted() == [0, 1, 2, 3, 4]
    attempted = {event.ordinal: event for event in lab.events(RecordAttempted)}
    assert sorted(attempted) == list(range(10)), "written down before the first call"
    (result, starts) = case.start_until_it_ends()

    assert (result["state"], result["succeeded"], starts) == ("completed", 20, 1)
    keys: dict[int, set[str]] = {}
    for ordinal, _, key in case.calls():
        keys.setdefault(ordinal, set()).add(key)
    assert all(len(same) == 1 for same in keys.values())
    assert len(set.union(*keys.values())) == 20
    assert {event.idempotency_key for event in attempted.values()} <= set.union(*keys.values())
    calls = [ordinal for ordinal, _, _ in case.calls()]
    assert calls == [*range(8), *range(5, 20)]
    attempts = [event.ordinal for event in lab.events(RecordAttempted)]
    assert attempts == list(range(20)), "an attempt in doubt is not written down twice"
    outputs = {event.ordinal: bytes(event.output or b"") for event in lab.events(RecordSucceeded)}
    assert outputs[7] == b'{"receipt":"P-007"}'


def test_the_same_idempotency_key_in_a_child_process(lab: Lab, case: Case) -> None:
    """design.md, the job: a deterministic idempotency key, also when a chunk is isolated."""
    case.mode, case.count, case.mishaps = "effect", 5, {1: "exit"}

    case.start_until_it_ends()

    keys = {(ordinal, key) for ordinal, _, key in case.calls()}
    assert len(keys) == 5
    announced = {(event.ordinal, event.idempotency_key) for event in lab.events(RecordAttempted)}
    assert keys == announced


def test_a_crash_leaves_neither_rows_nor_events(lab: Lab, case: Case) -> None:
    """details.md, Records: rows of the job commit with the chunk."""
    case.mode, case.mishaps, case.times = "writes", {7: "kill"}, 1

    assert case.start() is None

    assert rows_in_table(lab) == [f"P-{number:03}" for number in range(5)]
    assert lab.posted() == [0, 1, 2, 3, 4]
    result, _ = case.start_until_it_ends()
    assert result["succeeded"] == 20
    assert rows_in_table(lab) == [f"P-{number:03}" for number in range(20)]
