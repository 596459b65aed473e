"""Reversals as people deal with them: planned, submitted, approved or rejected."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ..compensations.difference import difference
from ..compensations.plan import Foreseen, Plan, Request
from ..compensations.scope import Scope
from ..domain import reversal as reversals
from ..domain.codec import decode
from ..domain.errors import (
    ConflictError,
    NotAllowedError,
    NotFoundError,
    StreamConflictError,
    UsageError,
)
from ..domain.events import Actor, Event, RecordSucceeded
from ..domain.ids import ReversalId, RunId, record_stream
from ..domain.policy import ReversalPolicy
from ..domain.reversal import (
    Form,
    PlanChangedError,
    ReversalRequested,
    ReversalState,
    ReversalStatus,
)
from ..domain.run import Status
from ..projections.changes import Recorded
from .identity import resolve_actor
from .job import Job
from .journal import Journal, Store
from .plan import PARTITION
from .planning import digest_now, make_plan, undoes, what_changed, why_nothing
from .sealing import seal

SUBMIT_TRIES = 10


def plan_reversal(
    store: Store,
    run: RunId | str,
    scope: Scope | None = None,
    *,
    form: Form = "black",
    date: dt.date | None = None,
    job: Job | None = None,
    year_begins: int = 1,
) -> Plan:
    """What taking back postings of a run would do; writes nothing.

    Args:
        run: its name, ``<job>/<run>``, as ``RunResult.run`` gives it.
        scope: which postings; all of the run's where not given.
        form: black swaps debit and credit, red negates the amounts.
        date: the posting date of all reversing entries; the originals' where not given, or the
            first open day after them.
        job: the run's; needed where its records had effects.
        year_begins: the number of the month in which a fiscal year begins.

    Raises:
        NotFoundError: there is no such run, or it has no such chunk.
        UsageError: a condition names no field.
    """
    request = Request(str(run), scope or Scope(), form, date)
    return _plan(Journal(store), request, job, year_begins=year_begins)


def _plan(
    journal: Journal,
    request: Request,
    job: Job | None,
    *,
    as_of: int | None = None,
    year_begins: int,
) -> Plan:
    run, chunks = RunId.parse(request.run), request.scope.chunks
    if journal.run(run).status is Status.NEW:
        raise NotFoundError(f"there is no run {run}: see 'storno runs'.")
    unknown = set(chunks).difference(journal.chunks(run, PARTITION)) if chunks else set()
    if unknown:
        named = ", ".join(map(str, sorted(unknown)))
        raise NotFoundError(f"run {run} has no chunk {named}: see 'storno show {run} --chunks'.")
    return make_plan(journal, request, job, as_of=as_of, year_begins=year_begins)


def posting_run(store: Store, job: str, keys: Sequence[str]) -> RunId:
    """The run that posted these records last.

    Raises:
        NotFoundError: one of them was never posted.
        UsageError: several runs posted them: a reversal is of one run.
    """
    journal = Journal(store)
    streams = {key: record_stream(job, key) for key in keys}
    states = journal.records(list(streams.values()))
    found: dict[str, str] = {}
    for key, stream in streams.items():
        state = states.get(stream)
        if state is None or not state.posting_version:
            raise NotFoundError(
                f"record {key!r} of job {job} was never posted: see 'storno runs --job {job}', and "
                "'storno dead-letters list' for what failed."
            )
        row = journal.event(stream, state.posting_version)
        event = decode(row.topic, row.state)
        assert isinstance(event, RecordSucceeded), "the version of a posting is a posting's"
        found.setdefault(event.run, key)
    if len(found) > 1:
        runs = ", ".join(f"{job}/{run} ({key})" for run, key in found.items())
        raise UsageError(f"the records were posted by several runs, {runs}: take back one by one.")
    return RunId(job, next(iter(found)))


def submit_reversal(
    store: Store,
    request: Request,
    *,
    code: str,
    text: str,
    actor: Actor | str | None = None,
    policy: ReversalPolicy | None = None,
    job: Job | None = None,
    seen: Foreseen | None = None,
) -> str:
    """Ask for a reversal; returns its name.

    Args:
        code: of the reason, one of the policy's.
        request: what was planned: ``plan.request``.
        text: the reason in words.
        actor: who asks; ``STORNO_ACTOR`` or the system's user where not given.
        policy: how many others must approve, and which reasons there are; what the job says
            where not given.
        job: the run's; needed where its records had effects.
        seen: what the plan said that somebody saw: ``plan.foreseen()``.

    Raises:
        UsageError: no reason, or an unknown code.
        NotFoundError: there is no such run.
        ConflictError: there is nothing to take back.
        PlanChangedError: what it would do is not what the plan said; says what.
    """
    if policy is None:
        policy = ReversalPolicy().overridden_by(None if job is None else job.reversals)
    policy.check_code(code)
    who = resolve_actor(actor)
    if not text.strip():
        raise UsageError("a reversal needs a reason in words: add --reason TEXT.")
    journal = Journal(store)
    as_of = journal.position()
    plan = _plan(journal, request, job, as_of=as_of, year_begins=policy.first_month)
    if seen is not None and seen.digest != plan.digest:
        what = difference(plan.foreseen(), seen)
        raise PlanChangedError(
            "nothing was submitted: what the reversal would do has changed since it was planned: "
            f"{what}. Plan it anew."
        )
    if not plan.reversible:
        raise ConflictError(f"there is nothing to take back: {why_nothing(plan)}.")
    approvals = policy.approvals_for(plan.debits())
    event = requested(plan, code, text, approvals, who, as_of, undoes=undoes(job))
    for _ in range(SUBMIT_TRIES):
        name = journal.next_reversal()
        try:
            journal.append_once(seal([Recorded(ReversalId(name).stream, 1, event)]))
        except StreamConflictError:
            continue  # somebody took the name
        return name
    raise ConflictError("others keep submitting reversals: try again.")


def requested(
    plan: Plan, code: str, text: str, approvals: int, actor: Actor, as_of: int, *, undoes: bool
) -> ReversalRequested:
    """The event that asks for what a plan says.

    Args:
        as_of: the position of the log up to which the plan looked.
        undoes: whether effects can be undone.
    """
    request, run = plan.request, RunId.parse(plan.request.run)
    return ReversalRequested(
        job=run.job,
        run=run.name,
        scope=request.scope.stored(),
        form=request.form,
        date=None if request.date is None else request.date.isoformat(),
        code=code,
        text=text,
        digest=plan.digest,
        as_of=as_of,
        records=plan.reversible,
        blocked=plan.blocked,
        net=plan.net_lines(),
        approvals=approvals,
        actor=actor,
        undoes=undoes,
        moves=plan.moved(),
        other_years=plan.other_years,
    )


def approve_reversal(
    store: Store, name: str, actor: Actor | str | None = None, job: Job | None = None
) -> ReversalState:
    """Agree to a reversal; what it would do must still be what was requested.

    Raises:
        NotFoundError: there is no such reversal.
        NotAllowedError: it does not wait for approval, or the approver requested it.
        PlanChangedError: what it would do has changed; says what.
    """
    journal = Journal(store)
    state = existing(journal, name)
    request, who = request_of(state), resolve_actor(actor)
    digest = digest_now(journal, request, job, own=name)
    try:
        moves = reversals.approve(state, who, digest)
    except PlanChangedError:
        assert state.requested is not None, "what was not requested is not found"
        difference = what_changed(journal, name, request, state.requested, job)
        raise PlanChangedError(
            f"reversal {name} was not approved: {difference} And reject this one."
        ) from None
    return _append(journal, name, state, moves)


def reject_reversal(
    store: Store, name: str, actor: Actor | str | None, reason: str
) -> ReversalState:
    """Refuse a reversal before anything of it was executed.

    Raises:
        NotFoundError: there is no such reversal.
        NotAllowedError: it has begun, or it is over.
        UsageError: no reason.
    """
    journal = Journal(store)
    state = existing(journal, name)
    return _append(journal, name, state, reversals.reject(state, resolve_actor(actor), reason))


def existing(journal: Journal, name: str) -> ReversalState:
    """Where a reversal stands.

    Raises:
        NotFoundError: there is none of that name.
    """
    state = journal.reversal(name)
    if state.status is ReversalStatus.NEW:
        raise NotFoundError(f"there is no reversal {name!r}: see 'storno reverse list'.")
    return state


def request_of(state: ReversalState) -> Request:
    """What was asked for."""
    event = state.requested
    if event is None:
        raise NotAllowedError("the reversal was not requested.")
    form: Form = "red" if event.form == "red" else "black"
    date = None if event.date is None else dt.date.fromisoformat(event.date)
    return Request(f"{event.job}/{event.run}", Scope.read(event.scope), form, date)


def _append(
    journal: Journal, name: str, state: ReversalState, moves: tuple[Event, ...]
) -> ReversalState:
    stream = ReversalId(name).stream
    if moves:
        events = [Recorded(stream, state.version + n, move) for n, move in enumerate(moves, 1)]
        journal.append_once(seal(events))
    for move in moves:
        state = reversals.evolve(state, move)
    return state
