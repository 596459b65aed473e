"""One dead letter, for ``storno dead-letters show``: as a document, and as a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..domain.codec import decode
from ..domain.events import (
    RecordAttempted,
    RecordEvent,
    RecordFailed,
    RecordReversed,
    RecordSucceeded,
)
from ..domain.ids import record_stream
from ..storage import queries
from ..storage.queries.acts import Responsible
from .documents import event_document, letter_document
from .opening import opened_documents
from .render import as_text, clock_text, write_fields, write_line
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..storage.queries import DeadLetterRow, RecordedEvent
    from ..storage.store import Store

Document = dict[str, Any]


def shown(store: Store, letter: DeadLetterRow) -> Document:
    """The letter's document, with its history and the posting that a conflict is with."""
    responsible = Responsible(store)
    history = [_happened(each, responsible) for each in _events(store, letter)]
    document = letter_document(letter) | _posted(store, letter) | {"history": history}
    return opened_documents(store, [document])[0]


def _posted(store: Store, letter: DeadLetterRow) -> Document:
    """The record that was posted under the same key, where the failure is a conflict with it."""
    of_run = letter.run.startswith(f"{letter.job}/")
    if letter.posted_version is None or not of_run:
        return {}
    rows = store.log.read_stream(letter.stream, after_version=letter.posted_version - 1)
    event = decode(rows[0].topic, rows[0].state)
    assert isinstance(event, RecordSucceeded), "a conflict is with a posting"
    return {"posted": json.loads(bytes(event.record)), "posted_by": f"{letter.job}/{event.run}"}


def _events(store: Store, letter: DeadLetterRow) -> list[RecordedEvent]:
    """All that happened to the letter's record, under every key that it had."""
    found: dict[int, RecordedEvent] = {}
    streams = [letter.stream]
    if letter.moved_to is not None:
        streams.append(record_stream(letter.job, letter.moved_to))
    for stream in streams:  # grows by the streams that are named on the way
        for each in queries.stream_events(store, stream):
            event = each.event
            if not isinstance(event, RecordEvent) or not _is_of(letter, event):
                continue
            found[each.position] = each
            moved_from = getattr(event, "moved_from", None)
            if moved_from is not None and moved_from not in streams:
                streams.append(moved_from)
    return [found[position] for position in sorted(found)]


def _is_of(letter: DeadLetterRow, event: RecordEvent) -> bool:
    if isinstance(event, RecordAttempted | RecordReversed):
        return False
    reversal = getattr(event, "reversal", None)
    run = f"{letter.job}/{event.run}" if reversal is None else f"reversal/{reversal}"
    return (run, event.partition, event.ordinal) == (letter.run, letter.partition, letter.ordinal)


def _happened(recorded: RecordedEvent, responsible: Responsible) -> Document:
    """What an event says, without what the letter says already, and who is behind it."""
    document = event_document(recorded)
    data, event = document["data"], recorded.event
    assert isinstance(event, RecordEvent), "nothing else is in the stream of a record"
    behind = responsible.behind(recorded.stream, event)
    facts = {
        "what": WHAT.get(document["event"], document["event"]),
        "recorded": document["recorded"],
        "commit": document["commit"],
        "stream": document["stream"],
        "chunk": data["chunk"],
        "error": data.get("error"),
        "message": data.get("message"),
        "payload": data.get("payload") if isinstance(event, RecordFailed) else None,
        "changed": _changed(data),
        "moved_to": data.get("moved_to"),
        "moved_from": data.get("moved_from"),
        "by": behind.actor if behind else None,
        "reason": data.get("reason"),
    }
    return {name: value for name, value in facts.items() if value is not None}


WHAT = {
    "RecordFailed": "failed",
    "RecordCorrected": "corrected",
    "RecordDiscarded": "discarded",
    "RecordSucceeded": "posted",
    "RecordResolved": "resolved",
    "RecordReversalFailed": "not taken back",
    "RecordReversalResolved": "settled elsewhere",
}


def _changed(data: Document) -> Document | None:
    """The fields that a correction set, with their values."""
    if "changed" not in data:
        return None
    payload = data["payload"]
    return {name: payload.get(name) for name in data["changed"]}


def write_letter(document: Document) -> None:
    """The letter's facts, its record, and what happened to it."""
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
    told = {name: str(shown[name]) for name in facts if shown[name] != ""}
    if document["moved_to"] is not None:
        told["key by its correction"] = document["moved_to"]
    write_fields(told)
    posted = document.get("posted")
    if posted is None:
        _write_values("payload", document["payload"])
    else:
        _write_both(document["payload"], posted, document["posted_by"])
    _write_history(document["history"])


def _write_values(title: str, values: Any) -> None:
    write_line()
    write_line(title, style="bold")
    if isinstance(values, dict) and values:
        write_fields({f"  {name}": as_text(value) for name, value in values.items()})
    else:
        write_line(f"  {as_text(values)}")


def _write_both(failed: Any, posted: Document, posted_by: str) -> None:
    """What was posted beside what failed; fields that differ are marked."""
    _write_beside(f"posted by run {posted_by}", posted, "this record", failed)


def _write_beside(left_title: str, left: Any, right_title: str, right: Any) -> None:
    ours = left if isinstance(left, dict) else {}
    theirs = right if isinstance(right, dict) else {}
    names = dict.fromkeys((*ours, *theirs))
    write_line()
    write_table(
        (
            Column(""),
            Column("field"),
            Column(left_title, wraps=True),
            Column(right_title, wraps=True),
        ),
        [
            (
                "" if ours.get(name) == theirs.get(name) else "!",
                name,
                as_text(ours.get(name, "")),
                as_text(theirs.get(name, "")),
            )
            for name in names
        ],
    )


def write_changes(before: Any, after: Document) -> None:
    """A record before and after its correction; fields that differ are marked."""
    _write_beside("before", before, "after", after)


def _write_history(history: list[Document]) -> None:
    """A line for each time that it was tried, corrected or settled."""
    write_line()
    columns = (
        Column("when"),
        Column("what"),
        Column("chunk", spare=2),
        Column("by", spare=1),
        Column("details", wraps=True),
    )
    write_table(
        columns,
        [
            (
                clock_text(each["recorded"]),
                each["what"],
                each["chunk"],
                each.get("by", ""),
                _details(each),
            )
            for each in history
        ],
    )


def _details(happened: Document) -> str:
    parts = []
    if "error" in happened:
        parts.append(f"{happened['error']}: {happened['message']}")
    if "changed" in happened:
        parts.append(", ".join(f"{k}={as_text(v)}" for k, v in happened["changed"].items()))
    if "moved_to" in happened:
        parts.append(f"key now {happened['moved_to']}")
    if "moved_from" in happened:
        parts.append(f"moved from {happened['moved_from'].split('/', 2)[2]}")
    if "reason" in happened:
        parts.append(f"({happened['reason']})")
    return " ".join(parts)
