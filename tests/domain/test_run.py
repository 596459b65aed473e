"""The run: its fold, and what each decision says in each state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain import run as runs
from storno.domain.errors import ConflictError, NotAllowedError, UsageError
from storno.domain.events import (
    Actor,
    Counts,
    Event,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    RunStopRequested,
    Worker,
)
from storno.domain.run import RunState, Start, Status

ANNA = Actor(name="anna", os_user="anna", host="host")
WORKER = Worker(host="host", boot_id="boot", pid=7, process_started="1")
OTHER = Worker(host="host", boot_id="boot", pid=8, process_started="2")
INTENT = Start(
    identity="identity",
    parameters={"month": "2026-01"},
    source={"strength": "strong"},
    code="code",
    worker=WORKER,
    actor=ANNA,
    book="main",
)
STARTED = RunStarted(
    attempt=1,
    identity="identity",
    parameters={"month": "2026-01"},
    source={"strength": "strong"},
    code="code",
    worker=WORKER,
    actor=ANNA,
    book="main",
)
REQUEST = RunStopRequested(actor=ANNA, reason="lunch")
STOPPED = RunStopped(attempt=1, why="limit")
FAILED = RunFailed(attempt=1, error="fatal", message="no")
COMPLETED = RunCompleted(attempt=1, counts=Counts())
ABANDONED = RunAbandoned(actor=ANNA, reason="wrong month")

STATES: dict[str, tuple[Event, ...]] = {
    "new": (),
    "running": (STARTED,),
    "asked to stop": (STARTED, REQUEST),
    "stopped": (STARTED, STOPPED),
    "failed": (STARTED, FAILED),
    "completed": (STARTED, COMPLETED),
    "abandoned": (STARTED, FAILED, ABANDONED),
}


def state_of(name: str) -> RunState:
    return runs.fold(list(STATES[name]))


def outcome(decide: Any) -> Any:
    """The classes of the events decided on, or that of the error."""
    try:
        return tuple(type(event) for event in decide())
    except (NotAllowedError, ConflictError, UsageError) as error:
        return type(error)


AGAIN = replace(INTENT, again=True, reason="mended", next_chunk=4)
TABLE: dict[str, tuple[Any, Any, Any, Any]] = {
    # state: start, start again, request a stop, abandon
    "new": ((RunStarted,), (RunStarted,), NotAllowedError, (RunAbandoned,)),
    "running": ((RunResumed,), (RunResumed,), (RunStopRequested,), (RunAbandoned,)),
    "asked to stop": ((RunResumed,), (RunResumed,), (), (RunAbandoned,)),
    "stopped": ((RunResumed,), (RunResumed,), NotAllowedError, (RunAbandoned,)),
    "failed": ((RunResumed,), (RunResumed,), NotAllowedError, (RunAbandoned,)),
    "completed": ((), (RunResumed,), NotAllowedError, NotAllowedError),
    "abandoned": (NotAllowedError, NotAllowedError, NotAllowedError, ()),
}


@pytest.mark.parametrize("name", TABLE)
def test_every_decision_in_every_state(name: str) -> None:
    state = state_of(name)

    assert (
        outcome(lambda: runs.start(state, INTENT)),
        outcome(lambda: runs.start(state, AGAIN)),
        outcome(lambda: runs.request_stop(state, ANNA, "lunch")),
        outcome(lambda: runs.abandon(state, ANNA, "wrong month")),
    ) == TABLE[name]


@pytest.mark.parametrize(
    ("name", "status", "attempt", "orderly"),
    [
        ("new", Status.NEW, 0, set()),
        ("running", Status.RUNNING, 1, set()),
        ("stopped", Status.STOPPED, 1, {1}),
        ("failed", Status.FAILED, 1, {1}),
        ("completed", Status.COMPLETED, 1, {1}),
        ("abandoned", Status.ABANDONED, 1, {1}),
    ],
)
def test_the_fold(name: str, status: Status, attempt: int, orderly: set[int]) -> None:
    state = state_of(name)

    assert (state.status, state.attempt, set(state.orderly)) == (status, attempt, orderly)
    assert state.version == len(STATES[name])


@pytest.mark.parametrize(
    ("name", "intent", "why", "again_from"),
    [
        ("running", INTENT, "takeover", None),
        ("stopped", INTENT, "resume", None),
        ("failed", INTENT, "resume", None),
        ("completed", AGAIN, "again", 4),
        ("stopped", AGAIN, "resume", None),
    ],
)
def test_a_resume_says_what_kind_it_is(
    name: str, intent: Start, why: str, again_from: int | None
) -> None:
    (event,) = runs.start(state_of(name), intent)

    assert isinstance(event, RunResumed)
    assert (event.attempt, event.why, event.again_from) == (2, why, again_from)


def test_an_attempt_that_was_taken_over_is_not_orderly() -> None:
    (resumed,) = runs.start(state_of("running"), replace(INTENT, worker=OTHER))
    state = runs.evolve(state_of("running"), resumed)

    assert (state.attempt, state.holder, state.orderly) == (2, OTHER, frozenset())


def test_a_stop_that_was_asked_for_is_over_with_the_attempt() -> None:
    asked = state_of("asked to stop")
    (resumed,) = runs.start(asked, INTENT)

    assert asked.stop_requested == REQUEST
    assert runs.evolve(asked, resumed).stop_requested is None
    assert runs.evolve(asked, STOPPED).stop_requested is None


def test_a_pass_stays_where_it_began_until_the_next() -> None:
    (again,) = runs.start(state_of("completed"), AGAIN)
    state = runs.evolve(state_of("completed"), again)
    state = runs.evolve(state, RunStopped(attempt=2, why="limit"))
    (resumed,) = runs.start(state, replace(INTENT, next_chunk=9))

    assert runs.evolve(state, resumed).pass_from == 4


@pytest.mark.parametrize("name", ["running", "stopped", "failed", "completed"])
def test_another_identity_is_refused(name: str) -> None:
    with pytest.raises(ConflictError, match="key definition or record model changed"):
        runs.start(state_of(name), replace(AGAIN, identity="other"))


@pytest.mark.parametrize("name", ["running", "stopped", "failed"])
def test_the_start_limit_counts_attempts(name: str) -> None:
    with pytest.raises(NotAllowedError, match="started 1 times and its job allows 1"):
        runs.start(state_of(name), replace(INTENT, start_limit=1))
    assert runs.start(state_of(name), replace(INTENT, start_limit=2))


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("reason", ["", " "])
def test_reasons_are_not_optional(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match="reason"):
        runs.abandon(state_of(name), ANNA, reason)
    with pytest.raises(UsageError, match="reason"):
        runs.start(state_of(name), replace(AGAIN, reason=reason))


DECISIONS = {
    "start": lambda state: runs.start(state, INTENT),
    "again": lambda state: runs.start(state, AGAIN),
    "request": lambda state: runs.request_stop(state, ANNA, "lunch"),
    "abandon": lambda state: runs.abandon(state, ANNA, "wrong month"),
    "stop": lambda state: runs.stop(state, "limit"),
    "fail": lambda state: runs.fail(state, "fatal", "no"),
    "complete": lambda state: runs.complete(state, Counts(), {}),
}
IDEMPOTENT = {"request", "abandon"}
ONLY_WHILE_RUNNING = {"stop", "fail", "complete"}


@given(st.lists(st.sampled_from(sorted(DECISIONS)), max_size=12))
def test_deciding_twice_changes_nothing(names: list[str]) -> None:
    state = RunState()
    for name in names:
        if name in ONLY_WHILE_RUNNING and state.status is not Status.RUNNING:
            continue
        try:
            moves = DECISIONS[name](state)
        except (NotAllowedError, ConflictError, UsageError):
            continue
        before = state
        for move in moves:
            state = runs.evolve(state, move)
        assert state.version == before.version + len(moves)
        assert state.attempt >= before.attempt
        if name in IDEMPOTENT:
            assert DECISIONS[name](state) == ()
        if name == "start" and state.status is Status.COMPLETED:
            assert moves == ()
