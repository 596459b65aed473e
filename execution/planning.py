"""Planning a reversal: what would be taken back, what cannot be and why. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..compensations.plan import Blocker, Plan, Request
from ..domain.events import RecordSucceeded
from ..domain.ids import RunId, record_stream
from .job import Job
from .journal import Journal
from .postings import Changed, Posting, Postings


def make_plan(
    journal: Journal, request: Request, job: Job | None, *, own: str | None = None
) -> Plan:
    """What a reversal would do now.

    Args:
        request: what is asked for.
        job: the run's job, whose handlers undo effects; None where it is not to be had.
        own: the reversal that this is the plan of: its own progress is left out.

    Raises:
        UsageError: a condition names no field of the records.
    """
    return _planned(journal, request, job, own, in_haste=False)


def digest_now(journal: Journal, request: Request, job: Job | None, *, own: str) -> str:
    """The digest of what a reversal would do now; a plan without its details, in half the time.

    Args:
        request: what was asked for.
        job: as in ``make_plan``.
        own: the reversal: its own progress is left out.
    """
    return _planned(journal, request, job, own, in_haste=True).digest


def _planned(
    journal: Journal, request: Request, job: Job | None, own: str | None, *, in_haste: bool
) -> Plan:
    run = RunId.parse(request.run)
    plan = Plan(request, journal.calendar())
    postings = Postings(journal, run, request.scope, in_haste=in_haste)
    found: set[str] = set()
    for batch in postings.batches():
        untouched, changed = postings.look(batch)
        found.update(each.stream for each in batch if request.scope.keys)
        why = dict(_blocked(changed, own))
        still = {each.stream for each in untouched} | {each.posting.stream for each in changed}
        for posting in batch:
            if posting.stream in still:
                _add(plan, posting, why.get(posting.stream), job)
    for key in _missing(request, run, found):
        plan.block(record_stream(run.job, key), 0, key, f"not-posted: run {run} has not posted it")
    return plan


def _add(plan: Plan, posting: Posting, why: str | None, job: Job | None) -> None:
    stream, version, _, event = posting
    why = why or _cannot_be_undone(posting, job)
    if why is not None:
        plan.block(stream, version, posting.key, why)
    elif plan.add(stream, version, posting.key, event.entries) and isinstance(
        event, RecordSucceeded
    ):
        plan.add_net(event.entries)


def _blocked(changed: Collection[Changed], own: str | None) -> Iterator[tuple[str, str]]:
    """Stream to why its record cannot be taken back any more."""
    for posting, state, _ in changed:
        if state.posting is None and state.reversed_by != own:
            yield posting.stream, already_reversed(state.reversed_by)


def already_reversed(by: str | None) -> str:
    """Why a posting that was taken back is not taken back again."""
    return f"already-reversed: by reversal {by}"


def _cannot_be_undone(posting: Posting, job: Job | None) -> str | None:
    if not bytes(posting.event.output):
        return None
    if job is None:
        return "no-handler: it had an effect, and its job is not defined here"
    if job.irreversible:
        return f"irreversible: {job.irreversible}"
    if job.compensation is None:
        return f"no-handler: it had an effect, and job {job.name} declares no handler"
    return None


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
