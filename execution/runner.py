"""Running a job: start, resume or take over, work, and say how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..domain import run as runs
from ..domain.entry import Chart
from ..domain.errors import (
    NotFoundError,
)
from ..domain.events import Actor, Event
from ..domain.ids import RunId
from ..domain.policy import ReversalPolicy
from ..domain.run import RunState, Status
from ..projections.changes import Recorded
from .compensation import check_compensation
from .holding import refuse_if_held
from .identity import resolve_actor
from .job import Job
from .journal import Journal, Store
from .results import Observer, RunOptions, RunResult, Silent
from .sealing import seal
from .signals import StopFlag, stopping
from .starting import Starting


def run_job(  # noqa: PLR0913 - what is special about a run is named where it is started
    store: Store,
    job: Job,
    parameters: Mapping[str, Any],
    actor: Actor | str | None = None,
    options: RunOptions | None = None,
    observer: Observer | None = None,
    *,
    base: Path | None = None,
    chart: Chart | None = None,
    reversals: ReversalPolicy | None = None,
) -> RunResult:
    """Run a job with these parameters: start it, resume it, or take it over from the dead.

    Args:
        parameters: by name, as text or as values.
        actor: who runs it; ``STORNO_ACTOR``, else the system's user, where not given.
        options: what is special about this time.
        observer: told about progress.
        base: the folder against which the source's relative paths stand.
        chart: the accounts and books that may be posted to.
        reversals: what reversals ask for, where the job does not say: by its rule for a run that
            fails, one may be requested.

    Raises:
        UsageError: parameters or options are wrong.
        DefinitionError: the job has an effect, and nothing that takes it back.
        NotAllowedError: the run is abandoned, or over its start limit.
        ConflictError: somebody works on it, or the job or its input is not what it was.
        FencedError: somebody took it over meanwhile.
        StoreError: the store failed; the run can be resumed once it works again.
    """
    options = options or RunOptions()
    check_compensation(job)
    parsed = job.parse_parameters(parameters)
    journal = Journal(store)
    who = resolve_actor(actor)
    source = job.source.bind(parsed.model_dump(), base=base, required=_required(job))
    starting = Starting(
        journal, job, parsed, job.run_id(parsed), source, who, options, observer or Silent(),
        chart or Chart(), reversals or ReversalPolicy(),
    )  # fmt: skip
    flag = StopFlag()
    with stopping(flag):
        return starting.go(flag)


def stop_run(store: Store, run: RunId, actor: Actor | str | None, reason: str) -> None:
    """Ask a running run to stop at the end of its current chunk."""
    journal = Journal(store)
    who = resolve_actor(actor)
    state = _existing(journal, run)
    _append_to_run(journal, run, state, runs.request_stop(state, who, reason))


def abandon_run(store: Store, run: RunId, actor: Actor | str | None, reason: str) -> None:
    """End a run for good.

    Raises:
        ConflictError: somebody who lives works on it.
    """
    journal = Journal(store)
    who = resolve_actor(actor)
    state = _existing(journal, run)
    if state.status is Status.RUNNING:
        refuse_if_held(journal, run, state)
    _append_to_run(journal, run, state, runs.abandon(state, who, reason))


def _existing(journal: Journal, run: RunId) -> RunState:
    state = journal.run(run)
    if state.status is Status.NEW:
        raise NotFoundError(f"there is no run {run}: see 'storno runs'.")
    return state


def _append_to_run(journal: Journal, run: RunId, state: RunState, moves: tuple[Event, ...]) -> None:
    if moves:
        events = [Recorded(run.stream, state.version + n, move) for n, move in enumerate(moves, 1)]
        journal.append_once(seal(events))


def _required(job: Job) -> list[str]:
    """The columns without which no record can be valid; an alias may have other names for them."""
    return [
        name
        for name, field in job.model.model_fields.items()
        if field.is_required() and field.validation_alias is None and field.alias is None
    ]
