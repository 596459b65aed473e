"""The reversal: its fold, who may approve it, and what starts it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain import reversal as reversals
from storno.domain.errors import ApprovalRequiredError, NotAllowedError, UsageError
from storno.domain.events import Actor, Event, Worker
from storno.domain.reversal import (
    PlanChangedError,
    ReversalApproved,
    ReversalCompleted,
    ReversalFailed,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
    ReversalState,
    ReversalStatus,
    ReversalStopped,
)

from .strategies import ANY_EVENT, events_of


def actor(name: str) -> Actor:
    return Actor(name=name, os_user="os", host="host")


NAME = "R-7"
ANNA, BEN, CARA, DORA = map(actor, ("anna", "ben", "cara", "dora"))
WORKER = Worker(host="host", boot_id="boot", pid=7, process_started="1")
DIGEST = "77de"


def requested(approvals: int) -> ReversalRequested:
    return ReversalRequested(
        job="payments",
        run="2026-01",
        scope={},
        form="black",
        date=None,
        code="wrong-period",
        text="February's rows",
        digest=DIGEST,
        as_of=7,
        records=3,
        blocked=0,
        net=(),
        approvals=approvals,
        actor=ANNA,
    )


def approved(by: Actor = BEN, *, final: bool = True) -> ReversalApproved:
    return ReversalApproved(actor=by, digest=DIGEST, final=final)


STARTED = ReversalStarted(attempt=1, worker=WORKER, actor=CARA, why="start")
STOPPED = ReversalStopped(attempt=1, why="SIGTERM", failed=2)
FAILED = ReversalFailed(attempt=1, error="StoreError", message="disk")
COMPLETED = ReversalCompleted(attempt=1, reversed=3)
REJECTED = ReversalRejected(actor=BEN, reason="wrong rows")

STATES: dict[str, tuple[Event, ...]] = {
    "new": (),
    "needs none": (requested(0),),
    "needs one": (requested(1),),
    "needs two": (requested(2),),
    "one of two": (requested(2), approved(final=False)),
    "approved": (requested(1), approved()),
    "rejected": (requested(1), REJECTED),
    "rejected by who approved": (requested(2), approved(final=False), REJECTED),
    "running": (requested(1), approved(), STARTED),
    "stopped": (requested(1), approved(), STARTED, STOPPED),
    "failed": (requested(1), approved(), STARTED, FAILED),
    "completed": (requested(1), approved(), STARTED, COMPLETED),
}


def state_of(name: str) -> ReversalState:
    return reversals.fold(list(STATES[name]))


def outcome(decide: Any) -> Any:
    """The classes of the events decided on, or that of the error."""
    try:
        return tuple(type(event) for event in decide())
    except (NotAllowedError, PlanChangedError, UsageError) as error:
        return type(error)


YES, START, NO = (ReversalApproved,), (ReversalStarted,), (ReversalRejected,)
TABLE: dict[str, tuple[Any, Any, Any, Any]] = {
    # state: approved by the requester, approved by another, start, reject
    "new": (NotAllowedError, NotAllowedError, NotAllowedError, NotAllowedError),
    "needs none": (NotAllowedError, NotAllowedError, START, NO),
    "needs one": (NotAllowedError, YES, ApprovalRequiredError, NO),
    "needs two": (NotAllowedError, YES, ApprovalRequiredError, NO),
    "one of two": (NotAllowedError, (), ApprovalRequiredError, NO),
    "approved": (NotAllowedError, (), START, NO),
    "rejected": (NotAllowedError, NotAllowedError, NotAllowedError, ()),
    "rejected by who approved": (NotAllowedError, NotAllowedError, NotAllowedError, ()),
    "running": (NotAllowedError, (), START, NotAllowedError),
    "stopped": (NotAllowedError, (), START, NotAllowedError),
    "failed": (NotAllowedError, (), START, NotAllowedError),
    "completed": (NotAllowedError, (), (), NotAllowedError),
}


@pytest.mark.parametrize("name", TABLE)
def test_every_decision_in_every_state(name: str) -> None:
    state = state_of(name)

    assert (
        outcome(lambda: reversals.approve(state, ANNA, DIGEST)),
        outcome(lambda: reversals.approve(state, BEN, DIGEST)),
        outcome(lambda: reversals.start(NAME, state, WORKER, CARA)),
        outcome(lambda: reversals.reject(state, CARA, "wrong rows")),
    ) == TABLE[name]


@pytest.mark.parametrize(
    ("name", "status", "attempt", "failed"),
    [
        ("new", ReversalStatus.NEW, 0, 0),
        ("needs none", ReversalStatus.APPROVED, 0, 0),
        ("one of two", ReversalStatus.REQUESTED, 0, 0),
        ("running", ReversalStatus.RUNNING, 1, 0),
        ("stopped", ReversalStatus.STOPPED, 1, 2),
        ("failed", ReversalStatus.FAILED, 1, 0),
        ("completed", ReversalStatus.COMPLETED, 1, 0),
    ],
)
def test_the_fold(name: str, status: ReversalStatus, attempt: int, failed: int) -> None:
    state = state_of(name)

    assert (state.status, state.attempt, state.failed) == (status, attempt, failed)
    assert state.version == len(STATES[name])


def test_the_last_approval_that_is_needed_is_final() -> None:
    state = state_of("needs two")
    finals = []
    for person in (BEN, CARA):
        (event,) = reversals.approve(state, person, DIGEST)
        assert isinstance(event, ReversalApproved)
        finals.append(event.final)
        state = reversals.evolve(state, event)

    assert finals == [False, True]
    assert (state.status, state.missing_approvals) == (ReversalStatus.APPROVED, 0)
    assert state.approvers == ("ben", "cara")


def test_one_person_is_not_two() -> None:
    state = state_of("one of two")

    assert reversals.approve(state, BEN, DIGEST) == ()
    with pytest.raises(ApprovalRequiredError, match="R-7 waits for the approval of 1 person"):
        reversals.start(NAME, state, WORKER, ANNA)
    with pytest.raises(ApprovalRequiredError, match="2 people"):
        reversals.start(NAME, state_of("needs two"), WORKER, ANNA)


@pytest.mark.parametrize("name", ["Anna", "ANNA", "\uff41nna", "anna\u00a0"])
def test_another_spelling_is_not_another_person(name: str) -> None:
    """accounting-rules, 10: who asks does not agree."""
    with pytest.raises(NotAllowedError, match="anna requested the reversal and cannot approve it"):
        reversals.approve(state_of("needs one"), actor(name), DIGEST)


def test_who_agreed_does_not_agree_in_another_spelling() -> None:
    assert reversals.approve(state_of("one of two"), actor("BEN"), DIGEST) == ()
    assert reversals.approve(state_of("one of two"), actor("Benn"), DIGEST)


def test_what_is_approved_is_what_was_requested() -> None:
    with pytest.raises(PlanChangedError, match="plan it anew"):
        reversals.approve(state_of("needs one"), BEN, "other")


@pytest.mark.parametrize(
    ("name", "why", "attempt"),
    [
        ("needs none", "start", 1),
        ("approved", "start", 1),
        ("running", "takeover", 2),
        ("stopped", "resume", 2),
        ("failed", "resume", 2),
    ],
)
def test_an_attempt_says_what_kind_it_is(name: str, why: str, attempt: int) -> None:
    (event,) = reversals.start(NAME, state_of(name), WORKER, CARA)

    assert event == ReversalStarted(attempt=attempt, worker=WORKER, actor=CARA, why=why)
    assert reversals.evolve(state_of(name), event).holder == WORKER


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_rejection_has_a_reason(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match="--reason"):
        reversals.reject(state_of(name), BEN, reason)


def test_a_new_attempt_forgets_what_the_one_before_set_aside() -> None:
    (event,) = reversals.start(NAME, state_of("stopped"), WORKER, CARA)

    assert reversals.evolve(state_of("stopped"), event).failed == 0


@given(st.lists(ANY_EVENT, max_size=6))
def test_the_fold_takes_any_event_and_counts_it(events: list[Event]) -> None:
    assert reversals.fold(events).version == len(events)


@given(events_of(ReversalRequested))
def test_any_request_is_approved_at_once_or_waits(event: Event) -> None:
    state = reversals.fold([event])

    assert isinstance(event, ReversalRequested)
    waits = state.status is ReversalStatus.REQUESTED
    assert waits == bool(event.approvals) == bool(state.missing_approvals)


PEOPLE = {person.name: person for person in (ANNA, BEN, CARA, DORA)}
ACTS = st.one_of(
    st.tuples(st.just("approve"), st.sampled_from(sorted(PEOPLE)), st.sampled_from([DIGEST, "x"])),
    st.tuples(st.just("reject"), st.sampled_from(sorted(PEOPLE)), st.sampled_from(["no", ""])),
    st.tuples(st.just("start"), st.sampled_from(sorted(PEOPLE)), st.none()),
    st.sampled_from([("end", "stopped", None), ("end", "failed", None), ("end", "done", None)]),
)
ENDINGS = {"stopped": STOPPED, "failed": FAILED, "done": COMPLETED}


def decided(state: ReversalState, act: str, name: str, word: str | None) -> tuple[Event, ...]:
    match act:
        case "approve":
            return reversals.approve(state, PEOPLE[name], word or "")
        case "reject":
            return reversals.reject(state, PEOPLE[name], word or "")
        case "start":
            return reversals.start(NAME, state, WORKER, PEOPLE[name])
        case _:
            return (ENDINGS[name],) if state.status is ReversalStatus.RUNNING else ()


@given(st.integers(0, 3), st.lists(ACTS, max_size=20))
def test_whatever_is_tried_others_agreed_before_it_began(
    approvals: int, acts: list[tuple[str, str, str | None]]
) -> None:
    events: list[Event] = [requested(approvals)]
    for act in acts:
        state = reversals.fold(events)
        try:
            moves = decided(state, *act)
        except (NotAllowedError, PlanChangedError, UsageError):
            continue
        over = {ReversalStatus.COMPLETED, ReversalStatus.REJECTED}
        assert not moves or state.status not in over
        events += moves
        if act[0] != "end" and act[0] != "start":
            assert decided(reversals.fold(events), *act) == (), "deciding twice changes nothing"

    people = [event.actor.name for event in events if isinstance(event, ReversalApproved)]
    assert "anna" not in people
    assert len(people) == len(set(people)) <= approvals
    kinds = [type(event) for event in events]
    if ReversalStarted in kinds:
        before = kinds[: kinds.index(ReversalStarted)]
        assert before.count(ReversalApproved) == approvals
        assert ReversalRejected not in kinds
