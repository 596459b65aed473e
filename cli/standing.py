"""How a run stands at this moment: its document, its progress, and whether its process lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.errors import NotFoundError
from ..domain.ids import ReversalId, RunId
from ..domain.suggest import did_you_mean
from ..execution.holding import is_held
from ..execution.journal import Journal
from ..storage import queries
from .documents import run_document, seconds_between
from .find import find_run
from .render import say, typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..storage.queries import AttemptRow, RunRow
    from ..storage.store import Store

Document = dict[str, Any]
UNFINISHED = ("running", "stopped", "failed", "reversing")


def standing(store: Store, row: RunRow) -> Document:
    """The run's document, with what changes by itself.

    ``seconds`` is how long its attempts worked, without the time between them; ``percent`` is None
    without a size, ``alive`` where the run is not running.
    """
    percent = None
    if row.size and row.position is not None:
        percent = round(min(100.0, 100 * row.position / row.size), 1)
    alive = _is_alive(store, row.run) if row.state == "running" else None
    seconds = _worked_seconds(store, row.run)
    return run_document(row) | {"seconds": seconds, "percent": percent, "alive": alive}


def unfinished(store: Store, word: str | None) -> list[Document]:
    """The run that a word names; without one all that are not finished."""
    if word is not None:
        return [standing(store, find_run(store, word).row)]
    return [standing(store, row) for row in queries.runs(store, states=UNFINISHED)]


def say_what_is_dead(documents: Iterable[Document]) -> None:
    """Name the runs that have no process any more, and how to go on with them."""
    for document in documents:
        if document["alive"] is False:
            name = document["run"]
            say(f"The process of {name} is gone. Go on with it: {typed('resume', name)}")


def say_if_unknown(store: Store, job: str | None) -> None:
    """A filter that finds nothing may be mistyped."""
    if job is not None and (unknown := _unknown(store, job)):
        say(unknown)


def say_if_no_letter(store: Store, job: str | None, error: str | None) -> None:
    """Filters that find no dead letter may be mistyped: of a job, or of an error."""
    say_if_unknown(store, job)
    known = {each.error for each in queries.dead_letter_groups(store, states=None)}
    if error is not None and known and error not in known:
        say(f"No dead letter here has the error {error!r}.{did_you_mean(error, known)}")


def refuse_unknown(store: Store, job: str) -> None:
    """A job that never ran has no records.

    Raises:
        NotFoundError: it never ran in this store.
    """
    if unknown := _unknown(store, job):
        raise NotFoundError(unknown)


def _unknown(store: Store, job: str) -> str | None:
    if queries.runs(store, job=job, limit=1):
        return None
    known = {row.job for row in queries.runs(store)}
    return f"No job {job!r} ever ran in this store.{did_you_mean(job, known)}"


def _worked_seconds(store: Store, run: str) -> float:
    return round(sum(_attempt_seconds(store, each) for each in queries.attempts(store, run)), 3)


def _attempt_seconds(store: Store, attempt: AttemptRow) -> float:
    """How long an attempt worked; one that never said its end did until its last commit."""
    end = attempt.ended_at
    if attempt.state in ("running", "taken-over"):
        commits = [
            chunk.completed_at
            for chunk in queries.chunks(store, attempt.run)
            if chunk.attempt == attempt.attempt and chunk.completed_at is not None
        ]
        end = max(commits, default=attempt.started_at)
    return seconds_between(attempt.started_at, end) or 0.0


def is_reversal_alive(store: Store, name: str) -> bool:
    """Whether a running reversal has a process."""
    journal = Journal(store)
    return is_held(journal, ReversalId(name), journal.reversal(name))


def _is_alive(store: Store, run: str) -> bool:
    journal = Journal(store)
    name = RunId.parse(run)
    return is_held(journal, name, journal.run(name))
