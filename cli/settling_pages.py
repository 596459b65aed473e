"""What working dead letters off says: documents for scripts, pages for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..domain.codec import encode
from .letter_pages import write_changes
from .life import posted_text
from .render import count, counted, say, typed, write_fields, write_line
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..domain.errors import StornoError
    from ..execution.dead_letters import Edit, Retry
    from ..execution.retried import Tried
    from ..storage.queries import DeadLetterPlace

Document = dict[str, Any]


def edit_document(done: Edit, run: str, reason: str, *, dry_run: bool) -> Document:
    """What a correction does; ``retry`` is what a retry would come to, on a dry run."""
    document: Document = {
        "job": done.letter.place.job,
        "key": done.letter.name,
        "run": run,
        "record": done.letter.ordinal,
        "before": done.before,
        "after": done.after,
        "changed": list(done.changed),
        "moved_to": done.moved_to,
        "valid": done.faults is None,
        "faults": done.faults,
        "reason": reason,
        "dry_run": dry_run,
    }
    if done.tried is not None:
        document["retry"] = _tried_document(done.tried)
    return document


def _tried_document(tried: Tried) -> Document:
    """What came of a letter; ``entries`` are those that it would post, on a dry run."""
    letter = tried.letter
    document: Document = {
        "job": letter.place.job,
        "run": letter.place.run,
        "key": letter.name,
        "record": letter.ordinal,
        "outcome": tried.outcome,
        "error": tried.error or None,
        "message": tried.message or None,
        "moved_to": tried.moved_to,
    }
    if tried.outcome == "succeeded" and tried.event is not None:
        document["entries"] = json.loads(encode(tried.event)).get("entries", [])
    return document


def write_edit(document: Document) -> None:
    """The record before and after, and what to type next."""
    headline = "would be corrected" if document["dry_run"] else "corrected"
    write_line(f"{document['key']} of {document['run']} {headline}", style="bold")
    write_changes(document["before"], document["after"])
    facts = {"key from now on": document["moved_to"], "not valid": document["faults"]}
    if tried := document.get("retry"):
        facts["a retry"] = _what_comes(tried)
        facts["would post"] = _entries(tried)
    told = {name: value for name, value in facts.items() if value}
    if told:
        write_line()
        write_fields(told)
    if not document["dry_run"]:
        say("")
        say("Post it:")
        say(f"  {typed('dead-letters', 'retry', document['job'], document['key'])}")


def _what_comes(tried: Document) -> str:
    if tried["outcome"] in ("failed", "refused"):
        return f"would fail again, {tried['error']}: {tried['message']}"
    if tried["outcome"] == "skipped":
        return "would find it posted already, with the same content"
    return "would succeed"


def _entries(tried: Document) -> str:

    return "; ".join(map(posted_text, tried.get("entries", ())))


def retry_document(
    results: Sequence[Retry], refused: Sequence[tuple[str, StornoError]], *, dry_run: bool
) -> Document:
    """What came of all of them, and each with its outcome."""
    letters = [each for result in results for each in result.tried]
    outcomes = Counter(each.outcome for each in letters)
    errors = [{"run": str(each.run), "message": each.error} for each in results if each.error]
    errors += [{"run": run, "message": str(problem)} for run, problem in refused]
    return {
        "dry_run": dry_run,
        "tried": len(letters),
        **{name: outcomes[name] for name in ("succeeded", "skipped", "failed", "refused")},
        "interrupted": any(each.interrupted for each in results),
        "errors": errors,
        "letters": [*map(_tried_document, letters)],
    }


def write_retry(document: Document) -> None:
    """How many went through, and each that did not with its reason."""
    if not document["tried"] and not document["errors"]:
        say("No dead letters to try again.")
        return
    tried = counted(document["tried"], "dead letter")
    how = "tried out; nothing was written" if document["dry_run"] else "tried again"
    write_line(f"{tried} {how}", style="bold")
    write_line()
    names = ("succeeded", "skipped", "failed", "refused")
    write_fields(
        {name: count(document[name]) for name in names if document[name] or name in names[:1]}
    )
    left = [each for each in document["letters"] if each["error"]]
    if left:
        write_line()
        columns = (
            Column("run"),
            Column("key"),
            Column("error"),
            Column("message", wraps=True),
        )
        write_table(
            columns,
            [(each["run"], each["key"], each["error"], each["message"]) for each in left],
        )
    if document["dry_run"]:
        _write_would_post(document["letters"])
    for each in document["errors"]:
        say(f"{each['run']}: {each['message']}")


def _write_would_post(letters: Sequence[Document]) -> None:

    rows = [
        (each["run"], each["moved_to"] or each["key"], _what_comes(each), _entries(each))
        for each in letters
        if not each["error"]
    ]
    if rows:
        write_line()
        columns = (
            Column("run"),
            Column("key"),
            Column("a retry"),
            Column("entry", wraps=True),
        )
        write_table(columns, rows)


def say_what(places: Sequence[DeadLetterPlace]) -> None:
    """What would be given up: how many of each run with each error."""
    if not places:
        say("No dead letters.")
        return
    groups = Counter((place.run, place.error) for place in places)
    columns = (Column("run"), Column("error"), Column("count", right=True))
    write_table(columns, [(*group, str(number)) for group, number in sorted(groups.items())])
