"""``storno status`` and ``storno watch``: how runs stand, once or until they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from .errors import DONE
from .options import COMMON, Common, command, note
from .reasons import why

if TYPE_CHECKING:
    from .tables import Column

Word = Annotated[
    str | None, note("A run, the start of one, or last; all that are not finished where not given")
]


@command(
    "status",
    "storno status",
    "storno status payments/2026-01 --json",
    usage="[OPTIONS] [RUN]",
)
def status(run: Word = None, /, *, common: Common = COMMON) -> int:
    """Say how a run stands, or all that are running, stopped, failed or being reversed."""
    from .render import say, write_json
    from .session import open_project, opened
    from .standing import unfinished

    with opened(open_project(common)) as store:
        states = unfinished(store, run)
    if common.json:
        write_json(states[0] if run else states)
    elif states:
        write_states(states)
    else:
        say("No run is running, stopped, failed or being reversed.")
    return DONE


@command(
    "watch",
    "storno watch",
    "storno watch payments/2026-01",
    "storno watch --json > runs.ndjson",
    usage="[OPTIONS] [RUN]",
)
def watch(
    run: Word = None,
    /,
    *,
    every: Annotated[
        float, note("Look every so many seconds; 1 where not given", metavar="S")
    ] = 1.0,
    common: Common = COMMON,
) -> int:
    """Follow a run, or all that are running, until none is.

    On a terminal the picture is drawn anew; else, and with --json, there is a line for each change.
    """
    from ..domain.errors import UsageError
    from .session import open_project, opened
    from .watching import follow

    if every <= 0:
        raise UsageError("--every needs a number of seconds above zero.")
    with opened(open_project(common)) as store:
        follow(store, run, every_seconds=every, json=common.json)
    return DONE


def write_states(states: list[dict[str, Any]]) -> None:
    """How the runs stand, and what to do about those that stand still."""
    from .render import say, typed
    from .tables import write_table

    write_table(*states_table(states))
    for each in states:
        if each["alive"] is False or each["state"] in ("stopped", "failed"):
            say(f"Go on with it: {typed('resume', each['run'])}")
        elif each["state"] == "reversing":
            say(f"What becomes of it: {typed('reverse', 'show', each['reversal'])}")


def states_table(
    states: list[dict[str, Any]],
) -> tuple[tuple[Column, ...], list[tuple[str, ...]]]:
    """Columns and rows."""
    from .pages import REVERSED, counts
    from .render import count, duration
    from .tables import Column

    shown = (REVERSED,) if any(each["reversed"] for each in states) else ()
    columns = (
        Column("run"),
        Column("state", states=True),
        Column("done", right=True),
        Column("read", right=True),
        Column("failed", right=True),
        *shown,
        Column("for", right=True, spare=1),
        Column("why", wraps=True),
    )
    rows: list[tuple[str, ...]] = [
        (
            each["run"],
            each["state"],
            f"{each['percent']:.0f}%" if each["percent"] is not None else "-",
            count(each["read"]),
            count(each["failed"]),
            *counts(each, shown),
            duration(each["seconds"]),
            _why(each),
        )
        for each in states
    ]
    return columns, rows


def _why(state: dict[str, Any]) -> str:
    if state["alive"] is False:
        return "its process is gone"
    if state["stop_requested"]:
        return f"asked to stop: {state['stop_requested']}"
    if state["state"] == "reversing":
        return f"reversal {state['reversal']} takes back what it posted"
    return why(state["state"], state["message"])
