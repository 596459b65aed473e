"""``storno show``: one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ..domain.errors import UsageError
from .control import RunWord
from .errors import DONE
from .options import COMMON, Common, at_least_one, command, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..storage.store import Store

EVENTS_SHOWN = 1_000
"""So many events a table shows where nothing else is said."""


@command(
    "show",
    "storno show payments/2026-01",
    "storno show last --failed",
    "storno show last --chunks --json",
    "storno show payments/2026-01 --events --after 20480 --limit 500",
)
def show(
    run: RunWord,
    /,
    *,
    chunks: Annotated[bool, note("Its chunks, with their outcomes")] = False,
    events: Annotated[
        bool, note("The events of the run, its chunks, its reversals, and acts on its dead letters")
    ] = False,
    failed: Annotated[bool, note("What failed: chunks, and records as dead letters")] = False,
    after: Annotated[
        int, note("Only events behind this position of the log", metavar="POSITION")
    ] = 0,
    limit: Annotated[
        int | None,
        note("At most so many events; where not given 1000, all with --json", metavar="N"),
    ] = None,
    common: Common = COMMON,
) -> int:
    """Show one run: its state, counts and attempts."""
    from .find import find_run
    from .render import write_json, write_json_ending
    from .session import open_project, opened

    if (after or limit is not None) and not events:
        raise UsageError("--after and --limit are about events: add --events.")
    at_least_one(limit)
    shown = limit if limit is not None or common.json else EVENTS_SHOWN
    with opened(open_project(common)) as store:
        row = find_run(store, run).row
        document = _document(store, row.run, chunks=chunks, failed=failed)
        found = _Events(store, row.run, after, shown) if events else None
        if not common.json:
            _write(document, found)
        elif found is None:
            write_json(document)
        else:
            write_json_ending(document, "events", found)
    if found is not None and found.more:
        _say_how_to_go_on(row.run, found.last)
    return DONE


class _Events:
    """A run's events, read as they are written: there may be many.

    Attributes:
        last: the position of the last one that was given.
        more: whether there are some behind it that were not asked for; known at the end.
    """

    def __init__(self, store: Store, run: str, after: int, limit: int | None) -> None:
        from ..storage import queries

        self.last, self.more = after, False
        self._store, self._limit = store, limit
        self._found = queries.run_events(store, run, after=after)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from itertools import islice

        from . import documents
        from .opening import opened_in_turn

        wanted = map(documents.event_document, islice(self._found, self._limit))
        for document in opened_in_turn(self._store, wanted):
            self.last = document["position"]
            yield document
        self.more = next(self._found, None) is not None


def _say_how_to_go_on(run: str, last: int) -> None:
    from .render import say, typed

    again = typed("show", run, "--events", "--after", str(last))
    say(f"There are more events. Go on: {again}")


def _document(store: Store, run: str, *, chunks: bool, failed: bool) -> dict[str, Any]:
    from ..storage import queries
    from . import documents
    from .opening import opened_documents
    from .reversal_pages import reversal_document
    from .standing import standing

    document = standing(store, queries.run(store, run))
    document["attempts"] = [*map(documents.attempt_document, queries.attempts(store, run))]
    # Run again, its counts begin anew: what was taken back before stands here alone.
    document["reversals"] = [*map(reversal_document, reversed(queries.reversals(store, run=run)))]
    if chunks or failed:
        listed = [*map(documents.chunk_document, queries.chunks(store, run))]
        if chunks:
            document["chunk_list"] = listed
        if failed:
            document["failed_chunks"] = [each for each in listed if each["status"] == "failed"]
            letters = queries.dead_letters(store, run=run)
            found = [*map(documents.letter_document, letters)]
            document["dead_letters"] = opened_documents(store, found)
    return document


def _write(document: dict[str, Any], events: _Events | None) -> None:
    from . import pages
    from .render import write_line
    from .standing import say_what_is_dead

    pages.write_run(document)
    parts = (
        ("Attempts", document["attempts"], pages.write_attempts),
        ("Reversals", document["reversals"] or None, pages.write_reversals_of),
        ("Chunks", document.get("chunk_list"), pages.write_chunks),
        ("Failed chunks", document.get("failed_chunks"), pages.write_failed_chunks),
        ("Dead letters", document.get("dead_letters"), pages.write_dead_letters),
        ("Events", None if events is None else [*events], pages.write_events),
    )
    for title, rows, write in parts:
        if rows is not None:
            write_line()
            write_line(title, style="bold")
            write(rows)
    say_what_is_dead([document])
