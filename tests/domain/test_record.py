"""The record: its fold, its content, and whether it may be posted."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.events import (
    Actor,
    Event,
    RecordAttempted,
    RecordCorrected,
    RecordDiscarded,
    RecordFailed,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
)
from storno.domain.record import (
    NEW,
    Incidental,
    Record,
    RecordState,
    Standing,
    conflict_message,
    content_digest,
    content_of,
    encode_value,
    evolve,
    same_content,
    standing,
)

from .strategies import ANY_EVENT, events_of


class Payment(Record):
    number: str
    amount: Decimal
    date: dt.date = dt.date(2026, 1, 31)
    file: Annotated[str, Incidental()] = ""


class Plain(Record):
    number: str
    amount: Decimal


PAYMENT = Payment(number="INV-1", amount=Decimal("12.50"))
HERE = ("2026-01", "0", 7)


def place(run: str = "2026-01", ordinal: int = 7) -> dict[str, Any]:
    return {
        "run": run, "partition": "0", "chunk": "0/00000000", "ordinal": ordinal, "attempt": 1
    }  # fmt: skip


def succeeded(record: Record = PAYMENT, **where: Any) -> RecordSucceeded:
    encoded, digest = content_of(record)
    return RecordSucceeded(**place(**where), record=msgspec.Raw(encoded), digest=digest)


def failed() -> RecordFailed:
    return RecordFailed(**place(), error="ValueError", message="no", payload=msgspec.Raw(b"{}"))


def attempted(run: str = "2026-01") -> RecordAttempted:
    return RecordAttempted(**place(run), idempotency_key="k", record=msgspec.Raw(b"{}"))


ANNA = Actor(name="anna", os_user="anna", host="host")
ACT: dict[str, Any] = {"failed_version": 1, "actor": ANNA, "reason": "on paper"}


def corrected() -> RecordCorrected:
    return RecordCorrected(**place(), **ACT, payload=msgspec.Raw(b"{}"), changed=("amount",))


def discarded() -> RecordDiscarded:
    return RecordDiscarded(**place(), **ACT)


def taken_back(reversal: str = "r-7", posted_version: int = 1) -> RecordReversed:
    return RecordReversed(**place(), reversal=reversal, posted_version=posted_version)


def not_taken_back() -> RecordReversalFailed:
    return RecordReversalFailed(
        **place(), reversal="r-7", posted_version=1, error="TimeoutError", message="late",
        record=msgspec.Raw(b"{}"),
    )  # fmt: skip


def resolved() -> RecordReversalResolved:
    return RecordReversalResolved(**place(), **ACT, reversal="r-7")


def folded(*events: Event) -> RecordState:
    state = NEW
    for event in events:
        state = evolve(state, event)
    return state


CHANGED = PAYMENT.model_copy(update={"amount": Decimal("12.51")})
RESPELT = PAYMENT.model_copy(update={"amount": Decimal("12.5"), "file": "second.csv"})
STANDINGS: dict[str, tuple[RecordState, Record, Standing]] = {
    "new": (NEW, PAYMENT, Standing.FREE),
    "failed before": (folded(failed(), failed()), PAYMENT, Standing.FREE),
    "posted by this very record": (folded(succeeded()), PAYMENT, Standing.POSTED_HERE),
    "posted by another record": (folded(succeeded(ordinal=6)), PAYMENT, Standing.POSTED_ELSEWHERE),
    "posted by another run": (folded(succeeded(run="2025")), PAYMENT, Standing.POSTED_ELSEWHERE),
    "posted with other content": (folded(succeeded()), CHANGED, Standing.CONFLICT),
    "posted in other words": (folded(succeeded(run="2025")), RESPELT, Standing.POSTED_ELSEWHERE),
    "failed after it was posted": (folded(succeeded(), failed()), PAYMENT, Standing.POSTED_HERE),
    "attempted by this run": (folded(attempted()), PAYMENT, Standing.FREE),
    "attempted by another run": (folded(attempted("2025")), PAYMENT, Standing.IN_DOUBT),
    "attempted, then failed": (folded(attempted("2025"), failed()), PAYMENT, Standing.FREE),
    "attempted, then posted": (
        folded(attempted("2025"), succeeded(run="2025")), PAYMENT, Standing.POSTED_ELSEWHERE,
    ),
    "reversed": (folded(succeeded(run="2025"), taken_back()), PAYMENT, Standing.FREE),
    "reversed, other content now": (
        folded(succeeded(run="2025"), taken_back()), CHANGED, Standing.FREE,
    ),
    "reversed and posted again": (
        folded(succeeded(run="2025"), taken_back(), succeeded()), PAYMENT, Standing.POSTED_HERE,
    ),
    "reversed and posted again otherwise": (
        folded(succeeded(), taken_back(), succeeded(CHANGED, run="2025")),
        PAYMENT, Standing.CONFLICT,
    ),
    "reversed, then failed": (folded(succeeded(), taken_back(), failed()), PAYMENT, Standing.FREE),
    "reversed, then attempted by another run": (
        folded(succeeded(), taken_back(), attempted("2025")), PAYMENT, Standing.IN_DOUBT,
    ),
    "in doubt, and taken back": (folded(attempted("2025"), taken_back()), PAYMENT, Standing.FREE),
    "could not be taken back": (
        folded(succeeded(), not_taken_back()), PAYMENT, Standing.POSTED_HERE,
    ),
    "settled otherwise": (
        folded(succeeded(), not_taken_back(), resolved()), PAYMENT, Standing.POSTED_HERE,
    ),
    "corrected": (folded(failed(), corrected()), PAYMENT, Standing.FREE),
    "discarded": (folded(failed(), discarded()), PAYMENT, Standing.FREE),
    "a conflict discarded": (
        folded(succeeded(run="2025"), failed(), discarded()), PAYMENT, Standing.POSTED_ELSEWHERE,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("state", "record", "stands"), STANDINGS.values(), ids=STANDINGS)
def test_how_a_record_stands(state: RecordState, record: Record, stands: Standing) -> None:
    digest = content_digest(*content_of(record))

    assert standing(state, record, digest, HERE) is stands


def test_the_fold_keeps_posting_and_failure_apart() -> None:
    state = folded(failed(), succeeded(), failed(), attempted())

    assert (state.version, state.posting_version, state.postings) == (4, 2, 1)
    assert state.posting == succeeded()
    assert state.in_doubt == attempted()


def test_postings_are_counted_on_after_a_reversal() -> None:
    once = folded(succeeded(), taken_back())
    again = folded(succeeded(), taken_back(), failed(), succeeded(CHANGED))

    assert (once.posting, once.posting_version, once.postings) == (None, 1, 1)
    assert once.reversed_by == "r-7"
    assert (again.posting, again.posting_version, again.postings) == (succeeded(CHANGED), 4, 2)
    assert again.reversed_by is None


def test_what_happens_to_a_failure_leaves_the_reversal_in_sight() -> None:
    state = folded(succeeded(), taken_back("r-8"), failed(), corrected(), discarded())

    assert (state.version, state.reversed_by, state.postings) == (5, "r-8", 1)


@given(st.lists(st.sampled_from([succeeded(), failed(), attempted()]), max_size=9))
def test_the_fold_counts_every_event(events: list[Event]) -> None:
    state = folded(*events)

    assert state.version == len(events)
    assert state.postings == sum(isinstance(event, RecordSucceeded) for event in events)
    assert (state.in_doubt is not None) == bool(events and isinstance(events[-1], RecordAttempted))


def test_a_conflict_names_the_posting_in_the_way() -> None:
    message = conflict_message(folded(failed(), succeeded(run="2025", ordinal=3)), "pay")

    assert "with other content by run pay/2025, record 3" in message


def test_content_leaves_incidental_fields_out() -> None:
    one = content_digest(*content_of(PAYMENT))
    other = content_digest(*content_of(PAYMENT.model_copy(update={"file": "b.csv"})))

    assert Payment.incidental_fields == {"file"}
    assert one == other
    assert one.startswith("1:")
    assert content_digest(*content_of(CHANGED)) != one


def test_content_without_incidental_fields_is_the_record_itself() -> None:
    encoded, digest = content_of(Plain(number="INV-1", amount=Decimal("1.50")))

    assert encoded == b'{"number":"INV-1","amount":"1.50"}'
    assert digest is None


@pytest.mark.parametrize(
    ("stored", "same"),
    [
        (b'{"number":"INV-1","amount":"12.50"}', True),
        (b'{"amount":"12.5","number":"INV-1","date":"2026-01-31","file":"x"}', True),
        (b'{"number":"INV-1","amount":"12.50","date":"2026-02-01"}', False),
        (b'{"number":"INV-2","amount":"12.50"}', False),
        (b'{"number":"INV-1"}', False),
        (b"not json", False),
    ],
)
def test_same_values_are_the_same_content(stored: bytes, same: bool) -> None:
    assert same_content(PAYMENT, stored) is same


class Inner(Record):
    tags: list[str]


class Rich(Record):
    number: str
    at: dt.datetime
    inner: Inner
    maybe: int | None = None


def test_any_field_can_be_stored_and_read_again() -> None:
    record = Rich(
        number="\u00fc\n\U0001f4b6",
        at=dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC),
        inner=Inner(tags=["a", "b"]),
    )

    assert same_content(record, encode_value(record.__dict__))


@given(st.lists(ANY_EVENT, max_size=6))
def test_the_fold_takes_any_event(events: list[Event]) -> None:
    state = folded(*events)

    assert state.version == len(events)
    assert state.posting is None or state.reversed_by is None


@given(events_of(RecordSucceeded))
def test_any_posting_is_itself_posted(event: Event) -> None:
    assert evolve(NEW, event).posting == event
