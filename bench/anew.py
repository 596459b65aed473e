"""Storno reading its events again: all views made anew, compared, or the books of a time."""

from __future__ import annotations

from collections.abc import Mapping

from storno import Store
from storno.storage import queries
from storno.storage.views.check import check
from storno.storage.views.rebuild import rebuild

from .task import BenchError, Task
from .timing import Stopwatch

LATER = 2**62
"""After every commit: the books of then are the books of now."""


def run(task: Task) -> tuple[float, float]:
    """Do what the leg is called, over a store that holds a run."""
    store = Store.open(task.url)
    watch = Stopwatch()
    with watch:
        _WAYS[task.leg](store)
    store.close()
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """Nothing is added to the events."""
    return {"SELECT count(*) FROM events WHERE topic = 'storno.RecordSucceeded.v1'": task.records}


def _rebuild(store: Store) -> None:
    rebuild(store.log)


def _check(store: Store) -> None:
    if check(store.log).total:
        raise BenchError("the views do not agree with the events")


def _books(store: Store) -> None:
    if not queries.balances(store, as_of=LATER):
        raise BenchError("there are no balances")


_WAYS = {"rebuild": _rebuild, "check": _check, "books": _books}
"""Leg to what it does."""
