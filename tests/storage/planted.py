"""A history in which every finding is planted, each beside near misses of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import (
    Actor,
    ChunkCompleted,
    ChunkStarted,
    Counts,
    Event,
    RecordCorrected,
    RecordDiscarded,
    RecordFailed,
    RecordReversed,
    RecordSucceeded,
    RunResumed,
    RunStarted,
)
from storno.domain.ids import ChunkId, RunId, record_stream
from storno.domain.period import PeriodClosed, PeriodReopened
from storno.domain.reversal import (
    NetLine,
    ReversalApproved,
    ReversalCompleted,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
)
from storno.projections.changes import Recorded

from ..projections.run_history import WORKER


def person(name: str) -> Actor:
    return Actor(name=name, os_user=f"{name}-os", host="host")


def entry(
    minor: int,
    effective: str,
    posting: str | None = None,
    *,
    text: str = "rent of the month",
    currency: str = "EUR",
    exponent: int = 2,
    book: str = "main",
    red: bool = False,
) -> PostedEntry:
    """Rent to the bank."""
    sides = ("C", "D") if red else ("D", "C")
    lines = (
        PostedLine("rent", sides[0], minor, currency, exponent),
        PostedLine("bank", sides[1], minor, currency, exponent),
    )
    days = dt.date.fromisoformat(effective), dt.date.fromisoformat(posting or effective)
    return PostedEntry(book, *days, lines, text)


Records = dict[str, PostedEntry | str]
"""Key to the entry that it posts, or to the message with which it fails."""


class Planted:
    """Writes commits as runs, people and reversals do."""

    def __init__(self) -> None:
        self.commits: list[list[Recorded]] = []
        self._versions: dict[str, int] = {}
        self._chunks: dict[str, int] = {}
        self._attempts: dict[str, int] = {}

    def commit(self, *events: tuple[str, Event]) -> None:
        recorded = []
        for stream, event in events:
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            recorded.append(Recorded(stream, version, event))
        self.commits.append(recorded)

    def start(self, run: str, actor: str, again: str | None = None) -> None:
        """Start a run, ``<job>/<name>``, or its next attempt; ``again`` is why it runs anew."""
        attempt = self._attempts[run] = self._attempts.get(run, 0) + 1
        common: dict[str, Any] = {
            "attempt": attempt,
            "code": "code",
            "worker": WORKER,
            "actor": person(actor),
        }
        event: Event
        if attempt == 1:
            event = RunStarted(identity="i", parameters={}, source={}, book="main", **common)
        elif again is None:
            event = RunResumed(why="resume", **common)
        else:
            number = self._chunks.get(run, 0)
            event = RunResumed(why="again", reason=again, again_from=number, **common)
        self.commit((RunId.parse(run).stream, event))

    def chunk(self, run: str, records: Records, retried_by: str | None = None) -> None:
        """Commit a chunk; one of dead letters that were tried again where somebody had it done."""
        number = self._chunks.get(run, 0)
        self._chunks[run] = number + 1
        partition = "0" if retried_by is None else f"retry-{number}"
        chunk = ChunkId(RunId.parse(run), partition, number if retried_by is None else 0)
        attempt = self._attempts[run]
        claim = ChunkStarted(
            attempt=attempt,
            worker="w",
            lease_seconds=60.0,
            first_offset={},
            first_ordinal=0,
            actor=None if retried_by is None else person(retried_by),
        )
        self.commit((chunk.stream, claim))
        counts = Counts(read=len(records), succeeded=len(records))
        done = ChunkCompleted(
            attempt=attempt, first_offset={}, next_offset={}, first_ordinal=0, counts=counts
        )
        self.commit(*self._records(chunk, attempt, records), (chunk.stream, done))

    def _records(
        self, chunk: ChunkId, attempt: int, records: Records
    ) -> Sequence[tuple[str, Event]]:
        events: list[tuple[str, Event]] = []
        for ordinal, (key, made) in enumerate(records.items()):
            place: dict[str, Any] = {"run": chunk.run.name, "partition": "0", "chunk": chunk.label}
            place |= {"ordinal": ordinal, "attempt": attempt}
            raw = msgspec.Raw(b'{"actor":{"name":"in the record"}}')
            event: Event = (
                RecordFailed(error="invalid-record", message=made, payload=raw, **place)
                if isinstance(made, str)
                else RecordSucceeded(record=raw, entries=(made,), **place)
            )
            events.append((record_stream(chunk.run.job, key), event))
        return events

    def request(
        self,
        name: str,
        run: str,
        actor: str,
        minor: int,
        *,
        approvals: int = 0,
        currency: str = "EUR",
        text: str = "paid twice by the bank",
    ) -> None:
        """Ask for a reversal that debits so much."""
        job, _, run_name = run.partition("/")
        event = ReversalRequested(
            job=job,
            run=run_name,
            scope={},
            form="black",
            date=None,
            code="duplicate",
            text=text,
            digest="d",
            as_of=1,
            records=1,
            blocked=0,
            net=(
                NetLine("main", "bank", currency, 2, minor, 0),
                NetLine("main", "rent", currency, 2, 0, minor),
            ),
            approvals=approvals,
            actor=person(actor),
        )
        self.commit((f"reversal/{name}", event))

    def approve(self, name: str, actor: str) -> None:
        event = ReversalApproved(actor=person(actor), digest="d", final=True)
        self.commit((f"reversal/{name}", event))

    def reject(self, name: str, actor: str, reason: str) -> None:
        self.commit((f"reversal/{name}", ReversalRejected(actor=person(actor), reason=reason)))

    def take_back(self, name: str, run: str, actor: str, records: dict[str, PostedEntry]) -> None:
        """Execute a reversal: key to the entry that takes the last posting back."""
        begun = ReversalStarted(attempt=1, worker=WORKER, actor=person(actor), why="start")
        run_id = RunId.parse(run)
        chunk = ChunkId(run_id, f"reversal-{name}", 0)
        claim = ChunkStarted(
            attempt=1, worker="w", lease_seconds=60.0, first_offset={}, first_ordinal=0
        )
        self.commit((f"reversal/{name}", begun), (chunk.stream, claim))
        events: list[tuple[str, Event]] = []
        for ordinal, (key, made) in enumerate(records.items()):
            stream = record_stream(run_id.job, key)
            event = RecordReversed(
                run=run_id.name,
                partition="0",
                chunk=chunk.label,
                ordinal=ordinal,
                attempt=1,
                reversal=name,
                posted_version=self._versions[stream],
                entries=(made,),
            )
            events.append((stream, event))
        counts = Counts(read=len(records), succeeded=len(records))
        done = ChunkCompleted(
            attempt=1, first_offset={}, next_offset={}, first_ordinal=0, counts=counts
        )
        self.commit(*events, (chunk.stream, done))
        over = ReversalCompleted(attempt=1, reversed=len(records))
        self.commit((f"reversal/{name}", over))

    def correct(self, run: str, key: str, actor: str, reason: str) -> None:
        self._settle(run, key, RecordCorrected, actor, reason, payload=msgspec.Raw(b"{}"))

    def discard(self, run: str, key: str, actor: str, reason: str) -> None:
        self._settle(run, key, RecordDiscarded, actor, reason)

    def _settle(
        self,
        run: str,
        key: str,
        kind: type[RecordCorrected | RecordDiscarded],
        actor: str,
        reason: str,
        **more: Any,
    ) -> None:
        run_id = RunId.parse(run)
        stream = record_stream(run_id.job, key)
        if kind is RecordCorrected:
            more["changed"] = ("amount",)
        event = kind(
            run=run_id.name,
            partition="0",
            chunk="0/00000000",
            ordinal=0,
            attempt=1,
            failed_version=self._versions[stream],
            actor=person(actor),
            reason=reason,
            **more,
        )
        self.commit((stream, event))

    def close(self, month: str, actor: str, reason: str = "", forced: str = "") -> None:
        event = PeriodClosed(actor=person(actor), digest="d", reason=reason, forced=forced)
        self.commit((f"period/main/{month}", event))

    def reopen(self, month: str, actor: str, reason: str) -> None:
        self.commit((f"period/main/{month}", PeriodReopened(actor=person(actor), reason=reason)))
