"""Dead letters corrected and given up: what failed stays, and nothing is posted twice."""

from __future__ import annotations

from typing import Any

import pytest

from storno.domain.errors import NotAllowedError, UsageError
from storno.domain.events import (
    Counts,
    RecordCorrected,
    RecordFailed,
    RecordResolved,
    RecordSucceeded,
)
from storno.execution import dead_letters

from .lab import ACTOR, Lab, paying, payments
from .letters import Bad, outcomes


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
