"""``storno show``: one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from .control import RunWord
from .errors import DONE
from .options import COMMON, Common, command, note

if TYPE_CHECKING:
    from ..storage.store import Store


@command(
    "show",
    "storno show payments/2026-01",
    "storno show last --failed",
    "storno show last --chunks --json",
)
def show(
    run: RunWord,
    /,
    *,
    chunks: Annotated[bool, note("Its chunks, with their outcomes")] = False,
    events: Annotated[bool, note("The events of the run and of its chunks, in order")] = False,
    failed: Annotated[bool, note("What failed: chunks, and records as dead letters")] = False,
    common: Common = COMMON,
) -> int:
    """Show one run: its state, counts and attempts."""
    from .find import find_run
    from .render import write_json
    from .session import open_project, opened
    from .standing import say_what_is_dead

    with opened(open_project(common)) as store:
        row = find_run(store, run).row
        document = _document(store, row.run, chunks=chunks, events=events, failed=failed)
    if common.json:
        write_json(document)
    else:
        _write(document)
        say_what_is_dead([document])
    return DONE


def _document(
    store: Store, run: str, *, chunks: bool, events: bool, failed: bool
) -> dict[str, Any]:
    from ..storage import queries
    from . import documents
    from .opening import opened_documents
    from .standing import standing

    document = standing(store, queries.run(store, run))
    document["attempts"] = [*map(documents.attempt_document, queries.attempts(store, run))]
    if chunks or failed:
        listed = [*map(documents.chunk_document, queries.chunks(store, run))]
        if chunks:
            document["chunk_list"] = listed
        if failed:
            document["failed_chunks"] = [each for each in listed if each["status"] == "failed"]
            letters = queries.dead_letters(store, run=run)
            found = [*map(documents.letter_document, letters)]
            document["dead_letters"] = opened_documents(store, found)
    if events:
        document["events"] = [*map(documents.event_document, queries.run_events(store, run))]
    return document


def _write(document: dict[str, Any]) -> None:
    from . import pages
    from .render import write_line

    pages.write_run(document)
    parts = (
        ("Attempts", document["attempts"], pages.write_attempts),
        ("Chunks", document.get("chunk_list"), pages.write_chunks),
        ("Failed chunks", document.get("failed_chunks"), pages.write_failed_chunks),
        ("Dead letters", document.get("dead_letters"), pages.write_dead_letters),
        ("Events", document.get("events"), pages.write_events),
    )
    for title, rows, write in parts:
        if rows is not None:
            write_line()
            write_line(title, style="bold")
            write(rows)
