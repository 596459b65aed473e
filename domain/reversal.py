"""The reversal: the taking back of what a run posted, requested, approved, executed.

``accounting-rules`` is what it keeps to: a reason, one form and one date rule for all of it, an
approver who is not the requester, and the plan that is approved is the plan that is executed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .access import same_person
from .errors import ApprovalRequiredError, ConflictError, NotAllowedError, UsageError
from .events import Actor, Event, Worker


class NetLine(msgspec.Struct, frozen=True, array_like=True):
    """What a reversal moves on an account, in minor units."""

    book: str
    account: str
    currency: str
    exponent: int
    debit: int
    credit: int


class MovedEntries(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Entries of a month whose reversal is not posted on their own dates; ``to`` is ISO."""

    book: str
    period: str
    to: str
    entries: int


class ReversalRequested(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asks to take postings of a run back.

    ``scope`` says which (domain/reversal.py reads it), ``form`` is black or red, ``date`` the
    posting date where one was named (ISO), ``code`` and ``text`` the reason, ``digest`` the plan's,
    ``approvals`` how many others must agree. ``records`` and ``net`` are what it would do;
    ``as_of`` is the position of the log's last event then: what was posted later is not meant.
    ``undoes``: whether the job had a handler then; without one records with an effect are not meant
    either. ``moves``: where closed periods, or the date, move it; ``other_years``: how many entries
    that takes into another fiscal year (accounting-rules, 11).
    """

    TOPIC: ClassVar[str] = "storno.ReversalRequested.v1"
    job: str
    run: str
    scope: dict[str, Any]
    form: str
    date: str | None
    code: str
    text: str
    digest: str
    as_of: int
    records: int
    blocked: int
    net: tuple[NetLine, ...]
    approvals: int
    actor: Actor
    undoes: bool = False
    moves: tuple[MovedEntries, ...] = ()
    other_years: int = 0


class ReversalApproved(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody else agrees to the plan with this digest. ``final``: no other approval is needed."""

    TOPIC: ClassVar[str] = "storno.ReversalApproved.v1"
    actor: Actor
    digest: str
    final: bool


class ReversalRejected(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody refuses it; that is its end."""

    TOPIC: ClassVar[str] = "storno.ReversalRejected.v1"
    actor: Actor
    reason: str


class ReversalStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt at executing it begins. ``why``: start, resume or takeover."""

    TOPIC: ClassVar[str] = "storno.ReversalStarted.v1"
    attempt: int
    worker: Worker
    actor: Actor
    why: str


class ReversalStopped(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The attempt ended before all was taken back; executing it again goes on.

    ``failed`` is how many records were set aside and wait for a person.
    """

    TOPIC: ClassVar[str] = "storno.ReversalStopped.v1"
    attempt: int
    why: str
    failed: int = 0


class ReversalFailed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The attempt ended by a fault; executing it again goes on. ``error`` is a stable code."""

    TOPIC: ClassVar[str] = "storno.ReversalFailed.v1"
    attempt: int
    error: str
    message: str


class ReversalCompleted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that it was to take back is taken back, or settled by a person."""

    TOPIC: ClassVar[str] = "storno.ReversalCompleted.v1"
    attempt: int
    reversed: int


EVENTS: tuple[type[Event], ...] = (
    ReversalRequested,
    ReversalApproved,
    ReversalRejected,
    ReversalStarted,
    ReversalStopped,
    ReversalFailed,
    ReversalCompleted,
)

Form = Literal["black", "red"]
FORMS: tuple[Form, ...] = ("black", "red")
"""Black: debit and credit swapped. Red: the same sides with negative amounts."""


class ReversalStatus(StrEnum):
    """Where a reversal stands."""

    NEW = "new"
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    COMPLETED = "completed"


class PlanChangedError(ConflictError):
    """What the reversal would do is not what was requested: a new plan is asked for."""


class ReversalState(Struct, frozen=True):
    """The fold of a reversal's stream.

    Attributes:
        version: of its last event; 0 where there is none.
        requested: its first event.
        approvers: who agreed, in order.
        holder: the worker of its last attempt.
        failed: how many records its last attempt set aside.
    """

    version: int = 0
    status: ReversalStatus = ReversalStatus.NEW
    requested: ReversalRequested | None = None
    approvers: tuple[str, ...] = ()
    attempt: int = 0
    holder: Worker | None = None
    failed: int = 0

    @property
    def missing_approvals(self) -> int:
        """How many others still have to agree."""
        needed = self.requested.approvals if self.requested else 0
        return max(needed - len(self.approvers), 0)


def evolve(state: ReversalState, event: Event) -> ReversalState:
    """The state after one more event."""
    state = replace(state, version=state.version + 1)
    match event:
        case ReversalRequested():
            status = ReversalStatus.REQUESTED if event.approvals else ReversalStatus.APPROVED
            return replace(state, status=status, requested=event)
        case ReversalApproved():
            status = ReversalStatus.APPROVED if event.final else state.status
            return replace(state, status=status, approvers=(*state.approvers, event.actor.name))
        case ReversalRejected():
            return replace(state, status=ReversalStatus.REJECTED)
        case ReversalStarted():
            return replace(
                state,
                status=ReversalStatus.RUNNING,
                attempt=event.attempt,
                holder=event.worker,
                failed=0,
            )
        case ReversalStopped():
            return replace(state, status=ReversalStatus.STOPPED, failed=event.failed)
        case ReversalFailed():
            return replace(state, status=ReversalStatus.FAILED)
        case ReversalCompleted():
            return replace(state, status=ReversalStatus.COMPLETED, failed=0)
        case _:
            return state


def fold(events: list[Event]) -> ReversalState:
    """The state of a reversal from all its events."""
    state = ReversalState()
    for event in events:
        state = evolve(state, event)
    return state


REVERSALS = "reversal/"
"""What the streams of all reversals begin with."""


def next_name(last: str | None) -> str:
    """The name after that of a stream: R-000001, R-000002; zero-padded, so that they sort."""
    number = 0 if last is None else int(last.removeprefix(REVERSALS + "R-"))
    return f"R-{number + 1:06d}"


def approve(state: ReversalState, actor: Actor, digest: str) -> tuple[Event, ...]:
    """Agree to the plan as it was requested; nothing where the same person has already.

    Args:
        digest: of the plan that the approver saw.

    Raises:
        NotAllowedError: it does not wait for approval, or the approver requested it.
        PlanChangedError: what it would do now is not what was requested.
    """
    agreed = any(same_person(actor.name, each) for each in state.approvers)
    if agreed and state.status is not ReversalStatus.REJECTED:
        return ()
    requested = _waiting(state)
    if same_person(actor.name, requested.actor.name):
        raise NotAllowedError(
            f"{requested.actor.name} requested the reversal and cannot approve it: another person "
            "has to."
        )
    if digest != requested.digest:
        raise PlanChangedError(
            "what the reversal would do has changed since it was requested: reject it, plan it "
            "anew and submit that."
        )
    final = state.missing_approvals <= 1
    return (ReversalApproved(actor=actor, digest=digest, final=final),)


def reject(state: ReversalState, actor: Actor, reason: str) -> tuple[Event, ...]:
    """Refuse it before anything of it was executed.

    Raises:
        NotAllowedError: it has begun, or it is over.
        UsageError: no reason.
    """
    if not reason.strip():
        raise UsageError("rejecting a reversal needs a reason: add --reason TEXT.")
    if state.status is ReversalStatus.REJECTED:
        return ()
    if state.status not in {ReversalStatus.REQUESTED, ReversalStatus.APPROVED}:
        raise NotAllowedError(f"the reversal is {state.status} and cannot be rejected.")
    return (ReversalRejected(actor=actor, reason=reason),)


def start(name: str, state: ReversalState, worker: Worker, actor: Actor) -> tuple[Event, ...]:
    """Begin an attempt at executing the reversal of that name; nothing where it is completed.

    The caller has made sure that nobody alive holds a running one, and that a first attempt does
    what was requested.

    Raises:
        NotAllowedError: it was never requested, or it is rejected.
        ApprovalRequiredError: others have to agree first.
    """
    if state.status is ReversalStatus.COMPLETED:
        return ()
    if state.requested is None:
        raise NotAllowedError(f"reversal {name} was never requested: plan and submit it first.")
    if state.status is ReversalStatus.REJECTED:
        raise NotAllowedError(f"reversal {name} was rejected: plan and submit another one.")
    if state.missing_approvals:
        people = "1 person" if state.missing_approvals == 1 else f"{state.missing_approvals} people"
        raise ApprovalRequiredError(
            f"reversal {name} waits for the approval of {people} other than the requester: "
            f"storno reverse approve {name} --actor NAME."
        )
    takeover = state.status is ReversalStatus.RUNNING
    why = "takeover" if takeover else "resume" if state.attempt else "start"
    return (ReversalStarted(attempt=state.attempt + 1, worker=worker, actor=actor, why=why),)


def _waiting(state: ReversalState) -> ReversalRequested:
    requested = state.requested
    if requested is None or state.status is not ReversalStatus.REQUESTED:
        raise NotAllowedError(f"the reversal is {state.status}: it does not wait for approval.")
    return requested
