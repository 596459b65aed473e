"""The views against the events, told as problems of the store."""

from __future__ import annotations

from ..log import EventLog
from ..views.check import Difference, check
from ..views.replay import Progress
from .problems import Problem


def view_problems(log: EventLog, progress: Progress | None = None) -> tuple[list[Problem], int]:
    """What the views say otherwise than the events: the first hundred, and how many there are.

    Only for a log that holds: its events are read, and folded, in their order.

    Raises:
        StoreError: the store cannot be reached, or has events or views that this version cannot
            read.
    """
    comparison = check(log, progress)
    return [_problem(each) for each in comparison.differences], comparison.total


def _problem(difference: Difference) -> Problem:
    key = " ".join(map(str, difference.key.values()))
    if difference.column is None:
        found = (
            "the view has no such row"
            if difference.live is None
            else "a row that the events do not account for"
        )
    else:
        found = f"{difference.column} is {difference.live}, and by the events {difference.rebuilt}"
    return Problem(field="views", message=f"{difference.view} {key}: {found}")
