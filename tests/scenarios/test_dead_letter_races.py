"""Dead letters of jobs that act elsewhere, and who else is at them."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from storno import Context, Entry, iterable, job, run_job
from storno.domain.errors import ConflictError, NotAllowedError, StornoError
from storno.domain.events import (
    Counts,
    RecordAttempted,
    RecordSucceeded,
)
from storno.execution import dead_letters
from storno.execution.journal import Journal
from storno.execution.runner import abandon_run

from .lab import ACTOR, Lab, Payment, Watcher, entry_of, paying, payments
from .letters import Bad, outcomes
from .test_effects import JANUARY, Bank, paying_out


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
    journal = Journal(lab.store)

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
