"""The parts of ``storno show``, made from its document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .reasons import why
from .render import as_text, clock_text, count, duration, write_fields, write_line
from .tables import Column, write_table

Document = dict[str, Any]
COUNT_COLUMNS = (
    Column("read", right=True),
    Column("succeeded", right=True),
    Column("skipped", right=True),
    Column("failed", right=True),
)
REVERSED = Column("reversed", right=True)


def write_run(document: Document) -> None:
    """The run's facts, those that say nothing left out."""
    chunks = document["chunks"]
    of_chunks = f"{count(chunks['completed'])} of {count(chunks['total'])} completed"
    if chunks["failed"]:
        of_chunks += f", {count(chunks['failed'])} failed"
    facts = {
        "run": document["run"],
        "state": document["state"],
        "why": why(document["state"], document["message"]),
        "asked to stop": document["stop_requested"],
        "parameters": _pairs(document["parameters"]),
        **{name: count(document[name]) for name in ("read", "succeeded")},
        **{
            name: count(document[name])
            for name in ("skipped", "failed", "discarded", "reversed")
            if document[name]
        },
        "reversal": document["reversal"],
        "chunks": of_chunks,
        "started": clock_text(document["started"]),
        "ended": clock_text(document["ended"]),
        "actor": document["actor"],
        "worker": document["worker"],
        "book": document["book"],
    }
    write_fields({name: str(value) for name, value in facts.items() if value})


def write_attempts(rows: Sequence[Document]) -> None:
    """One line for each attempt."""
    columns = (
        Column("attempt", right=True),
        Column("why"),
        Column("state", states=True),
        *COUNT_COLUMNS,
        Column("started", spare=1),
        Column("took", right=True),
        Column("actor", spare=2),
        Column("worker", spare=3),
    )
    write_table(
        columns,
        [
            (
                str(row["attempt"]),
                row["why"],
                row["state"],
                *counts(row),
                clock_text(row["started"]),
                duration(row["seconds"]),
                row["actor"],
                row["worker"],
            )
            for row in rows
        ],
    )


def write_chunks(rows: Sequence[Document]) -> None:
    """One line for each chunk."""
    columns = (
        Column("chunk"),
        Column("status", states=True),
        Column("first record", right=True),
        *COUNT_COLUMNS,
        Column("attempt", right=True, spare=1),
        Column("started", spare=2),
        Column("took", right=True),
    )
    write_table(
        columns,
        [
            (
                row["chunk"],
                row["status"],
                count(row["first_record"]),
                *counts(row),
                str(row["attempt"]),
                clock_text(row["started"]),
                duration(row["seconds"]),
            )
            for row in rows
        ],
    )


def write_reversals_of(rows: Sequence[Document]) -> None:
    """One line for each reversal of the run, the first requested first."""
    columns = (
        Column("reversal"),
        Column("state", states=True),
        Column("records", right=True),
        REVERSED,
        Column("reason", spare=1),
        Column("requested", spare=2),
        Column("by", spare=3),
    )
    write_table(
        columns,
        [
            (
                row["reversal"],
                row["state"],
                count(row["records"]),
                count(row["reversed"]),
                row["reason_code"],
                clock_text(row["requested_at"]),
                row["requested_by"],
            )
            for row in rows
        ],
    )


def write_failed_chunks(rows: Sequence[Document]) -> None:
    """What failed as a whole: none of these records is posted, and a resume takes them first."""
    if not rows:
        write_line("none")
        return
    columns = (
        Column("chunk"),
        Column("from record", right=True),
        Column("error"),
        Column("message", wraps=True),
    )
    write_table(
        columns,
        [(row["chunk"], count(row["first_record"]), row["error"], row["message"]) for row in rows],
    )


def write_dead_letters(rows: Sequence[Document]) -> None:
    """One line for each record that waits for a person."""
    if not rows:
        write_line("none")
        return
    columns = (Column("key"), Column("location"), Column("error"), Column("message", wraps=True))
    write_table(
        columns, [(row["key"], row["location"], row["error"], row["message"]) for row in rows]
    )


def write_events(rows: Sequence[Document]) -> None:
    """One line for each event."""
    columns = (
        Column("position", right=True, spare=4),
        Column("commit", right=True, spare=2),
        Column("recorded", spare=1),
        Column("stream"),
        Column("version", right=True, spare=3),
        Column("event"),
        Column("what", wraps=True),
    )
    write_table(
        columns,
        [
            (
                str(row["position"]),
                str(row["commit"]),
                clock_text(row["recorded"]),
                row["stream"],
                str(row["version"]),
                row["event"],
                _gist(row["data"]),
            )
            for row in rows
        ],
    )


def _gist(data: Document) -> str:
    """What an event says in a few words; the JSON document holds all of it."""
    outcomes = data.get("counts", {})
    parts = [f"attempt {data['attempt']}"] if "attempt" in data else []
    parts += [f"{data['code']}: {data['text']}"] if "text" in data else []
    parts += [str(data[name]) for name in ("why", "reason", "error", "message") if data.get(name)]
    parts += [f"{count(number)} {name}" for name, number in outcomes.items()]
    parts += [f"reversal {data['reversal']}"] if "reversal" in data else []
    parts += [f"{count(data[name])} {name}" for name in ("reversed", "standing") if name in data]
    actor = data.get("actor")
    parts += [f"by {actor['name']}"] if actor else []
    return ", ".join(parts)


def count_columns(runs: Sequence[Document]) -> tuple[Column, ...]:
    """The columns of runs' counts; of what is reversed only where something is."""
    return (*COUNT_COLUMNS, REVERSED) if any(row["reversed"] for row in runs) else COUNT_COLUMNS


def counts(row: Document, columns: Sequence[Column] = COUNT_COLUMNS) -> tuple[str, ...]:
    """The values of these columns."""
    return tuple(count(row[column.title]) for column in columns)


def _pairs(values: Document) -> str:
    return ", ".join(f"{name}={as_text(value)}" for name, value in values.items())
