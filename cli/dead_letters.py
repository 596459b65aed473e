"""``storno dead-letters``: records that failed for good and wait for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec.structs import asdict

from ..domain.errors import NotFoundError
from .errors import DONE
from .options import COMMON, Common, command, group, note
from .settling import discard, edit, retry

if TYPE_CHECKING:
    from ..storage.queries import DeadLetterGroup, DeadLetterRow

State = Literal["open", "corrected", "discarded", "resolved", "all"]


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
    state: Annotated[
        State | None, note("Open and corrected ones where not given", metavar="STATE")
    ] = None,
    by_error: Annotated[bool, note("One line for each job and error", name="--group")] = False,
    common: Common = COMMON,
) -> int:
    """List records that failed and wait for a person."""
    from ..storage import queries
    from .documents import letter_document
    from .find import find_letters_run
    from .opening import opened_documents
    from .render import write_json
    from .session import open_project, opened
    from .standing import say_if_no_letter

    with opened(open_project(common)) as store:
        chosen = {
            "run": find_letters_run(store, run) if run else None,
            "job": job,
            "error": error,
            "key": key,
        }
        states = _states(state)
        if by_error:
            groups = queries.dead_letter_groups(store, **chosen, states=states)
            if not groups:
                say_if_no_letter(store, job, error)
            _tell_groups(groups, json=common.json)
            return DONE
        letters = queries.dead_letters(store, **chosen, states=states)
        if not letters:
            say_if_no_letter(store, job, error)
        if common.json:
            write_json(opened_documents(store, [letter_document(letter) for letter in letters]))
            return DONE
    _write_letters(letters, names={"run": run is None, "state": state == "all"})
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

    Every time that it was tried is listed, and what was done about it. Where its key was posted
    with other content, both are shown.
    """
    from ..storage import queries
    from .documents import letter_key
    from .letter_pages import shown, write_letter
    from .render import write_json, write_line
    from .session import open_project, opened
    from .standing import refuse_unknown

    with opened(open_project(common)) as store:
        letters = queries.dead_letters(store, job=job, key=key, states=None)
        letters = letters or queries.dead_letters_once_of(store, job, key)
        if not letters:
            refuse_unknown(store, job)
            of_job = queries.dead_letters(store, job=job, states=None)
            raise no_letter(job, key, [letter_key(letter) for letter in of_job])
        documents = [shown(store, letter) for letter in letters]
    if common.json:
        write_json(documents)
    else:
        for number, document in enumerate(documents):
            if number:
                write_line()
            write_letter(document)
    return DONE


def no_letter(job: str, key: str, keys: list[str]) -> NotFoundError:
    """What is said of a key that has no dead letter; ``keys`` have."""
    from ..domain.suggest import did_you_mean
    from .render import typed

    return NotFoundError(
        f"job {job} has no dead letter for {key!r}.{did_you_mean(key, keys)} "
        f"See {typed('dead-letters', 'list', '--job', job, '--state', 'all')}."
    )


def _states(state: State | None) -> Sequence[str] | None:
    """The states that are meant; None for all of them."""
    from ..storage.queries import WAITING

    if state is None:
        return WAITING
    return None if state == "all" else (state,)


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


dead_letters = group(
    "dead-letters",
    "List and show records that failed and wait; correct, retry and discard them.",
    list_letters,
    show_letter,
    edit,
    retry,
    discard,
)
