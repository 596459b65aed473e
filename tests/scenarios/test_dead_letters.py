"""Dead letters tried again: each record is posted once, and counts in its run."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from pydantic import field_validator

from storno import Entry, Record, Retry, iterable, job
from storno.domain.events import (
    Counts,
    RecordFailed,
)
from storno.execution import dead_letters
from storno.execution.draw import MAX_PAYLOAD_CHARACTERS

from .lab import ACTOR, Lab, Payment, entry_of, ordinal_of, paying, payments
from .letters import Bad, outcomes


def test_all_are_tried_again_once_the_code_is_mended(lab: Lab) -> None:
    bad = Bad({1, 3, 5, 8, 9})
    definition = paying(payments(12), bad, chunk_size=2, tolerance=10)
    lab.run(definition)
    bad.clear()
    working = lab.working(definition)

    result = working.retry(lab.letters())

    assert outcomes(result) == dict.fromkeys((1, 3, 5, 8, 9), "succeeded")
    assert lab.counts(working.run) == Counts(read=12, succeeded=12)
    assert lab.posted() == list(range(12))
    assert set(lab.states().values()) == {"resolved"}
    chunks = [row["partition"] for row in lab.view("checkpoint") if row["partition"] != "0"]
    assert chunks == ["retry-1"] * 3
    assert lab.run(definition).counts == Counts(read=12, succeeded=12)


def test_one_that_fails_again_waits_on(lab: Lab) -> None:
    bad = Bad({1, 3})
    definition = paying(payments(4), bad)
    lab.run(definition)
    bad.remove(1)
    working = lab.working(definition)

    result = working.retry(lab.letters())

    assert outcomes(result) == {1: "succeeded", 3: "failed"}
    assert lab.counts(working.run) == Counts(read=4, succeeded=3, failed=1)
    (row,) = (row for row in lab.view("dead_letters") if row["state"] == "open")
    assert (row["ordinal"], row["tries"], row["error"]) == (3, 2, "ValueError")
    assert outcomes(working.retry(lab.letters())) == {3: "failed"}
    assert [each.chunk for each in lab.events(RecordFailed)][-1] == "retry-2/00000000"


def test_a_dry_run_says_what_would_come_of_it_and_leaves_no_trace(lab: Lab) -> None:
    bad = Bad({1, 3})
    definition = paying(payments(4), bad)
    lab.run(definition)
    bad.remove(1)
    before = lab.log()

    result = lab.working(definition).retry(lab.letters(), dry_run=True)

    assert outcomes(result) == {1: "succeeded", 3: "failed"}
    assert result.tried[1].message == "no P-003"
    assert lab.log() == before


def test_what_is_settled_is_not_tried_again(lab: Lab) -> None:
    bad = Bad({1})
    definition = paying(payments(4), bad)
    lab.run(definition)
    bad.clear()
    working = lab.working(definition)
    letters = lab.letters()
    working.retry(letters)

    assert working.retry(letters).tried == []
    assert lab.counts(working.run) == Counts(read=4, succeeded=4)


def test_a_stopped_run_goes_on_with_what_became_of_its_letters(lab: Lab) -> None:
    """The totals and the tolerance of the resumed run count what was posted meanwhile."""
    bad = Bad({1, 2, 7, 8})
    definition = paying(payments(10), bad, chunk_size=5, tolerance=2)
    lab.run(definition, limit=5)
    working = lab.working(definition)
    bad -= {1, 2}
    working.retry(lab.letters(1))
    dead_letters.discard(lab.store, lab.letters(2), ACTOR, "not ours")

    resumed = lab.run(definition)

    assert resumed.counts == Counts(read=10, succeeded=7, failed=2, discarded=1)
    assert lab.counts(working.run) == resumed.counts


def test_letters_of_chosen_keys_are_outside_of_the_totals(lab: Lab) -> None:
    bad = Bad({1, 6})
    definition = paying(payments(8), bad, chunk_size=4)
    lab.run(definition, keys=("P-001", "P-006"))
    working = lab.working(definition)
    bad.remove(1)

    working.retry(lab.letters())

    assert lab.counts(working.run) == Counts()
    assert {row["partition"] for row in lab.view("checkpoint")} == {"keys-1", "keys-retry-1"}
    assert dead_letters.discard(lab.store, lab.letters(6), ACTOR, "no") == 1
    assert lab.counts(working.run) == Counts()
    bad.clear()
    assert lab.run(definition).counts == Counts(read=8, succeeded=7, discarded=1)
    assert lab.states() == {1: "resolved", 6: "discarded"}


def test_letters_that_a_pass_has_yet_to_come_to_are_outside_of_its_totals(lab: Lab) -> None:
    bad = Bad({1, 6, 7})
    definition = paying(payments(8), bad, chunk_size=4)
    lab.run(definition)
    lab.run(definition, again=True, reason="late", limit=4)
    working = lab.working(definition)
    bad.clear()

    assert outcomes(working.retry(lab.letters(1, 6))) == {1: "succeeded", 6: "succeeded"}
    dead_letters.discard(lab.store, lab.letters(7), ACTOR, "no")

    assert lab.counts(working.run) == Counts(read=4, succeeded=4)
    assert lab.run(definition).counts == Counts(read=8, succeeded=7, discarded=1)


def test_two_letters_with_one_key_are_settled_one_after_the_other(lab: Lab) -> None:
    rows = payments(3)
    rows += [rows[1], rows[1] | {"amount": "0.01"}]
    bad = Bad({1})
    definition = paying(rows, bad)
    lab.run(definition)
    bad.clear()
    working = lab.working(definition)

    result = working.retry(lab.letters())

    assert outcomes(result) == {1: "succeeded", 3: "skipped", 4: "failed"}
    assert lab.states() == {1: "resolved", 3: "resolved", 4: "open"}
    assert lab.counts(working.run) == Counts(read=5, succeeded=3, skipped=1, failed=1)


def test_a_killer_is_tried_in_a_process_of_its_own(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended its process before must not end the one that tries it again."""
    monkeypatch.setattr(dead_letters, "KILLED", "ValueError")
    lab.run(paying(payments(3), Bad({1, 2})))

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 1:
            os._exit(7)

    result = lab.working(paying(payments(3), act)).retry(lab.letters())

    assert outcomes(result) == {1: "failed", 2: "succeeded"}
    assert result.tried[0].error == "process-died"


def test_a_transient_error_that_stays_leaves_the_letters_as_they_are(lab: Lab) -> None:
    bad = Bad({1, 2})
    lab.run(paying(payments(4), bad, chunk_size=1))

    def late(payment: Payment) -> None:
        raise TimeoutError("late")

    retry = Retry(first_delay_seconds=0, retries=1)
    definition = paying(payments(4), late, chunk_size=1, retry=retry)

    result = lab.working(definition).retry(lab.letters())

    assert result.tried == []
    assert "TimeoutError: late" in str(result.error)
    assert lab.states() == {1: "open", 2: "open"}


class Cents(Record):
    number: str
    amount: Decimal

    @field_validator("amount", mode="before")
    @classmethod
    def _in_euros(cls, value: Any) -> Decimal:
        return Decimal(value) / 100


def test_a_model_that_converts_what_it_reads_does_not_convert_it_twice(lab: Lab) -> None:
    bad = {"B"}

    @job(key="number", source=iterable([{"number": "B", "amount": "1000"}]), name="payments")
    def pay(record: Cents) -> Entry:
        if record.number in bad:
            raise ValueError("no")
        return entry_of(Payment(number="P-0", amount=record.amount))

    lab.run(pay)
    lab.inputs.clear()
    bad.clear()
    working = lab.working(pay)

    (tried,) = working.retry(lab.letters()).tried
    assert (tried.outcome, tried.error) == ("failed", "not-repeatable")
    working.edit(lab.letters()[0], {"amount": "1000"}, "as the input has it")
    assert outcomes(working.retry(lab.letters())) == {0: "succeeded"}
    assert lab.balances()["creditors", "EUR"] == -1000


def test_what_was_not_kept_whole_cannot_be_tried_as_it_is(lab: Lab) -> None:
    rows: list[Any] = payments(4)
    rows[1] = "no record"
    rows[2] = rows[2] | {"account": "a" * (MAX_PAYLOAD_CHARACTERS + 5)}
    definition = paying(rows, Bad({2}))
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)
    before = lab.log()

    result = working.retry(lab.letters())

    assert outcomes(result) == {1: "refused", 2: "refused"}
    assert "only text" in result.tried[0].message
    assert "account" in result.tried[1].message
    assert lab.log() == before
    working.edit(lab.letters(1)[0], {"number": "P-001", "amount": "2.25"}, "read by hand")
    working.edit(lab.letters(2)[0], {"account": "expense:rent", "number": "P-900"}, "shortened")
    assert set(outcomes(working.retry(lab.letters())).values()) == {"succeeded"}
