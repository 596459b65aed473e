"""Planning a reversal: what would be taken back, what cannot be and why. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..compensations.difference import difference, foreseen_by
from ..compensations.plan import Blocker, Plan, Request
from ..domain.events import RecordSucceeded
from ..domain.ids import RunId, key_of, record_stream
from ..domain.period import PERIODS
from ..domain.reversal import PlanChangedError, ReversalRequested
from . import retrying
from .doubts import doubts
from .job import Job
from .journal import Journal
from .postings import Changed, Posting, Postings


def make_plan(
    journal: Journal,
    request: Request,
    job: Job | None,
    *,
    own: str | None = None,
    as_of: int | None = None,
    year_begins: int = 1,
) -> Plan:
    """What a reversal would do now.

    Args:
        request: what is asked for.
        job: the run's job, whose handlers undo effects; None where it is not to be had.
        own: the reversal that this is the plan of: its own progress is left out.
        as_of: only of what was posted up to this position of the log.
        year_begins: the number of the month in which a fiscal year begins.

    Raises:
        UsageError: a condition names no field of the records.
    """
    return _planned(journal, request, job, own, as_of, year_begins=year_begins)


def digest_now(journal: Journal, request: Request, job: Job | None, *, own: str) -> str:
    """The digest of what a reversal would do now; a plan without its details, in half the time.

    Args:
        request: what was asked for.
        job: as in ``make_plan``.
        own: the reversal: its own progress is left out.
    """
    return _planned(journal, request, job, own, in_haste=True).digest


def refuse_changed_plan(
    journal: Journal,
    name: str,
    request: Request,
    requested: ReversalRequested,
    job: Job | None,
) -> None:
    """Make sure that a reversal still is what was requested, before it is begun.

    Args:
        job: as in ``make_plan``.

    Raises:
        PlanChangedError: it would do something else now; says what.
    """
    if _stands_as_requested(journal, request, requested, job):
        return
    if digest_now(journal, request, job, own=name) != requested.digest:
        difference = what_changed(journal, name, request, requested, job)
        raise PlanChangedError(f"reversal {name} was not begun: {difference}")


def _stands_as_requested(
    journal: Journal, request: Request, requested: ReversalRequested, job: Job | None
) -> bool:
    """Whether nothing was recorded since that a plan is made of: no need to make it again.

    What becomes of effects also depends on the job, which may have been changed.
    """
    if job is None or job.effect:
        return False
    run = RunId.parse(request.run)
    streams = (run.stream, run.chunks, f"record/{run.job}/", PERIODS)
    touched = retrying.store_call(lambda: journal.is_touched(streams, since=requested.as_of))
    return not touched


def what_changed(
    journal: Journal,
    name: str,
    request: Request,
    asked: ReversalRequested,
    job: Job | None,
) -> str:
    """How what a reversal would do now differs from what was requested, for a person.

    Args:
        job: as in ``make_plan``.
    """
    now = make_plan(journal, request, job, own=name).foreseen()
    what = difference(now, foreseen_by(asked))
    return f"what it would do has changed since it was requested: {what}. Plan it anew."


def _planned(
    journal: Journal,
    request: Request,
    job: Job | None,
    own: str | None,
    as_of: int | None = None,
    *,
    year_begins: int = 1,
    in_haste: bool = False,
) -> Plan:
    run = RunId.parse(request.run)
    plan = Plan(request, journal.calendar(), year_begins)
    postings = Postings(journal, run, request.scope, as_of, in_haste=in_haste)
    found: set[str] = set()
    for batch in postings.batches():
        untouched, changed = postings.look(batch)
        found.update(each.stream for each in batch if request.scope.keys)
        why = dict(_blocked(changed, own))
        # A record that was taken back and posted again may have both postings in the batch.
        still = {_name(each) for each in untouched} | {_name(each.posting) for each in changed}
        for posting in batch:
            if _name(posting) in still:
                _add(plan, posting, why.get(_name(posting)), job)
    if job is None or job.effect:
        found.update(_add_doubts(plan, journal, run))
    for key in _missing(request, run, found):
        plan.block(record_stream(run.job, key), 0, key, f"not-posted: run {run} has not posted it")
    return plan


def _name(posting: Posting) -> tuple[str, int]:
    return posting.stream, posting.version


def _add(plan: Plan, posting: Posting, why: str | None, job: Job | None) -> None:
    stream, version, _, event = posting
    why = why or _cannot_be_undone(posting, job)
    if why is not None:
        plan.block(stream, version, posting.key, why)
    elif plan.add(stream, version, posting.key, event.entries) and isinstance(
        event, RecordSucceeded
    ):
        plan.add_net(event.entries)


def _add_doubts(plan: Plan, journal: Journal, run: RunId) -> Iterator[str]:
    """Block what was called out for and never had an outcome; gives the streams."""
    found = doubts(journal, run, plan.request.scope)
    abandoned = bool(found) and journal.run(run).abandoned
    then = "the run was abandoned: settle it outside" if abandoned else "resume the run first"
    why = f"in-doubt: the job called out for it, and what came of it is not known; {then}"
    for stream, version, event in found:
        plan.block(stream, version, key_of(stream, event.key) or stream, why)
        yield stream


def _blocked(
    changed: Collection[Changed], own: str | None
) -> Iterator[tuple[tuple[str, int], str]]:
    """Postings to why they cannot be taken back any more."""
    for posting, state, _ in changed:
        if state.posting is None and state.reversed_by != own:
            yield _name(posting), already_reversed(state.reversed_by)


def already_reversed(by: str | None) -> str:
    """Why a posting that was taken back is not taken back again."""
    return f"already-reversed: by reversal {by}"


def undoes(job: Job | None) -> bool:
    """Whether effects can be undone at all."""
    return job is not None and job.compensation is not None


def _cannot_be_undone(posting: Posting, job: Job | None) -> str | None:
    if not bytes(posting.event.output) or undoes(job):
        return None
    if job is None:
        return "no-handler: it had an effect, and its job is not defined here"
    if job.irreversible:
        return f"irreversible: {job.irreversible}"
    return f"no-handler: it had an effect, and job {job.name} declares no handler"


def _missing(request: Request, run: RunId, found: set[str]) -> list[str]:
    keys = request.scope.keys
    return [key for key in dict.fromkeys(keys) if record_stream(run.job, key) not in found]


def why_nothing(plan: Plan) -> str:
    """Why a plan takes nothing back, for a person."""
    if not plan.blockers:
        return f"{plan.request.run} has posted nothing of {plan.request.scope}"
    first: Blocker = plan.blockers[0]
    rest = f", and {plan.blocked - 1:,} more" if plan.blocked > 1 else ""
    return f"{first.key}: {first.why}{rest}"
