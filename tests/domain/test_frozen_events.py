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
    RecordFailed,
    RecordResolved,
    RecordSucceeded,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    RunStopRequested,
    Worker,
)

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
