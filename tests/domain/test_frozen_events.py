"""A sample of every event version ever stored. Nothing here is ever changed or removed.

What was written once is read for as long as a store lives: a sample that is no longer read as it
was breaks somebody's history. A new version of an event adds its own sample beside the old one;
the old one is then what its upcaster makes of it.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest

from storno.domain.access import AccessRefused
from storno.domain.codec import EVENTS, decode, encode
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import (
    Actor,
    ChunkCompleted,
    ChunkFailed,
    ChunkStarted,
    Counts,
    Event,
    RecordAttempted,
    RecordCorrected,
    RecordDiscarded,
    RecordFailed,
    RecordResolved,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunReversed,
    RunReversing,
    RunStarted,
    RunStopped,
    RunStopRequested,
    Worker,
)
from storno.domain.period import PeriodClosed, PeriodReopened
from storno.domain.reversal import (
    MovedEntries,
    NetLine,
    ReversalApproved,
    ReversalCompleted,
    ReversalFailed,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
    ReversalStopped,
)
from storno.domain.subject import SubjectForgotten

ANNA = Actor(name="Anna", os_user="anna", host="night-1")
WORKER = Worker(host="night-1", boot_id="b7c6:4026531836", pid=4711, process_started="81920")
ENTRY = PostedEntry(
    book="main",
    effective=dt.date(2026, 1, 31),
    posting=dt.date(2026, 2, 1),
    lines=(
        PostedLine("expense:rent", "D", 125050, "EUR", 2),
        PostedLine("creditors", "C", 125050, "EUR", 2),
    ),
    text="Miete M\u00e4rz",
)
PLAIN_ENTRY = msgspec.structs.replace(ENTRY, posting=dt.date(2026, 1, 31), text="")
REVERSING_ENTRY = msgspec.structs.replace(
    ENTRY,
    lines=(
        PostedLine("expense:rent", "C", 125050, "EUR", 2),
        PostedLine("creditors", "D", 125050, "EUR", 2),
    ),
)
RECORD = msgspec.Raw(b'{"number":"INV-1","amount":"1250.50"}')
PLACE: dict[str, Any] = {
    "run": "2026-01", "partition": "0", "chunk": "0/00000003", "ordinal": 3017, "attempt": 2,
}  # fmt: skip

EVENTS_MEANT: list[Event] = [
    RunStarted(
        attempt=1,
        identity="9f2c",
        parameters={"month": "2026-01"},
        source={"strength": "strong", "size": 8192, "unit": "bytes"},
        code="41aa",
        worker=WORKER,
        actor=ANNA,
        book="main",
    ),
    RunResumed(attempt=2, code="41aa", worker=WORKER, actor=ANNA, why="takeover"),
    RunResumed(
        attempt=3,
        code="41ab",
        worker=WORKER,
        actor=ANNA,
        why="again",
        again_from=12,
        reason="accounts mended",
    ),
    RunStopRequested(actor=ANNA, reason="month not closed"),
    RunStopped(attempt=2, why="SIGTERM"),
    RunCompleted(
        attempt=2,
        counts=Counts(read=4, succeeded=2, skipped=1, failed=1),
        totals={"EUR": 250100},
    ),
    RunCompleted(attempt=1, counts=Counts()),
    RunFailed(attempt=2, error="tolerance-exceeded", message="101 of 4000 records failed"),
    RunAbandoned(actor=ANNA, reason="wrong month"),
    ChunkStarted(
        attempt=2,
        worker="night-1:4711",
        lease_seconds=60.0,
        first_offset={"path": "payments.csv", "byte": 81920, "line": 3002},
        first_ordinal=3000,
    ),
    ChunkStarted(
        attempt=2,
        worker="night-1:4711",
        lease_seconds=60.0,
        first_offset={},
        first_ordinal=3017,
        actor=ANNA,
        code="41aa",
    ),
    RecordResolved(**PLACE, failed_version=2, moved_to="INV-2"),
    RecordResolved(**PLACE, failed_version=1, skipped=True),
    ChunkCompleted(
        attempt=2,
        first_offset={"byte": 81920},
        next_offset={"byte": 109226},
        first_ordinal=3000,
        counts=Counts(read=1000, succeeded=998, skipped=1, failed=1),
        digest="e3b0",
        position=109226,
        totals={"EUR": 124800000, "JPY": 998},
        controls={"records": "1000", "amount": "1248000.00"},
        skipped_keys=("INV-9",),
    ),
    ChunkCompleted(attempt=1, first_offset={}, next_offset={}, first_ordinal=0, counts=Counts()),
    ChunkCompleted(
        attempt=3,
        first_offset={},
        next_offset={},
        first_ordinal=0,
        counts=Counts(read=3, failed=1, discarded=2),
        kept=(0, 1, 2),
    ),
    ChunkFailed(
        attempt=2,
        first_offset={"index": 3000},
        next_offset={"index": 4000},
        first_ordinal=3000,
        read=1000,
        error="TimeoutError",
        message="TimeoutError: late",
        tries=4,
        digest="e3b0",
    ),
    RecordAttempted(**PLACE, idempotency_key="69592fa59039a3656608a0bc10e251ce", record=RECORD),
    RecordSucceeded(**PLACE, record=RECORD, entries=(PLAIN_ENTRY,)),
    RecordSucceeded(
        **PLACE,
        key="a long key",
        record=RECORD,
        digest="1:5feceb",
        entries=(ENTRY,),
        output=msgspec.Raw(b'{"receipt":"R-1"}'),
    ),
    RecordFailed(
        **PLACE,
        error="key-conflict",
        message="posted with other content",
        payload=RECORD,
        location="payments.csv line 3019",
        tries=2,
        digest="1:5feceb",
        posted_version=1,
    ),
    RecordSucceeded(**PLACE, record=RECORD, entries=(PLAIN_ENTRY,), moved_from="record/pay/INV-0"),
    RecordCorrected(
        **PLACE,
        failed_version=1,
        payload=RECORD,
        changed=("amount", "number"),
        actor=ANNA,
        reason="as on paper",
        moved_to="record/pay/INV-1",
    ),
    RecordDiscarded(**PLACE, failed_version=2, actor=ANNA, reason="a test"),
    RecordResolved(**PLACE, failed_version=1, moved_to="record/pay/INV-1"),
    RecordResolved(**PLACE, failed_version=1, skipped=True),
    RecordReversed(**PLACE, reversal="r-7", posted_version=1, entries=(REVERSING_ENTRY,)),
    RecordReversed(
        **PLACE,
        reversal="r-7",
        posted_version=3,
        entries=(REVERSING_ENTRY,),
        output=msgspec.Raw(b'{"refund":"F-1"}'),
    ),
    RecordReversalFailed(
        **PLACE,
        reversal="r-7",
        posted_version=1,
        error="TimeoutError",
        message="TimeoutError: late",
        record=RECORD,
        tries=4,
    ),
    RecordReversalResolved(
        **PLACE, reversal="r-7", failed_version=4, actor=ANNA, reason="paid back in cash"
    ),
    RunReversing(reversal="r-7"),
    RunReversed(reversal="r-7", reversed=998, standing=2),
    ReversalRequested(
        job="pay",
        run="2026-01",
        scope={"where": {"month": "2026-02"}},
        form="red",
        date="2026-02-01",
        code="wrong-period",
        text="February in January's file",
        digest="77de",
        as_of=20_480,
        records=1495,
        blocked=2,
        net=(NetLine("main", "expense:rent", "EUR", 2, -125050, 0),),
        approvals=1,
        actor=ANNA,
    ),
    ReversalRequested(
        job="pay",
        run="2026-01",
        scope={},
        form="black",
        date=None,
        code="run-failed",
        text="all of it",
        digest="77df",
        as_of=20_481,
        records=0,
        blocked=0,
        net=(),
        approvals=0,
        actor=ANNA,
        undoes=True,
    ),
    ReversalRequested(
        job="pay",
        run="2026-12",
        scope={"kind": "run"},
        form="black",
        date=None,
        code="wrong-input",
        text="the wrong file",
        digest="77e0",
        as_of=20_482,
        records=1,
        blocked=0,
        net=(),
        approvals=0,
        actor=ANNA,
        moves=(MovedEntries("main", "2026-12", "2027-01-01", 1),),
        other_years=1,
    ),
    ReversalApproved(actor=ANNA, digest="77de", final=True),
    ReversalRejected(actor=ANNA, reason="wrong rows"),
    ReversalStarted(attempt=1, worker=WORKER, actor=ANNA, why="start"),
    ReversalStopped(attempt=1, why="SIGTERM", failed=3),
    ReversalFailed(attempt=2, error="StoreError", message="the disk is full"),
    ReversalCompleted(attempt=3, reversed=1495),
    PeriodClosed(actor=ANNA, digest="1f0c", reason="year end", forced="run pay/2026-01 is stopped"),
    PeriodClosed(actor=ANNA, digest="1f0c"),
    PeriodReopened(actor=ANNA, reason="a late invoice"),
    AccessRefused(actor=ANNA, act="reverse approve", needs="approver", about="r-7"),
    SubjectForgotten(actor=ANNA, reason="asked by letter"),
]
"""In the order of ``frozen_events.txt``, which holds them as they were stored."""


def samples() -> list[tuple[str, bytes, Event]]:
    """Topic, stored state, and the event that is meant by it."""
    lines = Path(__file__).with_name("frozen_events.txt").read_bytes().splitlines()
    stored = [line.split(b" ", 1) for line in lines]
    return [
        (topic.decode(), state, event)
        for (topic, state), event in zip(stored, EVENTS_MEANT, strict=True)
    ]


SAMPLES = samples()
TOPICS = [topic for topic, _, _ in SAMPLES]


@pytest.mark.parametrize(("topic", "state", "event"), SAMPLES, ids=TOPICS)
def test_what_was_stored_is_read_as_it_was_meant(topic: str, state: bytes, event: Event) -> None:
    assert decode(topic, state) == event


@pytest.mark.parametrize(("topic", "state", "event"), SAMPLES, ids=TOPICS)
def test_what_is_written_today_is_the_same_bytes(topic: str, state: bytes, event: Event) -> None:
    assert encode(event) == state


def test_every_event_has_its_sample() -> None:
    assert set(TOPICS) == {kind.TOPIC for kind in EVENTS}
