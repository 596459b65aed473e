"""The run: its fold, and what each decision says in each state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

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
    RunReversed,
    RunReversing,
    RunStarted,
    RunStopped,
    RunStopRequested,
    Worker,
)
from storno.domain.run import RunState, Start, Status

from .strategies import ANY_EVENT

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
REVERSING = RunReversing(reversal="r-7")
REVERSED = RunReversed(reversal="r-7", reversed=3, standing=0)
PARTLY = RunReversed(reversal="r-7", reversed=2, standing=1)

STATES: dict[str, tuple[Event, ...]] = {
    "new": (),
    "running": (STARTED,),
    "asked to stop": (STARTED, REQUEST),
    "stopped": (STARTED, STOPPED),
    "failed": (STARTED, FAILED),
    "completed": (STARTED, COMPLETED),
    "abandoned": (STARTED, FAILED, ABANDONED),
    "reversing": (STARTED, COMPLETED, REVERSING),
    "reversed": (STARTED, COMPLETED, REVERSING, REVERSED),
    "partly reversed": (STARTED, COMPLETED, REVERSING, PARTLY),
    "stopped, then reversed": (STARTED, STOPPED, REVERSING, REVERSED),
    "abandoned, reversing": (STARTED, FAILED, ABANDONED, REVERSING),
    "abandoned, then reversed": (STARTED, FAILED, ABANDONED, REVERSING, REVERSED),
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
    "reversing": (ConflictError, ConflictError, NotAllowedError, ConflictError),
    "reversed": ((), (RunResumed,), NotAllowedError, NotAllowedError),
    "partly reversed": ((), (RunResumed,), NotAllowedError, NotAllowedError),
    "stopped, then reversed": ((), (RunResumed,), NotAllowedError, NotAllowedError),
    "abandoned, reversing": (NotAllowedError, NotAllowedError, NotAllowedError, ()),
    "abandoned, then reversed": (NotAllowedError, NotAllowedError, NotAllowedError, ()),
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
        ("reversing", Status.REVERSING, 1, {1}),
        ("reversed", Status.REVERSED, 1, {1}),
        ("partly reversed", Status.PARTLY_REVERSED, 1, {1}),
        ("abandoned, then reversed", Status.REVERSED, 1, {1}),
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
        ("reversed", AGAIN, "again", 4),
        ("partly reversed", AGAIN, "again", 4),
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


BEGINNINGS: dict[str, tuple[Any, Any]] = {
    # state: the reversal that is or was there, another one
    "new": (NotAllowedError, NotAllowedError),
    "running": (ConflictError, ConflictError),
    "asked to stop": (ConflictError, ConflictError),
    "stopped": ((RunReversing,), (RunReversing,)),
    "failed": ((RunReversing,), (RunReversing,)),
    "completed": ((RunReversing,), (RunReversing,)),
    "abandoned": ((RunReversing,), (RunReversing,)),
    "reversing": ((), ConflictError),
    "abandoned, reversing": ((), ConflictError),
    "reversed": ((RunReversing,), (RunReversing,)),
    "partly reversed": ((RunReversing,), (RunReversing,)),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_one_reversal_at_a_time_and_none_beside_the_run(name: str) -> None:
    state = state_of(name)

    assert (
        outcome(lambda: runs.begin_reversal(state, "r-7")),
        outcome(lambda: runs.begin_reversal(state, "r-8")),
    ) == BEGINNINGS[name]


def test_a_refused_act_names_the_reversal_in_the_way() -> None:
    for act in (
        lambda: runs.start(state_of("reversing"), INTENT),
        lambda: runs.abandon(state_of("reversing"), ANNA, "wrong month"),
        lambda: runs.begin_reversal(state_of("reversing"), "r-8"),
    ):
        with pytest.raises(ConflictError, match="r-7"):
            act()


@pytest.mark.parametrize("name", STATES)
def test_only_the_reversal_that_began_ends(name: str) -> None:
    ended = runs.end_reversal(state_of(name), "r-7", 3, 0)

    assert bool(ended) == name.endswith("reversing")
    assert runs.end_reversal(state_of(name), "r-8", 3, 0) == ()


@pytest.mark.parametrize(("standing", "status"), [(0, "reversed"), (1, "partly-reversed")])
def test_what_is_still_in_force_decides_how_it_stands(standing: int, status: str) -> None:
    (event,) = runs.end_reversal(state_of("reversing"), "r-7", 2, standing)
    state = runs.evolve(state_of("reversing"), event)

    assert state.status == status
    assert runs.end_reversal(state, "r-7", 2, standing) == ()
    assert state.reversal == "r-7"


def test_a_run_that_is_run_again_after_a_reversal_completes_again() -> None:
    state = state_of("partly reversed")
    (again,) = runs.start(state, AGAIN)
    state = runs.evolve(runs.evolve(state, again), RunCompleted(attempt=2, counts=Counts()))

    assert (state.status, state.attempt, state.pass_from) == (Status.COMPLETED, 2, 4)
    assert runs.begin_reversal(state, "r-8") == (RunReversing(reversal="r-8"),)


def test_a_reversal_does_not_bring_an_abandoned_run_back() -> None:
    state = state_of("abandoned, then reversed")

    with pytest.raises(NotAllowedError, match="abandoned"):
        runs.start(state, AGAIN)
    assert runs.abandon(state, ANNA, "wrong month") == ()


@given(st.lists(ANY_EVENT, max_size=6))
def test_the_fold_takes_any_event_and_counts_it(events: list[Event]) -> None:
    assert runs.fold(events).version == len(events)


DECISIONS = {
    "start": lambda state: runs.start(state, INTENT),
    "again": lambda state: runs.start(state, AGAIN),
    "request": lambda state: runs.request_stop(state, ANNA, "lunch"),
    "abandon": lambda state: runs.abandon(state, ANNA, "wrong month"),
    "stop": lambda state: runs.stop(state, "limit"),
    "fail": lambda state: runs.fail(state, "fatal", "no"),
    "complete": lambda state: runs.complete(state, Counts(), {}),
    "reverse": lambda state: runs.begin_reversal(state, "r-7"),
    "reverse otherwise": lambda state: runs.begin_reversal(state, "r-8"),
    "reversed": lambda state: runs.end_reversal(state, "r-7", 1, 0),
    "partly reversed": lambda state: runs.end_reversal(state, "r-8", 1, 1),
}
IDEMPOTENT = {"request", "abandon", "reverse", "reverse otherwise", "reversed", "partly reversed"}
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
        if name == "start" and before.status in runs.OVER:
            assert moves == ()
        if before.abandoned:
            assert state.abandoned
            assert state.attempt == before.attempt
