"""The life of a record: its events in order, and what it posted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..domain.errors import NotFoundError
from ..domain.events import RecordEvent
from ..domain.ids import record_stream
from ..domain.money import format_minor
from ..storage import queries
from ..storage.queries.acts import Responsible
from .documents import event_document
from .opening import opened_documents
from .render import as_text, clock_text, thousands, write_fields, write_line
from .standing import refuse_unknown
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..storage.queries import RecordedEvent
    from ..storage.store import Store

Document = dict[str, Any]
SIDES = {"D": "debit", "C": "credit"}
POSTED = {"RecordReversed": "took back by"}


def events_of(store: Store, job: str, key: str) -> list[RecordedEvent]:
    """The events of a record; ``key`` may be the end of a stream's name where it had no key.

    Raises:
        NotFoundError: the store knows no such record.
    """
    for stream in (record_stream(job, key), f"record/{job}/{key}"):
        if events := queries.stream_events(store, stream):
            return events
    refuse_unknown(store, job)
    raise NotFoundError(
        f"job {job} has no record {key!r} in this store. Keys are compared letter by letter."
    )


def _documents(store: Store, events: list[RecordedEvent]) -> list[Document]:
    return opened_documents(store, [*map(event_document, events)])


def entries_of(store: Store, job: str, key: str, *, as_of: int | None = None) -> list[Document]:
    """The entries that a record posted and those that reversed them, linked both ways.

    Empty where it only ever failed.

    Args:
        store: where they are.
        job: the job's name.
        key: the record's.
        as_of: only what was recorded up to this time, microseconds since 1970-01-01 UTC.
    """
    documents: list[Document] = []
    posting = 0
    events = events_of(store, job, key)
    known = [each for each in events if as_of is None or each.recorded_at <= as_of]
    for document in _documents(store, known):
        if document["event"] == "RecordSucceeded":
            posting += 1
        elif document["event"] == "RecordReversed":
            for entry in documents:
                if entry["posting_number"] == posting:
                    entry["reversed_by"] = document["data"]["reversal"]
        else:
            continue
        documents += [
            _entry(document, job, key, posting, entry)
            for entry in document["data"].get("entries", ())
        ]
    return documents


def _entry(event: Document, job: str, key: str, posting: int, entry: Document) -> Document:
    return {
        "job": job,
        "key": key,
        "run": f"{job}/{event['data']['run']}",
        "posting_number": posting,
        "reverses": posting if event["event"] == "RecordReversed" else None,
        "reversal": event["data"].get("reversal"),
        "reversed_by": None,
        "book": entry["book"],
        "effective": entry["effective"],
        "posting": entry["posting"],
        "text": entry.get("text", ""),
        "recorded": event["recorded"],
        "commit": event["commit"],
        "lines": [
            {
                "account": account,
                "side": SIDES[side],
                "amount": format_minor(minor, places),
                "currency": currency,
            }
            for account, side, minor, currency, places in entry["lines"]
        ],
    }


def write_entries(entries: list[Document]) -> None:
    """Each entry with its lines, debits on the left and credits on the right."""
    columns = (
        Column("account"),
        Column("currency"),
        Column("debit", right=True),
        Column("credit", right=True),
    )
    for number, entry in enumerate(entries):
        if number:
            write_line()
        facts = ("key", "run", "reversal", "reversed_by", "book", "effective", "posting", "text")
        shown = {name.replace("_", " "): entry[name] for name in facts if entry[name]}
        write_fields(shown | {"recorded": clock_text(entry["recorded"])})
        write_line()
        write_table(columns, [_line(line) for line in entry["lines"]])


def trail_of(store: Store, job: str, key: str) -> list[Document]:
    """Every event of a record, with who is behind it: a person, or whoever started the attempt.

    ``run_reason`` is why the run was run again, where the event came of that.
    """
    responsible = Responsible(store)
    documents = []
    events = events_of(store, job, key)
    for recorded, document in zip(events, _documents(store, events), strict=True):
        data, event = document["data"], recorded.event
        assert isinstance(event, RecordEvent), "nothing else is in the stream of a record"
        behind = responsible.behind(recorded.stream, event)
        document["actor"] = behind.actor if behind else None
        if "reversal" in data:
            document.update(_taken_back(responsible, data["reversal"]))
        elif behind and "reason" not in data:
            document["run_reason"] = behind.reason or None
        documents.append(document)
    return documents


def _taken_back(responsible: Responsible, reversal: str) -> Document:
    """Who asked for a reversal and who agreed, and why."""
    request = responsible.request(reversal)
    return {
        "requested_by": request.actor.name,
        "approved_by": responsible.approvers(reversal),
        "reversal_reason": f"{request.code}: {request.text}",
    }


def write_trail(events: list[Document]) -> None:
    """One line for each event, and under it what it says."""
    for event in events:
        data = event["data"]
        headline = f"{clock_text(event['recorded'])}  {event['event']}"
        write_line(headline, style="bold")
        facts = {
            "run": f"{event['stream'].split('/')[1]}/{data['run']}{_attempt(data, of_run=True)}",
            "by": event["actor"],
            "run again for": event.get("run_reason"),
            "chunk": _chunk(data["chunk"]),
            "commit": f"{event['commit']}, position {event['position']}",
            "idempotency key": data.get("idempotency_key"),
            "input": data.get("location") or f"record {data['ordinal']}",
            "reversal": _reversal(data),
            "requested by": event.get("requested_by"),
            "approved by": ", ".join(event.get("approved_by", ())),
            "error": data.get("error"),
            "message": data.get("message"),
            "reason": data.get("reason") or event.get("reversal_reason"),
            "changed": ", ".join(data.get("changed", ())),
            "content": _pairs(data.get("record") or data.get("payload")),
            "key from now on": data.get("moved_to"),
            "had been": _record_of(data.get("moved_from")),
            "found": "posted before, with the same content" if data.get("skipped") else None,
            "output": _pairs(data.get("output")),
            POSTED.get(event["event"], "posted"): "; ".join(
                map(posted_text, data.get("entries", ()))
            ),
            "dated": _of_entries(data, _dates),
            "book": _of_entries(data, _other_book),
            "text": _of_entries(data, lambda entry: entry.get("text", "")),
        }
        write_fields({f"  {name}": str(value) for name, value in facts.items() if value})


def _chunk(label: str) -> str:
    """``0/00000003`` as ``storno show --chunks`` lists it."""
    partition, _, number = label.rpartition("/")
    return f"{partition}/{int(number)}"


def _of_entries(data: Document, said: Callable[[Document], str]) -> str:
    """What an event's entries say, once where they all say the same."""
    return "; ".join(dict.fromkeys(filter(None, map(said, data.get("entries", ())))))


def _dates(entry: Document) -> str:
    """The business date, and the date of the period where that is another one."""
    effective, posting = entry["effective"], entry["posting"]
    return effective if effective == posting else f"{effective}, posted on {posting}"


def _other_book(entry: Document) -> str:
    """The book, where it is not the one that everybody has."""
    return "" if entry["book"] == "main" else str(entry["book"])


def _attempt(data: Document, *, of_run: bool) -> str:
    """The attempt, which is the reversal's where there is one."""
    return f", attempt {data['attempt']}" if of_run == ("reversal" not in data) else ""


def _reversal(data: Document) -> str | None:
    reversal = data.get("reversal")
    return None if reversal is None else f"{reversal}{_attempt(data, of_run=False)}"


def _record_of(stream: str | None) -> str | None:
    """The key in a record's stream, as it is written there."""
    return None if stream is None else stream.split("/", 2)[2]


def posted_text(entry: Document) -> str:
    """An entry's lines on one line."""
    lines = (
        f"{account} {SIDES[side]} {thousands(format_minor(minor, places))} {currency}"
        for account, side, minor, currency, places in entry["lines"]
    )
    return ", ".join(lines)


def _pairs(values: Any) -> str:
    if isinstance(values, dict):
        return ", ".join(f"{name}={as_text(value)}" for name, value in values.items())
    return "" if values is None else as_text(values)


def _line(line: Document) -> tuple[str, ...]:
    number = thousands(line["amount"])
    amounts = (number, "") if line["side"] == "debit" else ("", number)
    return (line["account"], line["currency"], *amounts)
