"""The run: one job with one set of identifying parameters, through all its attempts."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from .errors import ConflictError, NotAllowedError, UsageError
from .events import (
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


class Status(StrEnum):
    """Where a run stands."""

    NEW = "new"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    REVERSING = "reversing"
    PARTLY_REVERSED = "partly-reversed"
    REVERSED = "reversed"


OVER = frozenset({Status.COMPLETED, Status.PARTLY_REVERSED, Status.REVERSED})
"""A run that stands so is started again with a reason only."""


class RunState(Struct, frozen=True):
    """The fold of a run's stream.

    Attributes:
        version: of its last event; 0 where there is none.
        started: its first event.
        holder: the worker of its last attempt.
        stop_requested: why somebody asked it to stop, if the attempt has not ended since.
        orderly: attempts that ended by themselves, and so gave their claims back.
        pass_from: the number of the first chunk of the pass through the input that is under way.
        reversal: the last that took, or takes, back what the run posted.
        abandoned: whether it was ended for good; a reversal afterwards changes nothing about that.
    """

    version: int = 0
    status: Status = Status.NEW
    attempt: int = 0
    started: RunStarted | None = None
    holder: Worker | None = None
    stop_requested: RunStopRequested | None = None
    orderly: frozenset[int] = frozenset()
    pass_from: int = 0
    reversal: str | None = None
    abandoned: bool = False


def evolve(state: RunState, event: Event) -> RunState:
    """The state after one more event."""
    state = replace(state, version=state.version + 1)
    match event:
        case RunStarted():
            return replace(
                state,
                status=Status.RUNNING,
                attempt=event.attempt,
                started=event,
                holder=event.worker,
            )
        case RunResumed():
            return replace(
                state,
                status=Status.RUNNING,
                attempt=event.attempt,
                holder=event.worker,
                stop_requested=None,
                pass_from=state.pass_from if event.again_from is None else event.again_from,
            )
        case RunStopRequested():
            return replace(state, stop_requested=event)
        case RunStopped() | RunFailed() | RunCompleted() | RunAbandoned():
            return replace(
                state,
                status=_ENDINGS[type(event)],
                stop_requested=None,
                orderly=state.orderly | {state.attempt},
                abandoned=isinstance(event, RunAbandoned),
            )
        case RunReversing():
            return replace(state, status=Status.REVERSING, reversal=event.reversal)
        case RunReversed():
            status = Status.PARTLY_REVERSED if event.standing else Status.REVERSED
            return replace(state, status=status)
        case _:
            return state


_ENDINGS: dict[type[Event], Status] = {
    RunStopped: Status.STOPPED,
    RunFailed: Status.FAILED,
    RunCompleted: Status.COMPLETED,
    RunAbandoned: Status.ABANDONED,
}


def fold(events: list[Event]) -> RunState:
    """The state of a run from all its events."""
    state = RunState()
    for event in events:
        state = evolve(state, event)
    return state


class Start(Struct, frozen=True):
    """The intent to start or go on with a run.

    Attributes:
        identity: digest of the job's name, key definition and record model.
        code: digest of the job's source code, recorded with each attempt.
        again: with a reason, reads the input of a completed or reversed run once more.
        next_chunk: the number after the highest chunk, where a pass ``again`` begins.
        start_limit: how many attempts the job allows.
    """

    identity: str
    parameters: dict[str, Any]
    source: dict[str, Any]
    code: str
    worker: Worker
    actor: Actor
    book: str
    again: bool = False
    reason: str = ""
    next_chunk: int = 0
    start_limit: int | None = None


def start(state: RunState, intent: Start) -> tuple[Event, ...]:
    """Begin the run's next attempt; nothing where the run is completed.

    The caller has made sure that nobody alive holds a running run.

    Raises:
        NotAllowedError: abandoned, or over the start limit.
        ConflictError: the job is not the one that the run was started with.
        UsageError: ``again`` without a reason.
    """
    if intent.again and not intent.reason.strip():
        raise UsageError("running it again needs a reason: add --reason TEXT.")
    if state.abandoned:
        raise NotAllowedError(
            "the run was abandoned and is not started again: use other parameters."
        )
    if state.status is Status.REVERSING:
        raise ConflictError(
            f"reversal {state.reversal} takes back what the run posted: wait until it is through, "
            f"or see 'storno reverse show {state.reversal}'."
        )
    if state.status in OVER and not intent.again:
        return ()
    check_identity(state, intent.identity)
    if intent.start_limit is not None and state.attempt >= intent.start_limit:
        raise NotAllowedError(
            f"the run was started {state.attempt} times and its job allows {intent.start_limit} "
            "(start_limit): raise the limit, or abandon the run."
        )
    if state.status is Status.NEW:
        return (
            RunStarted(
                attempt=1,
                identity=intent.identity,
                parameters=intent.parameters,
                source=intent.source,
                code=intent.code,
                worker=intent.worker,
                actor=intent.actor,
                book=intent.book,
            ),
        )
    again = state.status in OVER
    takeover = state.status is Status.RUNNING
    return (
        RunResumed(
            attempt=state.attempt + 1,
            code=intent.code,
            worker=intent.worker,
            actor=intent.actor,
            why="again" if again else "takeover" if takeover else "resume",
            again_from=intent.next_chunk if again else None,
            reason=intent.reason,
        ),
    )


def check_identity(state: RunState, identity: str) -> None:
    """Refuse a job that is not the one the run was started with.

    Raises:
        ConflictError: its key definition or record model differs.
    """
    started = state.started
    if started is not None and started.identity != identity:
        raise ConflictError(
            "the job's key definition or record model changed since the run was started: restore "
            "it to go on with this run, or abandon the run and start another with new parameters."
        )


def request_stop(state: RunState, actor: Actor, reason: str) -> tuple[Event, ...]:
    """Ask a running run to stop; nothing where that was asked already."""
    if state.status is not Status.RUNNING:
        raise NotAllowedError(f"the run is {state.status}, there is nothing to stop.")
    if state.stop_requested is not None:
        return ()
    return (RunStopRequested(actor=actor, reason=reason),)


def stop(state: RunState, why: str) -> tuple[Event, ...]:
    """End the attempt before the input is at its end."""
    return (RunStopped(attempt=state.attempt, why=why),)


def complete(state: RunState, counts: Counts, totals: dict[str, int]) -> tuple[Event, ...]:
    """End the attempt with an outcome for every record."""
    return (RunCompleted(attempt=state.attempt, counts=counts, totals=totals),)


def fail(state: RunState, error: str, message: str) -> tuple[Event, ...]:
    """End the attempt by a fault."""
    return (RunFailed(attempt=state.attempt, error=error, message=message),)


def abandon(state: RunState, actor: Actor, reason: str) -> tuple[Event, ...]:
    """End the run for good; nothing where it has been. The caller knows that nobody works on it.

    Raises:
        NotAllowedError: the run is completed.
        UsageError: no reason.
    """
    if not reason.strip():
        raise UsageError("abandoning a run needs a reason: add --reason TEXT.")
    if state.abandoned:
        return ()
    if state.status is Status.REVERSING:
        raise ConflictError(f"reversal {state.reversal} takes back what the run posted.")
    if state.status in OVER:
        raise NotAllowedError(f"the run is {state.status}; such a run is not abandoned.")
    return (RunAbandoned(actor=actor, reason=reason),)


def begin_reversal(state: RunState, reversal: str) -> tuple[Event, ...]:
    """Keep the run from going on while a reversal takes back what it posted.

    Nothing where this very reversal has begun. A run whose process died is still at work for all
    that its events say: it is resumed or abandoned first.

    Raises:
        NotAllowedError: the run was never started.
        ConflictError: the run is at work, or another reversal is.
    """
    if state.status is Status.NEW:
        raise NotAllowedError("the run was never started: there is nothing to take back.")
    if state.status is Status.REVERSING:
        if state.reversal == reversal:
            return ()
        raise ConflictError(
            f"reversal {state.reversal} already takes back what the run posted: execute that one "
            "to its end first."
        )
    if state.status is Status.RUNNING:
        raise ConflictError(
            "the run is at work: stop it, or wait until it is through; where its process is gone, "
            "resume or abandon it first."
        )
    return (RunReversing(reversal=reversal),)


def end_reversal(
    state: RunState, reversal: str, reversed_now: int, standing: int
) -> tuple[Event, ...]:
    """The reversal is through with the run.

    Args:
        reversed_now: how many of its postings this reversal took back.
        standing: how many are still in force.
    """
    if state.status is not Status.REVERSING or state.reversal != reversal:
        return ()
    return (RunReversed(reversal=reversal, reversed=reversed_now, standing=standing),)


def permit_retry(state: RunState, run: str) -> None:
    """Let the run's dead letters be corrected and tried again.

    The caller has made sure that nobody alive holds a running run.

    Raises:
        NotAllowedError: the run was ended for good, or all of it was taken back.
        ConflictError: it is not at rest.
    """
    permit_discard(state, run)
    if state.status is Status.REVERSING:
        raise ConflictError(
            f"reversal {state.reversal} takes back what run {run} posted: wait until it is through."
        )
    if state.abandoned:
        raise NotAllowedError(
            f"run {run} was abandoned, so nothing more is posted by it: discard its dead letters."
        )
    if state.status is Status.REVERSED:
        raise NotAllowedError(
            f"all that run {run} had posted was taken back, so nothing is added to it: run it "
            "--again, or discard its dead letters."
        )


def permit_discard(state: RunState, run: str) -> None:
    """Let the run's dead letters be given up; the caller has looked for a holder as above.

    Raises:
        ConflictError: the run lost its process, and has yet to be taken over.
    """
    if state.status is Status.RUNNING:
        raise ConflictError(
            f"the process of run {run} is gone and the run has no end yet: 'storno resume {run}' "
            "goes on with it, its dead letters can be worked on afterwards."
        )
