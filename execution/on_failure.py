"""The standing rule ``on_failure="reverse"``: a run that fails is taken back by itself."""

from __future__ import annotations

from typing import NamedTuple

from ..compensations.plan import Request
from ..compensations.scope import Scope
from ..domain import run as runs
from ..domain.events import Actor, Event
from ..domain.ids import ReversalId, RunId
from ..domain.policy import ReversalPolicy
from ..domain.run import RunState
from ..projections.changes import Recorded
from .identity import resolve_actor
from .job import Job
from .journal import Journal
from .planning import make_plan, undoes
from .reversals import requested

REASON = "run-failed"
SYSTEM = "system"
"""The actor of what nobody asks for at the time."""


class StandingRule(NamedTuple):
    """What the rule adds to the commit in which a run fails.

    Attributes:
        reversal: its name.
        run_events: how it moves the run.
        events: the request.
    """

    reversal: str
    run_events: tuple[Event, ...]
    events: tuple[Recorded, ...]


def standing_rule(
    journal: Journal, job: Job, run: RunId, failed: RunState, why: str, policy: ReversalPolicy
) -> StandingRule | None:
    """The reversal of a run that fails, as its job says; None where it posted nothing.

    Where others have to agree to reversals, and the job does not declare that this one needs
    nobody, it waits for them, and the run can be resumed instead.

    Args:
        failed: the run's state once it has failed.
        why: it failed.
        policy: how many have to agree.
    """
    as_of = journal.position()
    request = Request(str(run), Scope(), policy.form_for())
    plan = make_plan(journal, request, job, as_of=as_of, year_begins=policy.first_month)
    if not plan.reversible:
        return None
    approvals = 0 if job.on_failure_approved else policy.approvals_for(plan.debits())
    name = journal.next_reversal()
    event = requested(plan, REASON, why, approvals, system_actor(), as_of, undoes=undoes(job))
    moves = () if approvals else runs.begin_reversal(failed, name)
    return StandingRule(name, moves, (Recorded(ReversalId(name).stream, 1, event),))


def system_actor() -> Actor:
    """Who acts where a rule does."""
    return resolve_actor(SYSTEM)
