"""``storno audit replay``: the views as they stood, from the events alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

from ..domain.errors import UsageError
from .errors import DONE
from .options import COMMON, Common, command, note
from .views import View

if TYPE_CHECKING:
    from ..storage.queries import Past
    from ..storage.store import Store
    from ..storage.views.replay import Reach

Document = dict[str, Any]

_JSON: Final = frozenset(
    {"parameters", "source", "payload", "scope", "first_offset", "next_offset"}
)
"""Columns that hold JSON."""

_AMOUNTS: Final = ("debit", "credit")


@command(
    "replay",
    "storno audit replay --as-of 2026-03-05",
    "storno audit replay --as-of 2026-03-05T18:00:00Z --view dead_letters",
    "storno audit replay --at 20480 --view runs --json",
)
def replay(
    *,
    as_of: Annotated[
        str | None, note("As it was then: a time, or the end of a day (UTC)", metavar="T")
    ] = None,
    at: Annotated[
        int | None,
        note("As it was with the commit that holds this event", metavar="POSITION"),
    ] = None,
    view: Annotated[View | None, note("The rows of this view, a line of JSON each")] = None,
    common: Common = COMMON,
) -> int:
    """Make the views from the events alone, as they stood at a moment, and show them.

    The live views are neither read nor touched.
    """
    from ..storage import queries
    from .progress import steps
    from .session import open_project, opened

    if as_of is not None and at is not None:
        raise UsageError("--as-of and --at both name a moment: give one of them.")
    with opened(open_project(common)) as store:
        moment = _moment(store, as_of, at)
        with steps("replaying the events") as step, queries.past(store, moment, step) as past:
            if view is None:
                _summary(past, json=common.json)
            else:
                _write_rows(_documents(past, view), json=common.json)
    return DONE


def _moment(store: Store, as_of: str | None, at: int | None) -> Reach:
    from ..storage import queries
    from .moments import parse_as_of

    time = parse_as_of(as_of, "--as-of", now=dt.datetime.now(dt.UTC)) if as_of else None
    return queries.moment_of(store, as_of=time, position=at)


def _summary(past: Past, *, json: bool) -> None:
    from .render import clock, count, counted, moment, say, write_json
    from .tables import Column, write_table

    number, position, recorded_at = past.at
    rows = past.counts()
    if json:
        recorded = moment(recorded_at) if number else None
        write_json({"commit": number, "position": position, "recorded": recorded, "rows": rows})
        return
    columns = (Column("view"), Column("rows", right=True))
    write_table(columns, [(view, count(number)) for view, number in rows.items()])
    if number:
        events = f"{counted(position, 'event')} in {counted(number, 'commit')}"
        say(f"As of {clock(recorded_at)}, after {events}.")
    else:
        say("Nothing was recorded by then.")


def _documents(past: Past, view: str) -> Iterator[Document]:
    return map(_document, past.rows(view))


def _document(row: Document) -> Document:
    """A row for scripts: amounts and times as text, JSON as what it says."""
    from ..domain.money import format_minor
    from .render import moment

    document = dict(row)
    for name, value in row.items():
        if value is None:
            continue
        if name.endswith("_at"):
            document[name] = moment(value)
        elif name in _JSON:
            document[name] = json.loads(value)
        elif name in _AMOUNTS:
            document[name] = format_minor(value, row["exponent"])
    return document


def _write_rows(documents: Iterator[Document], *, json: bool) -> None:
    from .render import write_json_line, write_json_list

    if json:
        write_json_list(documents)
        return
    for document in documents:
        write_json_line(document)
