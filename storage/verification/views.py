"""The views against the events, told as problems of the store."""

from __future__ import annotations

from ...domain.codec import decode
from ...domain.errors import StoreError, StoreUnavailableError
from ..log import EventLog
from ..views.check import Difference, check
from ..views.replay import Progress
from .problems import Problem
from .streams import commit_of


def view_problems(log: EventLog, progress: Progress | None = None) -> tuple[list[Problem], int]:
    """What the views say otherwise than the events: the first hundred, and how many there are.

    Only for a log that holds: its events are read, and folded, in their order. An event that this
    version cannot read is named; then nothing was compared.

    Raises:
        StoreError: the store cannot be reached, or has no views that this version reads.
    """
    try:
        comparison = check(log, progress)
    except StoreUnavailableError:
        raise
    except StoreError:
        unreadable = _first_unreadable(log)
        if unreadable is None:
            raise
        return [unreadable], 1
    return [_problem(each) for each in comparison.differences], comparison.total


def _first_unreadable(log: EventLog) -> Problem | None:
    position = 0
    while rows := log.read_log(after_position=position):
        for row in rows:
            try:
                decode(row.topic, row.state)
            except StoreError as error:
                with log.engine.connect() as connection:
                    commit = commit_of(connection, log.tables, row.position)
                return Problem(
                    field="state", message=str(error), commit=commit,
                    position=row.position, stream=row.stream, version=row.version,
                )  # fmt: skip
        position = rows[-1].position
    return None


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
