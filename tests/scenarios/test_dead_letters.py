"""Dead letters worked off: corrected, tried again, given up; each record is posted once."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import field_validator

from storno import Context, Entry, Parameters, Record, Retry, iterable, job, run_job
from storno.domain.errors import ConflictError, NotAllowedError, StornoError, UsageError
from storno.domain.events import (
    Counts,
    RecordAttempted,
    RecordCorrected,
    RecordFailed,
    RecordResolved,
    RecordSucceeded,
)
from storno.execution import dead_letters
from storno.execution.draw import MAX_PAYLOAD_CHARACTERS
from storno.execution.runner import abandon_run

from .lab import ACTOR, Lab, Payment, Watcher, entry_of, ordinal_of, paying, payments
from .test_effects import JANUARY, Bank, paying_out


class Month(Parameters):
    month: str


class Bad(set[int]):
    """Payments that fail, as long as they are in it."""

    def __call__(self, payment: Payment) -> None:
        if ordinal_of(payment) in self:
            raise ValueError(f"no {payment.number}")


def outcomes(result: dead_letters.Retry) -> dict[int, str]:
    return {each.letter.ordinal: each.outcome for each in result.tried}


# Retry.


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
    assert lab.run(definition).counts == Counts(read=8, succeeded=8)
    assert set(lab.states().values()) == {"resolved"}


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
    assert lab.run(definition).counts == Counts(read=8, succeeded=8)


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


# Edit.


def test_a_corrected_record_is_posted_and_what_failed_stays(lab: Lab) -> None:
    rows = payments(3)
    rows[1] |= {"amount": "1,5"}
    definition = paying(rows)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)

    edit = working.edit(lab.letters()[0], {"amount": "1.50"}, "comma")

    assert (edit.before["amount"], edit.after["amount"]) == ("1,5", "1.50")
    assert lab.states() == {1: "corrected"}
    (event,) = lab.events(RecordCorrected)
    assert (event.changed, event.actor, event.reason) == (("amount",), ACTOR, "comma")
    assert b"1,5" in bytes(lab.events(RecordFailed)[0].payload)
    assert outcomes(working.retry(lab.letters())) == {1: "succeeded"}
    assert b"1.50" in bytes(lab.events(RecordSucceeded)[-1].record)
    assert lab.counts(working.run) == Counts(read=3, succeeded=3)


def conflicting(lab: Lab, **other: Any) -> dead_letters.Working:
    """A run whose third record has the key of its first, with other content."""
    rows = payments(3)
    rows[2] = rows[2] | {"number": "P-000"} | other
    definition = paying(rows)
    lab.run(definition)
    lab.inputs.clear()
    return lab.working(definition)


def test_a_key_that_is_corrected_to_a_free_one(lab: Lab) -> None:
    """details.md, Records: it posts on the new key's stream; the two name each other."""
    working = conflicting(lab)

    edit = working.edit(lab.letters()[0], {"number": "P 9/ü"}, "typo")
    assert edit.moved_to == "P 9/ü"
    assert outcomes(working.retry(lab.letters())) == {2: "succeeded"}

    by_stream = {each.stream: each.event for each in lab.log()}
    posted = by_stream["record/payments/P 9%2Fü"]
    assert isinstance(posted, RecordSucceeded)
    assert posted.moved_from == "record/payments/P-000"
    settled = by_stream["record/payments/P-000"]
    assert isinstance(settled, RecordResolved)
    assert settled.moved_to == "P 9/ü"
    assert lab.counts(working.run) == Counts(read=3, succeeded=3)


def test_a_key_that_is_corrected_to_one_that_is_posted_with_the_same_content(lab: Lab) -> None:
    working = conflicting(lab, amount="2.25")

    working.edit(lab.letters()[0], {"number": "P-001"}, "it is that one")

    assert outcomes(working.retry(lab.letters(), dry_run=True)) == {2: "skipped"}
    assert outcomes(working.retry(lab.letters())) == {2: "skipped"}
    assert lab.states() == {2: "resolved"}
    assert lab.counts(working.run) == Counts(read=3, succeeded=2, skipped=1)


def test_a_key_that_is_corrected_to_one_that_is_posted_with_other_content(lab: Lab) -> None:
    """The letter goes along to the new key's stream, where the conflict is."""
    working = conflicting(lab)

    working.edit(lab.letters()[0], {"number": "P-001"}, "a guess")
    assert outcomes(working.retry(lab.letters())) == {2: "failed"}

    (letter,) = lab.letters()
    assert (letter.key, letter.error) == ("P-001", "key-conflict")
    assert lab.events(RecordFailed)[-1].moved_from == "record/payments/P-000"
    working.edit(letter, {"number": "P-777"}, "a better one")
    assert outcomes(working.retry(lab.letters())) == {2: "succeeded"}
    assert lab.events(RecordSucceeded)[-1].moved_from == "record/payments/P-001"
    assert lab.counts(working.run) == Counts(read=3, succeeded=3)


def test_a_record_without_a_key_gets_one(lab: Lab) -> None:
    rows = payments(2)
    rows[1] |= {"number": ""}
    definition = paying(rows)
    lab.run(definition)
    lab.inputs.clear()
    working = lab.working(definition)

    working.edit(lab.letters()[0], {"number": "K" * 2000}, "found on paper")
    assert outcomes(working.retry(lab.letters())) == {1: "succeeded"}

    posted = lab.events(RecordSucceeded)[-1]
    assert (posted.key, posted.moved_from) == ("K" * 2000, "record/payments/~once/0/1")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"amont": "1"}, "Did you mean 'amount'", id="no such field"),
        pytest.param({"amount": "x", "date": "y"}, "amount: .*; date: ", id="every fault is said"),
        pytest.param({"number": ""}, "key is empty", id="no key"),
        pytest.param({"number": "a\0b"}, "NUL", id="an impossible key"),
    ],
)
def test_an_edit_that_would_not_be_valid(lab: Lab, changes: dict[str, str], says: str) -> None:
    working = conflicting(lab)
    before = lab.log()

    with pytest.raises(UsageError, match=says):
        working.edit(lab.letters()[0], changes, "typo")
    assert lab.log() == before


def test_an_edit_tried_out_leaves_no_trace(lab: Lab) -> None:
    working = conflicting(lab)
    before = lab.log()

    good = working.edit(lab.letters()[0], {"number": "P-009"}, "typo", dry_run=True)
    bad = working.edit(lab.letters()[0], {"amount": "x"}, "typo", dry_run=True)

    assert good.tried is not None
    assert isinstance(good.tried.event, RecordSucceeded)
    assert good.tried.event.entries[0].lines[0].minor == 325
    assert "amount" in str(bad.faults)
    assert lab.log() == before


def test_an_edit_of_what_is_settled_is_refused(lab: Lab) -> None:
    bad = Bad({1, 2})
    definition = paying(payments(4), bad)
    lab.run(definition)
    working = lab.working(definition)
    posted, given_up = lab.letters()
    bad.clear()
    working.retry([posted])
    dead_letters.discard(lab.store, [given_up], ACTOR, "no")

    for place, says in ((posted, "is posted"), (given_up, "given up")):
        with pytest.raises(NotAllowedError, match=says):
            working.edit(place, {"amount": "1"}, "typo")


def test_a_letter_that_a_later_pass_settled_is_not_touched(lab: Lab) -> None:
    """No event of its stream says so: the pass found the record posted, and skipped it."""
    rows = payments(3)
    rows[2] = rows[0] | {"amount": "9.99"}
    definition = paying(rows)
    lab.run(definition)
    (place,) = lab.letters()
    rows[2] = rows[0]
    lab.run(definition, again=True, reason="file corrected")
    working = lab.working(definition)

    assert working.retry([place]).tried == []
    with pytest.raises(NotAllowedError, match="is posted"):
        working.edit(place, {"amount": "1"}, "typo")
    with pytest.raises(NotAllowedError, match="nothing to discard"):
        dead_letters.discard(lab.store, [place], ACTOR, "no")


# Discard.


def test_what_is_discarded_moves_from_failed_to_discarded(lab: Lab) -> None:
    definition = paying(payments(6), Bad({0, 2, 4}))
    lab.run(definition)
    working = lab.working(definition)

    assert dead_letters.discard(lab.store, lab.letters(0, 4), ACTOR, "not ours") == 2
    assert dead_letters.discard(lab.store, lab.letters(2), ACTOR, "nor that") == 1

    assert lab.counts(working.run) == Counts(read=6, succeeded=3, discarded=3)
    assert {row["settled_by"] for row in lab.view("dead_letters")} == {"anna"}


def test_it_is_discarded_in_commits_of_bounded_size(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "DISCARDED_AT_ONCE", 2)
    definition = paying(payments(6), Bad(range(5)))
    lab.run(definition)
    working = lab.working(definition)
    commits = len(lab.store.log.commits())
    told: list[int] = []
    letters = lab.letters()

    assert dead_letters.discard(lab.store, letters, ACTOR, "no", told.append) == 5

    assert len(lab.store.log.commits()) == commits + 3
    assert told == [2, 4, 5]
    assert dead_letters.discard(lab.store, letters, ACTOR, "no") == 0
    assert lab.counts(working.run) == Counts(read=6, succeeded=1, discarded=5)


# Effects and writes.


def test_a_call_is_repeated_with_its_idempotency_key(lab: Lab) -> None:
    """details.md, Records: the attempt is written down first, with the key of that posting."""
    bank = Bank({2: [ValueError("account closed")]})
    definition = paying_out(payments(4), bank)
    lab.run(definition, JANUARY)
    working = lab.working(definition, JANUARY)
    written: list[int] = []
    bank.before = lambda ordinal: written.append(len(lab.events(RecordAttempted)))

    tried_out = working.retry(lab.letters(), dry_run=True)
    assert outcomes(tried_out) == {2: "succeeded"}
    assert written == [], "a job that calls out is not called"
    assert outcomes(working.retry(lab.letters())) == {2: "succeeded"}

    assert written == [5]
    assert bank.ordinals() == [0, 1, 2, 3, 2]
    assert len(bank.keys()[2]) == 1
    assert lab.counts(working.run) == Counts(read=4, succeeded=4)


def test_a_call_without_an_outcome_is_neither_edited_nor_discarded(lab: Lab) -> None:
    bank = Bank({2: [ValueError("no")], 29: [KeyError("fatal")]})
    definition = paying_out(payments(4), bank, fatal=(KeyError,))
    lab.run(definition, JANUARY)
    working = lab.working(definition, JANUARY)
    working.edit(lab.letters()[0], {"number": "P-029"}, "another key")

    assert "KeyError" in str(working.retry(lab.letters()).error)
    with pytest.raises(NotAllowedError, match="retry it first"):
        working.edit(lab.letters()[0], {"amount": "1"}, "typo")
    with pytest.raises(NotAllowedError, match="retry it first"):
        dead_letters.discard(lab.store, lab.letters(), ACTOR, "no")
    lab.inputs.clear()
    assert outcomes(working.retry(lab.letters())) == {2: "succeeded"}


def test_rows_of_the_job_commit_with_the_retry(lab: Lab) -> None:
    rows = sa.table("rows_of_the_job", sa.column("number", sa.Text))
    with lab.store.engine.connect() as connection:
        writing = connection.execution_options(storno_writes=True)
        with writing.begin():
            writing.execute(sa.text("CREATE TABLE rows_of_the_job (number TEXT PRIMARY KEY)"))
    bad = Bad({1, 2})

    @job(key="number", source=iterable(payments(4)), name="payments", writes=True)
    def pay(payment: Payment, context: Context) -> Entry:
        context.connection.execute(sa.insert(rows).values(number=payment.number))
        bad(payment)
        return entry_of(payment)

    lab.run(pay)
    bad.remove(1)
    assert outcomes(lab.working(pay).retry(lab.letters())) == {1: "succeeded", 2: "failed"}
    with lab.store.engine.connect() as connection:
        kept = connection.execute(sa.select(rows.c.number)).scalars().all()
    assert sorted(kept) == ["P-000", "P-001", "P-003"]


# Who else is at it.


def test_a_run_that_is_at_work_keeps_its_letters(lab: Lab) -> None:
    bad = Bad({1})
    definition = paying(payments(8), bad, chunk_size=4)
    said: list[str] = []

    def meddle(counts: Counts) -> None:
        if counts.read == 4:
            working = lab.working(definition)
            for act in (
                lambda: working.retry(lab.letters()),
                lambda: working.edit(lab.letters()[0], {"amount": "1"}, "typo"),
                lambda: dead_letters.discard(lab.store, lab.letters(), ACTOR, "no"),
            ):
                with pytest.raises(ConflictError) as refused:
                    act()
                said.append(str(refused.value))

    lab.run(definition, watcher=Watcher(on_commit=meddle))

    assert len(said) == 3
    assert all("is being worked on by" in each for each in said)


def test_letters_that_are_tried_keep_their_run(lab: Lab) -> None:
    """Concurrent retry and resume, and two retries: one works, the others are told to wait."""
    bad = Bad({1})
    said: list[str] = []
    inner: list[Any] = []

    def act(payment: Payment) -> None:
        bad(payment)
        while inner:
            with pytest.raises(StornoError) as refused:
                inner.pop()()
            said.append(str(refused.value))

    definition = paying(payments(8), act, chunk_size=4)
    lab.run(definition, limit=4)
    bad.clear()
    working = lab.working(definition)
    letters = lab.letters()
    inner += [
        lambda: run_job(lab.store, definition, {}, ACTOR),
        lambda: working.retry(letters),
        lambda: working.edit(letters[0], {"amount": "1"}, "typo"),
        lambda: dead_letters.discard(lab.store, letters, ACTOR, "no"),
    ]

    assert outcomes(working.retry(letters)) == {1: "succeeded"}

    assert len(said) == 4
    assert all("tried again by process" in each for each in said)
    assert lab.run(definition).counts == Counts(read=8, succeeded=8)


def test_a_run_that_is_ended_for_good_posts_no_more(lab: Lab) -> None:
    definition = paying(payments(8), Bad({1}), chunk_size=4)
    lab.run(definition, limit=4)
    working = lab.working(definition)
    abandon_run(lab.store, working.run, ACTOR, "replaced")

    with pytest.raises(NotAllowedError, match="was abandoned"):
        working.retry(lab.letters())
    with pytest.raises(NotAllowedError, match="was abandoned"):
        working.edit(lab.letters()[0], {"amount": "1"}, "typo")
    assert dead_letters.discard(lab.store, lab.letters(), ACTOR, "replaced") == 1


def test_another_record_model_is_another_job(lab: Lab) -> None:
    definition = paying(payments(4), Bad({1}))
    lab.run(definition)

    with pytest.raises(ConflictError, match="key definition or record model changed"):
        lab.working(paying(payments(4), key="account")).retry(lab.letters())


@pytest.mark.parametrize("act", ["edit", "discard", "start"])
def test_what_happens_between_the_look_and_the_commit(lab: Lab, act: str) -> None:
    """A letter that is changed meanwhile is looked at anew; a run that is started fences."""
    bad = Bad({1, 2})
    working: list[dead_letters.Working] = []
    acts: list[Any] = []

    def meddle(payment: Payment) -> None:
        bad(payment)
        while acts:
            acts.pop()()

    definition = paying(payments(8), meddle, chunk_size=4)
    lab.run(definition, limit=4)
    lab.inputs.clear()
    bad.clear()
    working = lab.working(definition)
    first, second = lab.letters()
    journal = dead_letters.Journal(lab.store)

    def behind_the_hold() -> None:
        lease = journal.lease(f"retry/{working.run}")
        assert lease is not None
        journal.give_lease_back(f"retry/{working.run}", lease.holder)
        if act == "edit":
            working.edit(first, {"amount": "7.00"}, "typo")
        elif act == "discard":
            dead_letters.discard(lab.store, [first], ACTOR, "no")
        else:
            lab.run(definition)
            lab.acknowledged.clear()

    acts.append(behind_the_hold)
    if act == "start":
        with pytest.raises(ConflictError, match="was started or changed by somebody else"):
            working.retry([first, second])
        assert lab.states() == {1: "open", 2: "open"}
        return
    result = working.retry([first, second])
    assert outcomes(result)[2] == "succeeded"
    if act == "edit":
        amounts = [bytes(each.record) for each in lab.events(RecordSucceeded)]
        assert any(b'"7.00"' in each for each in amounts)
        assert lab.states() == {1: "resolved", 2: "resolved"}
    else:
        assert lab.states() == {1: "discarded", 2: "resolved"}
