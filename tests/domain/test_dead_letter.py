"""The dead letter: what a record's stream says of it, and what may be done to it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from storno.domain.dead_letter import DeadLetter, Status, correct, discard, fold, resolve
from storno.domain.errors import NotAllowedError, UsageError
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

ANNA = Actor(name="anna", os_user="anna", host="host")
RAW = msgspec.Raw(b'{"amount":"x"}')
MENDED = b'{"amount":"1.00"}'


def place(ordinal: int = 3, run: str = "a") -> dict[str, Any]:
    return {"run": run, "partition": "0", "chunk": "0/00000000", "ordinal": ordinal, "attempt": 1}


def failed(ordinal: int = 3, **more: Any) -> RecordFailed:
    return RecordFailed(**place(ordinal), error="E", message="no", payload=RAW, **more)


def succeeded(ordinal: int = 3) -> RecordSucceeded:
    return RecordSucceeded(**place(ordinal), record=RAW)


def attempted(ordinal: int = 3) -> RecordAttempted:
    return RecordAttempted(**place(ordinal), idempotency_key="k", record=RAW)


def the_letter(*events: Event) -> DeadLetter:
    (letter,) = fold(events).values()
    return letter


def corrected(letter: DeadLetter) -> Event:
    (event,) = correct(letter, MENDED, ("amount",), ANNA, "typo", moved_to="K2")
    return event


def discarded(letter: DeadLetter) -> Event:
    (event,) = discard(letter, ANNA, "twice")
    return event


FAILED = the_letter(failed())
NOT_REVERSED = RecordReversalFailed(
    **place(), reversal="r1", posted_version=1, error="E", message="no", record=RAW
)
SETTLED = RecordReversalResolved(
    **place(), reversal="r1", failed_version=2, actor=ANNA, reason="paid back by hand"
)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        pytest.param([failed()], Status.OPEN, id="failed"),
        pytest.param([failed(), corrected(FAILED)], Status.CORRECTED, id="corrected"),
        pytest.param([failed(), discarded(FAILED)], Status.DISCARDED, id="discarded"),
        pytest.param([failed(), succeeded()], Status.RESOLVED, id="posted"),
        pytest.param([failed(), succeeded(4)], Status.OPEN, id="another record is posted"),
        pytest.param([failed(), failed()], Status.OPEN, id="failed again"),
        pytest.param([failed(), corrected(FAILED), failed()], Status.OPEN, id="failed once more"),
        pytest.param([failed(), discarded(FAILED), failed()], Status.OPEN, id="read once more"),
        pytest.param(
            [failed(), resolve(FAILED, "retry-1/00000000", moved_to="K2", skipped=False)],
            Status.RESOLVED,
            id="posted with another key",
        ),
        pytest.param([NOT_REVERSED], Status.OPEN, id="not taken back"),
        pytest.param([NOT_REVERSED, SETTLED], Status.RESOLVED, id="settled by a person"),
        pytest.param(
            [NOT_REVERSED, RecordReversed(**place(), reversal="r1", posted_version=1)],
            Status.RESOLVED,
            id="taken back after all",
        ),
    ],
)
def test_where_it_stands(events: list[Event], status: Status) -> None:
    letter = the_letter(*events)

    assert letter.status is status
    assert letter.waits is (status in (Status.OPEN, Status.CORRECTED))


def test_records_with_one_key_have_a_letter_each() -> None:
    letters = fold([failed(3), failed(4), succeeded(4)])

    assert {place: letter.status for place, letter in letters.items()} == {
        ("a", "0", 3): Status.OPEN,
        ("a", "0", 4): Status.RESOLVED,
    }
    assert letters["a", "0", 3].failed_version == 1


def test_what_failed_stays_beside_what_is_to_be_tried() -> None:
    letter = the_letter(failed(), corrected(FAILED))

    assert bytes(letter.payload) == MENDED
    assert isinstance(letter.failed, RecordFailed)
    assert bytes(letter.failed.payload) == bytes(RAW)
    assert letter.correction is not None
    assert (letter.correction.failed_version, letter.correction.moved_to) == (1, "K2")


def test_a_failure_after_a_correction_is_what_is_tried_next() -> None:
    again = the_letter(failed(), corrected(FAILED), failed())

    assert again.correction is None
    assert again.failed_version == 3


def test_doing_it_twice_changes_nothing() -> None:
    """Equinox: deciding twice changes nothing."""
    mended = the_letter(failed(), corrected(FAILED))
    given_up = the_letter(failed(), discarded(FAILED))

    assert correct(mended, MENDED, ("amount",), ANNA, "typo") == ()
    assert discard(given_up, ANNA, "twice") == ()
    assert discard(the_letter(NOT_REVERSED, SETTLED), ANNA, "twice") == ()


@pytest.mark.parametrize(
    ("letter", "says"),
    [
        pytest.param(the_letter(failed(), succeeded()), "is posted", id="posted"),
        pytest.param(the_letter(failed(), discarded(FAILED)), "given up", id="discarded"),
        pytest.param(the_letter(failed(), attempted()), "idempotency key", id="in doubt"),
        pytest.param(the_letter(NOT_REVERSED), "execute reversal r1", id="of a reversal"),
    ],
)
def test_what_is_not_corrected(letter: DeadLetter, says: str) -> None:
    with pytest.raises(NotAllowedError, match=says):
        correct(letter, MENDED, ("amount",), ANNA, "typo")


@pytest.mark.parametrize(
    ("letter", "says"),
    [
        pytest.param(the_letter(failed(), succeeded()), "nothing to discard", id="posted"),
        pytest.param(the_letter(failed(), attempted()), "retry it first", id="in doubt"),
    ],
)
def test_what_is_not_discarded(letter: DeadLetter, says: str) -> None:
    with pytest.raises(NotAllowedError, match=says):
        discard(letter, ANNA, "twice")


@pytest.mark.parametrize("settled", [failed(), succeeded()])
def test_a_doubt_ends_with_the_outcome(settled: Event) -> None:
    assert not the_letter(failed(), attempted(), settled).in_doubt


def test_what_a_reversal_left_is_settled_by_a_person() -> None:
    (event,) = discard(the_letter(NOT_REVERSED), ANNA, "paid back by hand")

    assert isinstance(event, RecordReversalResolved)
    assert (event.reversal, event.failed_version) == ("r1", 1)


def test_a_reason_is_needed() -> None:
    with pytest.raises(UsageError, match="--reason"):
        correct(FAILED, MENDED, (), ANNA, " ")
    with pytest.raises(UsageError, match="--reason"):
        discard(FAILED, ANNA, "")


def test_acts_name_the_failure_and_the_actor() -> None:
    event = corrected(the_letter(succeeded(9), failed()))
    assert isinstance(event, RecordCorrected)
    assert (event.failed_version, event.actor, event.reason) == (2, ANNA, "typo")
    given_up = discarded(FAILED)
    assert isinstance(given_up, RecordDiscarded)
    assert (given_up.ordinal, given_up.counted) == (3, True)
