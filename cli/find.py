"""Finding the run that somebody means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..domain.dead_letter import of_reversal
from ..domain.errors import NotFoundError, UsageError
from ..domain.ids import RunId
from ..domain.suggest import did_you_mean
from ..storage import queries

if TYPE_CHECKING:
    from ..storage.queries import RunRow
    from ..storage.store import Store

LAST = "last"
SHOWN = 5


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that was meant."""

    row: RunRow

    @property
    def id(self) -> RunId:
        """Its name."""
        return RunId(self.row.job, self.row.name)

    @property
    def job(self) -> str:
        """Its job's name."""
        return self.row.job

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.row.state

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was started with."""
        parameters: dict[str, Any] = json.loads(self.row.parameters)
        return parameters


def find_letters_run(store: Store, word: str) -> str:
    """What dead letters are of: a run as ``find_run`` knows it, or ``reversal/<id>``.

    Raises:
        NotFoundError: there is neither.
        UsageError: several runs begin so.
    """
    _, _, name = word.partition("/")
    if of_reversal(name) == word:  # no job has this name
        return of_reversal(queries.reversal(store, name).reversal)
    return find_run(store, word).row.run


def find_run(store: Store, word: str) -> FoundRun:
    """The run that a word names: ``<job>/<run>``, an unambiguous start of it, or ``last``.

    Raises:
        NotFoundError: there is none.
        UsageError: several begin so.
    """
    meant = queries.runs(store, limit=1) if word == LAST else queries.runs(store, start=word)
    for row in meant:
        if row.run == word:
            return FoundRun(row)
    if len(meant) == 1:
        return FoundRun(meant[0])
    if meant:
        listed = ", ".join(row.run for row in meant[:SHOWN])
        more = f" and {len(meant) - SHOWN} more" if len(meant) > SHOWN else ""
        raise UsageError(f"{len(meant)} runs begin with {word!r}: {listed}{more}. Write on.")
    known = [row.run for row in queries.runs(store)]
    if not known:
        raise NotFoundError("there are no runs yet: start one with storno run JOB.")
    raise NotFoundError(
        f"there is no run {word!r}.{did_you_mean(word, known)} See storno runs for all of them."
    )
