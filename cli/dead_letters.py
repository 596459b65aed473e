"""``storno dead-letters``: records that failed for good and wait for a person."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..domain.errors import NotFoundError
from .errors import DONE
from .options import COMMON, Common, command, group, note

if TYPE_CHECKING:
    from ..storage.queries import DeadLetterGroup, DeadLetterRow
    from ..storage.store import Store

State = Literal["open", "resolved", "all"]


@command(
    "list",
    "storno dead-letters list",
    "storno dead-letters list --run last",
    "storno dead-letters list --job payments --error key-conflict --json",
    "storno dead-letters list --group",
)
def list_letters(
    *,
    run: Annotated[
        str | None, note("Only of this run: its name, the start of it, or last", metavar="RUN")
    ] = None,
    job: Annotated[str | None, note("Only of this job", metavar="NAME")] = None,
    error: Annotated[
        str | None, note("Only with this error: invalid-record, key-conflict, ...", metavar="CODE")
    ] = None,
    key: Annotated[str | None, note("Only of this key", metavar="KEY")] = None,
    state: Annotated[State, note("Open ones where not given", metavar="STATE")] = "open",
    by_error: Annotated[bool, note("One line for each job and error", name="--group")] = False,
    common: Common = COMMON,
) -> int:
    """List records that failed and wait for a person."""
    from ..storage import queries
    from .documents import letter_document
    from .find import find_run
    from .render import write_json
    from .session import open_project, opened
    from .standing import say_if_unknown

    with opened(open_project(common)) as store:
        chosen = {
            "run": find_run(store, run).row.run if run else None,
            "job": job,
            "error": error,
            "key": key,
            "state": None if state == "all" else state,
        }
        if by_error:
            _tell_groups(queries.dead_letter_groups(store, **chosen), json=common.json)
            return DONE
        letters = queries.dead_letters(store, **chosen)
        if not letters:
            say_if_unknown(store, job)
    if common.json:
        write_json([letter_document(letter) for letter in letters])
    else:
        _write_letters(letters, names={"run": run is None, "state": state != "open"})
    return DONE


@command("show", "storno dead-letters show payments P00057")
def show_letter(
    job: Annotated[str, note("The job's name")],
    key: Annotated[str, note("The record's key, as the list shows it")],
    /,
    *,
    common: Common = COMMON,
) -> int:
    """Show what is known of a record that failed: why, where in the input, and what it held.

    Where its key was posted with other content, both are shown.
    """
    from ..storage import queries
    from .documents import letter_document, letter_key
    from .render import write_json, write_line
    from .session import open_project, opened
    from .standing import refuse_unknown

    with opened(open_project(common)) as store:
        letters = queries.dead_letters(store, job=job, key=key, state=None)
        if not letters:
            refuse_unknown(store, job)
            of_job = queries.dead_letters(store, job=job, state=None)
            raise _no_letter(job, key, [letter_key(letter) for letter in of_job])
        shown = [letter_document(letter) | _posted(store, letter) for letter in letters]
    if common.json:
        write_json(shown)
    else:
        for number, document in enumerate(shown):
            if number:
                write_line()
            _write_letter(document)
    return DONE


def _no_letter(job: str, key: str, keys: list[str]) -> NotFoundError:
    from ..domain.suggest import did_you_mean
    from .render import typed

    return NotFoundError(
        f"job {job} has no dead letter for {key!r}.{did_you_mean(key, keys)} "
        f"See {typed('dead-letters', 'list', '--job', job, '--state', 'all')}."
    )


def _posted(store: Store, letter: DeadLetterRow) -> dict[str, Any]:
    """The record that was posted under the same key, where the failure is a conflict with it."""
    if letter.posted_version is None:
        return {}
    from ..domain.codec import decode
    from ..domain.events import RecordSucceeded

    rows = store.log.read_stream(letter.stream, after_version=letter.posted_version - 1)
    event = decode(rows[0].topic, rows[0].state)
    assert isinstance(event, RecordSucceeded), "a conflict is with a posting"
    return {"posted": json.loads(bytes(event.record)), "posted_by": f"{letter.job}/{event.run}"}


def _write_letters(letters: list[DeadLetterRow], *, names: dict[str, bool]) -> None:
    """The letters as a table; ``names`` says which columns differ from row to row."""
    from .documents import letter_key
    from .render import counted, say, typed
    from .tables import Column, write_table

    if not letters:
        say("No dead letters.")
        return
    shown = [name for name, differs in names.items() if differs]
    columns = (
        Column("job"),
        Column("key"),
        *(Column(name, states=name == "state") for name in shown),
        Column("error"),
        Column("message", wraps=True),
    )
    rows = [
        (
            each.job,
            letter_key(each),
            *(str(getattr(each, name)) for name in shown),
            each.error,
            each.message,
        )
        for each in letters
    ]
    write_table(columns, rows)
    first = letters[0]
    say("")
    say(f"{counted(len(letters), 'dead letter')}. See one whole:")
    say(f"  {typed('dead-letters', 'show', first.job, letter_key(first))}")


def _tell_groups(groups: list[DeadLetterGroup], *, json: bool) -> None:
    from .render import count, write_json
    from .tables import Column, write_table

    if json:
        write_json([asdict(group) for group in groups])
        return
    columns = (
        Column("job"),
        Column("error"),
        Column("count", right=True),
        Column("one of the messages", wraps=True),
    )
    rows = [(each.job, each.error, count(each.count), each.message) for each in groups]
    write_table(columns, rows)


def _write_letter(document: dict[str, Any]) -> None:
    from .render import clock_text, write_fields

    shown = document | {"failed": clock_text(document["failed"])}
    facts = (
        "job",
        "key",
        "run",
        "record",
        "location",
        "error",
        "message",
        "attempts",
        "failed",
        "state",
    )
    write_fields({name: str(shown[name]) for name in facts})
    posted = document.get("posted")
    if posted is None:
        _write_values("payload", document["payload"])
    else:
        _write_both(document["payload"], posted, document["posted_by"])


def _write_values(title: str, values: Any) -> None:
    from .render import as_text, write_fields, write_line

    write_line()
    write_line(title, style="bold")
    if isinstance(values, dict) and values:
        write_fields({f"  {name}": as_text(value) for name, value in values.items()})
    else:
        write_line(f"  {as_text(values)}")


def _write_both(failed: Any, posted: dict[str, Any], posted_by: str) -> None:
    """What was posted beside what failed; fields that differ are marked."""
    from .render import as_text, write_line
    from .tables import Column, write_table

    values = failed if isinstance(failed, dict) else {}
    names = dict.fromkeys((*posted, *values))
    write_line()
    write_table(
        (
            Column(""),
            Column("field"),
            Column(f"posted by run {posted_by}", wraps=True),
            Column("this record", wraps=True),
        ),
        [
            (
                "" if posted.get(name) == values.get(name) else "!",
                name,
                as_text(posted.get(name, "")),
                as_text(values.get(name, "")),
            )
            for name in names
        ],
    )


dead_letters = group(
    "dead-letters", "List and show records that failed and wait.", list_letters, show_letter
)
