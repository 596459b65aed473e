"""``storno runs``: the runs, newest first."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal

from .errors import DONE
from .options import COMMON, Common, command, note

if TYPE_CHECKING:
    from ..storage.queries import RunRow

State = Literal["running", "stopped", "failed", "completed", "abandoned"]


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
    limit: Annotated[int, note("At most so many; 20 where not given", metavar="N")] = 20,
    common: Common = COMMON,
) -> int:
    """List runs, newest first."""
    from ..storage import queries
    from .documents import run_document
    from .moments import parse_moment
    from .render import write_json
    from .session import open_project, opened

    started = parse_moment(since, "--since", now=dt.datetime.now(dt.UTC)) if since else None
    with opened(open_project(common)) as store:
        rows = queries.runs(store, job=job, state=state, since=started, limit=limit)
    if common.json:
        write_json([run_document(row) for row in rows])
    else:
        write_runs(rows)
    return DONE


def write_runs(rows: list[RunRow]) -> None:
    """The runs as a table."""
    from .documents import seconds_between
    from .render import Column, clock, count, duration, say, write_table

    if not rows:
        say("No runs.")
        return
    columns = (
        Column("run"),
        Column("state", states=True),
        Column("read", right=True),
        Column("failed", right=True),
        Column("attempts", right=True),
        Column("started"),
        Column("took", right=True),
    )
    write_table(
        columns,
        [
            (
                row.run,
                row.state,
                count(row.read),
                count(row.failed),
                str(row.attempt),
                clock(row.started_at),
                duration(seconds_between(row.started_at, row.ended_at)),
            )
            for row in rows
        ],
    )
