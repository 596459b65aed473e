"""Putting a preparer together: whoever works on records, the job's function is called alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..domain.entry import Chart, PostingRules
from ..domain.ids import RunId
from ..domain.record import Record
from .context import Context
from .isolation import Isolated
from .job import Job, Parameters
from .journal import Journal
from .personal import Privacy
from .watchdog import Watchdog

SQLITE_WRITES_SECONDS = 10.0
"""How long a chunk of a job that writes rows may keep a whole SQLite database to itself."""


def parts(
    journal: Journal,
    job: Job,
    run: RunId,
    parameters: Parameters,
    attempt: int,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """What every preparer has, by name: the job's function, and what limits its calls.

    Args:
        dry_run: nothing is written, no key of a person either.
    """
    context = _context(job, run, parameters, attempt) if job.takes_context else None
    call = caller(job.function, context)
    seconds = job.chunk_seconds
    if job.writes and journal.is_sqlite:
        seconds = min(seconds or SQLITE_WRITES_SECONDS, SQLITE_WRITES_SECONDS)
    probe = in_own_transaction(journal, call, context) if job.writes else call
    return {
        "job": job,
        "attempt": attempt,
        "call": call,
        "isolated": Isolated(probe, job.record_seconds, context),
        "context": context,
        "watchdog": Watchdog(job.record_seconds),
        "clock": time.monotonic,
        "chunk_seconds": seconds,
        "privacy": Privacy.of(journal, job, lasting=not dry_run),
    }


def posting_rules(journal: Journal, job: Job, chart: Chart) -> PostingRules:
    """What the job says about its entries, and the periods as they stand now."""
    return PostingRules(job.book, job.rounding, chart, job.closed_period, journal.calendar())


def _context(job: Job, run: RunId, parameters: Parameters, attempt: int) -> Context:
    import structlog  # brings a console renderer along; only jobs that log need it

    logger = structlog.get_logger().bind(run=str(run), attempt=attempt)
    return Context(
        job=job.name, run=str(run), parameters=parameters, attempt=attempt, logger=logger
    )


def caller(function: Callable[..., Any], context: Context | None) -> Callable[[Record], Any]:
    """Calls the job's function on a record, with the context where it takes one."""
    return function if context is None else lambda record: function(record, context)


def in_own_transaction(
    journal: Journal, call: Callable[[Record], Any], context: Context | None
) -> Callable[[Record], Any]:
    """Calls with a connection of its own, and takes back what that wrote: for a forked process."""

    def probe(record: Record) -> Any:
        with journal.elsewhere().transaction() as connection:
            if context is not None:
                context.use(connection)
            call(record)

    return probe
