"""Somebody is forgotten: what is stored stays as it is, and cannot be read any more."""

from __future__ import annotations

from typing import Any

import pytest

from storno.domain.errors import ConflictError, NotFoundError, StoreError, UsageError
from storno.domain.events import RecordFailed, RecordReversalFailed, RecordSucceeded
from storno.domain.subject import SubjectForgotten
from storno.execution.forgetting import find_subject, forget_subject
from storno.storage.keys import new_key
from storno.storage.log import EventLog

from .lab import ACTOR, Lab
from .letters import outcomes
from .persons import BILLS, Bill, Month, amount_of, billing, bills, leaks, paying_out, read
from .taking import Taking


def forget(lab: Lab, subject: str) -> str:
    return forget_subject(lab.store, subject, ACTOR, reason="a letter").handle


def log_of(lab: Lab) -> list[Any]:
    """All that is stored of events and commits, byte for byte."""
    log: EventLog = lab.store.log
    rows = sorted(log.read_prefix(""), key=lambda row: row.position)
    return [*rows, *log.commits(limit=1_000_000)]


def test_nothing_that_is_stored_changes(lab: Lab) -> None:
    lab.run(billing(bills(6)))
    lab.check()
    before, balances = log_of(lab), lab.balances()

    handle = forget(lab, "person=1")

    after = log_of(lab)
    assert [row for row in after if row not in before] == [
        row for row in after if getattr(row, "stream", "") == f"subject/{handle}"
    ] + after[-1:]
    assert all(row in after for row in before)
    assert lab.balances() == balances
    lab.check()


def test_only_who_is_meant_is_erased(lab: Lab) -> None:
    lab.run(billing(bills(3)))

    forget(lab, "person=1")

    names = [read(lab, event.record)["name"] for event in lab.events(RecordSucceeded)]
    assert names == ["Grace Hopper 0", "[erased]", "Grace Hopper 2"]
    (event,) = lab.events(SubjectForgotten)
    assert (event.actor, event.reason) == (ACTOR, "a letter")
    with pytest.raises(NotFoundError, match="nobody is known as 'person=1'"):
        forget(lab, "person=1")


def test_a_key_that_is_only_missing_is_no_erasure(lab: Lab) -> None:
    lab.run(billing(bills(1)))

    lab.store.keys.destroy(find_subject(lab.store, "person=0").handle)

    (posted,) = lab.events(RecordSucceeded)
    assert read(lab, posted.record)["name"] == "[sealed]"


def test_forgetting_that_was_ended_halfway_is_done_whole_by_doing_it_again(lab: Lab) -> None:
    lab.run(billing(bills(1)))
    keys, found = lab.store.keys, find_subject(lab.store, "person=0")

    class Down(type(keys)):  # type: ignore[misc]
        def destroy(self, handle: str) -> None:
            raise ConnectionError("it went away")

    keys.__class__ = Down
    with pytest.raises(StoreError, match="it went away"):
        forget(lab, "person=0")
    keys.__class__ = Down.__mro__[1]

    assert forget(lab, "person=0") == found.handle
    assert len(lab.events(SubjectForgotten)) == 1
    assert keys.read([found.handle]) == {}


def test_forgetting_needs_a_reason(lab: Lab) -> None:
    lab.run(billing(bills(1)))

    with pytest.raises(UsageError, match="reason"):
        forget_subject(lab.store, "person=0", ACTOR, reason=" ")
    assert find_subject(lab.store, "person=0")


def test_a_value_alone_finds_who_is_meant(lab: Lab) -> None:
    lab.run(billing(bills(2)))

    assert find_subject(lab.store, "1", ["person", "employee"]).subject == "person=1"
    lab.store.keys.make(["employee=1"])
    with pytest.raises(UsageError, match="may be employee=1 or person=1"):
        find_subject(lab.store, "1", ["person", "employee"])
    with pytest.raises(NotFoundError, match="Looked for person=9"):
        find_subject(lab.store, "9", ["person"])


def test_who_comes_again_has_a_new_key(lab: Lab) -> None:
    lab.run(billing(bills(2, persons=1)))
    before = forget(lab, "person=0")

    lab.run(billing(bills(2, persons=1, first=2), parameters=Month), {"month": "2"})

    assert find_subject(lab.store, "person=0").handle != before
    names = [read(lab, event.record)["name"] for event in lab.events(RecordSucceeded)]
    assert sorted(names) == ["Grace Hopper 0", "Grace Hopper 0", "[erased]", "[erased]"]


def test_what_is_delivered_again_of_somebody_forgotten_is_not_stored_again(lab: Lab) -> None:
    """A conflict would put into the store what was to be forgotten."""
    lab.run(billing(bills(3)))
    forget(lab, "person=1")
    rows = bills(3)
    rows[1]["name"] = "somebody else"

    result = lab.run(billing(rows, parameters=Month), {"month": "2"})

    assert result.counts.skipped == 3
    rows[1]["amount"] = "99.99"
    result = lab.run(billing(rows, parameters=Month), {"month": "3"})
    assert (result.counts.skipped, result.counts.failed) == (2, 1), "what can be read does conflict"


def test_entries_of_somebody_forgotten_can_be_taken_back_and_posted_again(lab: Lab) -> None:
    lab.run(billing(bills(4)))
    forget(lab, "person=1")

    result = Taking(lab, billing(bills(4))).take_back(run=BILLS)

    assert (result.reversed, result.failed) == (4, 0)
    assert lab.balances() == {}
    again = lab.run(billing(bills(4)), again=True, reason="posted again")
    assert again.counts.succeeded == 4
    assert leaks(lab) == []


def test_a_handler_is_not_called_without_what_it_needs(lab: Lab) -> None:
    refunds: list[tuple[str, Any]] = []
    definition = paying_out(bills(3), refunds)
    lab.run(definition)
    forget(lab, "person=1")
    taking = Taking(lab, definition)

    name = taking.submit(run=BILLS)
    result = taking.execute(name)

    assert (result.reversed, result.failed) == (2, 1)
    assert {who for who, _ in refunds} == {"Grace Hopper 0", "Grace Hopper 2"}
    (failed,) = lab.events(RecordReversalFailed)
    assert failed.error == "erased"
    assert failed.message.startswith("its name, iban, output cannot be read")


def test_a_dead_letter_of_somebody_forgotten_waits_for_a_person(lab: Lab) -> None:
    bad = {"B-001"}

    def act(bill: Bill) -> None:
        if bill.number in bad:
            raise ValueError("no")

    lab.amount_of = amount_of
    definition = billing(bills(3), act)
    lab.run(definition)
    forget(lab, "person=1")
    bad.clear()
    working = lab.working(definition)

    (tried,) = working.retry(lab.letters()).tried
    assert (tried.outcome, tried.error) == ("refused", "not-retriable")
    assert "its name, iban cannot be read" in tried.message
    with pytest.raises(UsageError, match="its iban cannot be read"):
        working.edit(lab.letters()[0], {"name": "G. H."}, "on paper")
    edit = working.edit(lab.letters()[0], {"name": "G. H.", "iban": "none"}, "on paper")
    assert edit.before["name"] == "[erased]"
    assert outcomes(working.retry(lab.letters())) == {1: "succeeded"}
    assert len(lab.events(RecordFailed)) == 1


def test_two_who_make_a_key_at_once_get_the_same(lab: Lab) -> None:
    """Whoever is later finds what the other has made."""
    ours = lab.store.keys
    ours.make(["person=other"])
    other = type(lab.store)(lab.store.engine).keys

    class Faster(type(ours)):  # type: ignore[misc]
        """Between looking and making, another process makes it."""

        def make(self, subjects: Any) -> Any:
            made = other.make(subjects)
            assert super().make(subjects) == made
            return made

    ours.__class__ = Faster
    lab.run(billing(bills(2)))
    other.close()
    assert new_key().handle != new_key().handle


def test_a_subject_is_forgotten_by_one_at_a_time(lab: Lab) -> None:
    lab.run(billing(bills(1)))
    handle = forget(lab, "person=0")

    with pytest.raises((NotFoundError, ConflictError)):
        forget(lab, "person=0")
    assert [each.stream for each in lab.log() if each.stream.startswith("subject/")] == [
        f"subject/{handle}"
    ]
