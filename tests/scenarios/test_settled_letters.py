"""The input is read once more: what a person did about a dead letter holds.

details.md, Runs: a record that an earlier attempt of the same run posted counts as succeeded.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from storno import Context, Entry, Job, RunResult, iterable, job
from storno.domain.events import (
    ChunkCompleted,
    Counts,
    RecordAttempted,
    RecordFailed,
    RecordSucceeded,
)
from storno.execution import dead_letters
from storno.execution.forgetting import forget_subject

from .lab import ACTOR, Lab, Payment, Rows, entry_of, paying, payments
from .letters import Bad, outcomes
from .persons import amount_of, billing, bills
from .taking import Taking, where
from .test_effects import Bank, paying_out

AGAIN = {"again": True, "reason": "once more"}


def broken(count: int, *ordinals: int) -> Rows:
    """Payments, of which these have an amount with a comma."""
    rows = payments(count)
    for ordinal in ordinals:
        rows[ordinal] |= {"amount": "1,50"}
    return rows


def mend(lab: Lab, definition: Job, ordinal: int, **changes: str) -> None:
    """Correct a dead letter, and have it posted."""
    lab.inputs.clear()
    working = lab.working(definition)
    working.edit(lab.letters(ordinal)[0], changes, "mended")
    assert outcomes(working.retry(lab.letters(ordinal))) == {ordinal: "succeeded"}


def discard(lab: Lab, definition: Job, *ordinals: int) -> None:
    lab.working(definition)
    dead_letters.discard(lab.store, lab.letters(*ordinals), ACTOR, "not ours")


def run_again(lab: Lab, definition: Job, **options: Any) -> RunResult:
    result = lab.run(definition, **AGAIN, **options)
    lab.inputs.clear()
    return result


def test_what_was_corrected_and_posted_is_posted(lab: Lab) -> None:
    definition = paying(broken(4, 1, 2))
    lab.run(definition)
    mend(lab, definition, 1, amount="1.50")
    before = len(lab.log())

    result = run_again(lab, definition)

    assert result.counts == Counts(read=4, succeeded=3, failed=1)
    assert lab.states() == {1: "resolved", 2: "open"}
    written = [type(each.event).__name__ for each in lab.log()[before:]]
    assert written.count("RecordFailed") == 1, "of the one that nobody has seen to"
    assert len(lab.events(RecordSucceeded)) == 3


def test_what_was_posted_with_other_content_is_no_conflict(lab: Lab) -> None:
    """The job refused the record, and a person gave it another amount."""
    bad = Bad({1})
    definition = paying(payments(3), bad)
    lab.run(definition)
    bad.clear()
    mend(lab, definition, 1, amount="9.99")

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=3)
    assert lab.states() == {1: "resolved"}


def test_what_was_posted_under_another_key_is_posted(lab: Lab) -> None:
    rows = payments(3)
    rows[2] = rows[2] | {"number": "P-000"}
    definition = paying(rows)
    lab.run(definition)
    mend(lab, definition, 2, number="P-002")

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=3)
    assert lab.states() == {2: "resolved"}


def test_what_was_corrected_twice_is_posted(lab: Lab) -> None:
    """The last failure is of the first correction, and not of what the input has."""
    bad = Bad({1})
    definition = paying(broken(3, 1), bad)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)
    working.edit(lab.letters()[0], {"amount": "1.50"}, "comma")
    assert outcomes(working.retry(lab.letters())) == {1: "failed"}
    bad.clear()
    mend(lab, definition, 1, amount="2.50")

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=3)
    assert lab.states() == {1: "resolved"}


def test_what_was_corrected_to_one_key_and_then_to_another_is_posted(lab: Lab) -> None:
    rows = payments(3)
    rows[2] = rows[2] | {"number": "P-000"}
    definition = paying(rows)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)
    working.edit(lab.letters()[0], {"number": "P-001"}, "a guess")
    assert outcomes(working.retry(lab.letters())) == {2: "failed"}
    mend(lab, definition, 2, number="P-002")

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=3)
    assert lab.states() == {2: "resolved"}


def test_what_was_found_to_be_posted_elsewhere_is_skipped(lab: Lab) -> None:
    rows = payments(3)
    rows[2] = rows[1] | {"number": "P-000"}
    definition = paying(rows)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)
    working.edit(lab.letters()[0], {"number": "P-001"}, "it is that one")
    assert outcomes(working.retry(lab.letters())) == {2: "skipped"}

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=2, skipped=1)
    assert lab.states() == {2: "resolved"}
    assert lab.events(ChunkCompleted)[-1].skipped_keys == ("P-001",)


def test_what_was_discarded_is_not_posted(lab: Lab) -> None:
    """Not even where nothing would be in the way any more: it was given up for good."""
    bad = Bad({1, 2})
    definition = paying(payments(5), bad, chunk_size=2, tolerance=9)
    lab.run(definition)
    discard(lab, definition, 1)
    bad.clear()

    assert run_again(lab, definition).counts == Counts(read=5, succeeded=4, discarded=1)
    assert lab.states() == {1: "discarded", 2: "resolved"}
    assert run_again(lab, definition).counts == Counts(read=5, succeeded=4, discarded=1)
    assert lab.posted() == [0, 2, 3, 4]


def test_a_correction_waits_on(lab: Lab) -> None:
    """Neither lost, nor overtaken by what the input says."""
    bad = Bad({1})
    definition = paying(payments(3), bad)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)
    working.edit(lab.letters()[0], {"amount": "9.99"}, "mended")
    bad.clear()

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=2, failed=1)
    assert lab.states() == {1: "corrected"}
    assert len(lab.events(RecordFailed)) == 1
    assert outcomes(lab.working(definition).retry(lab.letters())) == {1: "succeeded"}
    assert lab.counts(working.run) == Counts(read=3, succeeded=3)
    assert b"9.99" in bytes(lab.events(RecordSucceeded)[-1].record)


def test_what_was_taken_back_is_worked_on_as_the_input_has_it(lab: Lab) -> None:
    definition = paying(broken(3, 1))
    lab.run(definition)
    mend(lab, definition, 1, amount="1.50")
    Taking(lab, definition).take_back(where("number=P-001"))

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=2, failed=1)
    assert lab.states() == {1: "open"}


def test_what_the_input_gives_differently_by_now_is_new(lab: Lab) -> None:
    rows = broken(4, 0, 1, 2)
    definition = paying(rows)
    lab.run(definition)
    discard(lab, definition, 0, 1)
    mend(lab, definition, 2, amount="1.50")
    rows[0]["amount"], rows[1]["amount"], rows[2]["amount"] = "1.75", "x", "1.75"

    result = run_again(lab, definition)

    assert result.counts == Counts(read=4, succeeded=2, failed=2)
    assert lab.states() == {0: "resolved", 1: "open", 2: "open"}
    assert lab.failures()[2] == "key-conflict", "another amount than the one that is posted"


def test_what_has_no_key_keeps_what_was_done(lab: Lab) -> None:
    rows: list[Any] = payments(3)
    rows[1] = "no record"
    definition = paying(rows)
    lab.run(definition)
    mend(lab, definition, 1, number="P-001", amount="2.25")

    assert run_again(lab, definition).counts == Counts(read=3, succeeded=3)
    assert lab.states() == {1: "resolved"}


def test_nobody_is_called_for_what_is_settled(lab: Lab) -> None:
    bank = Bank({1: [ValueError("no such account")], 2: [ValueError("no such account")]})
    definition = paying_out(payments(4), bank, parameters=None, tolerance=9)
    lab.run(definition)
    mend(lab, definition, 1, account="expense:other")
    discard(lab, definition, 2)
    bank.calls.clear()

    result = run_again(lab, definition, dry_run=True)
    assert result.counts == Counts(read=4, succeeded=3, discarded=1)
    assert run_again(lab, definition).counts == result.counts
    assert bank.calls == []
    assert len(lab.events(RecordAttempted)) == 5
    assert lab.states() == {1: "resolved", 2: "discarded"}


def test_rows_are_not_written_for_what_is_settled(lab: Lab) -> None:
    bad = {1}

    @job(key="number", source=iterable(payments(3)), name="payments", writes=True, tolerance=9)
    def pay(payment: Payment, context: Context) -> Entry:
        context.connection.execute(sa.text("CREATE TABLE IF NOT EXISTS paid (number text)"))
        context.connection.execute(sa.text("INSERT INTO paid VALUES (:n)"), {"n": payment.number})
        if int(payment.number[-1]) in bad:
            raise ValueError("no")
        return entry_of(payment)

    lab.run(pay)
    discard(lab, pay, 1)
    bad.clear()

    assert run_again(lab, pay).counts == Counts(read=3, succeeded=2, discarded=1)
    with lab.store.engine.connect() as connection:
        paid = connection.execute(sa.text("SELECT number FROM paid ORDER BY number"))
        assert paid.scalars().all() == ["P-000", "P-002"]


def test_chosen_by_its_key_it_stays_settled(lab: Lab) -> None:
    bad = Bad({1, 2})
    definition = paying(payments(4), bad, tolerance=9)
    lab.run(definition)
    discard(lab, definition, 1)
    bad.clear()

    run_again(lab, definition, keys=("P-001", "P-002"))

    assert lab.states() == {1: "discarded", 2: "resolved"}
    assert lab.posted() == [0, 2, 3]


@pytest.mark.parametrize("forgotten", [False, True])
def test_personal_fields_are_compared_as_far_as_they_can_be_read(lab: Lab, forgotten: bool) -> None:
    lab.amount_of = amount_of
    rows = bills(4)
    rows[1]["amount"], rows[2]["name"] = "1,50", 7
    definition = billing(rows, tolerance=9)
    lab.run(definition)
    discard(lab, definition, 1)
    mend(lab, definition, 2, name="Grace Hopper 2")
    if forgotten:
        forget_subject(lab.store, "person=1", ACTOR, reason="asked to")

    assert run_again(lab, definition).counts == Counts(read=4, succeeded=3, discarded=1)
    assert lab.states() == {1: "discarded", 2: "resolved"}
    rows[2]["name"] = 8
    assert run_again(lab, definition).counts == Counts(read=4, succeeded=2, failed=1, discarded=1)
