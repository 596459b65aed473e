"""``storno runs``: the runs, newest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from .errors import DONE
from .options import COMMON, Common, at_least_one, command, note

State = Literal[
    "running",
    "stopped",
    "failed",
    "completed",
    "abandoned",
    "reversing",
    "partly-reversed",
    "reversed",
]

NEWEST = 20


@command(
    "runs",
    "storno runs",
    "storno runs --job payments --state failed",
    "storno runs --since 7d --json",
)
def runs(
    *,
    job: Annotated[str | None, note("Only runs of this job", metavar="NAME")] = None,
    state: Annotated[State | None, note("Only runs in this state", metavar="STATE")] = None,
    since: Annotated[
        str | None, note("Only runs started since a day, a time, or 2h or 7d ago", metavar="T")
    ] = None,
    limit: Annotated[int, note("At most so many; 20 where not given", metavar="N")] = NEWEST,
    common: Common = COMMON,
) -> int:
    """List runs, newest first."""
    from ..storage import queries
    from .moments import parse_moment
    from .render import say, write_json
    from .session import open_project, opened
    from .standing import say_if_unknown, say_what_is_dead, standing

    started = parse_moment(since, "--since", now=dt.datetime.now(dt.UTC)) if since else None
    at_least_one(limit)
    with opened(open_project(common)) as store:
        rows = queries.runs(store, job=job, state=state, since=started, limit=limit + 1)
        documents = [standing(store, row) for row in rows[:limit]]
        if not rows:
            say_if_unknown(store, job)
    if common.json:
        write_json(documents)
    else:
        write_runs(documents)
        say_what_is_dead(documents)
    if len(rows) > limit:
        say(f"There are more than these {limit}: --limit shows them.")
    return DONE


def write_runs(documents: Sequence[dict[str, Any]]) -> None:
    """The runs as a table."""
    from .pages import count_columns, counts
    from .render import clock_text, duration, say
    from .tables import Column, write_table

    if not documents:
        say("No runs.")
        return
    shown = count_columns(documents)
    columns = (
        Column("run"),
        Column("state", states=True),
        *shown,
        Column("attempts", right=True, spare=2),
        Column("started", spare=1),
        Column("took", right=True),
    )
    rows = [
        (
            each["run"],
            each["state"],
            *counts(each, shown),
            str(each["attempt"]),
            clock_text(each["started"]),
            duration(each["seconds"]),
        )
        for each in documents
    ]
    write_table(columns, rows)
