"""Who has to agree to a reversal, and what they agree to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storno import ReversalPolicy
from storno.compensations.plan import Request
from storno.compensations.scope import Scope
from storno.domain.errors import ApprovalRequiredError, NotAllowedError, UsageError
from storno.domain.reversal import Form, PlanChangedError, ReversalApproved, ReversalRequested
from storno.execution import planning, reversing
from storno.execution.dead_letters import discard
from storno.execution.journal import Journal
from storno.execution.reversals import submit_reversal
from storno.storage import queries

from .lab import ACTOR, Lab, paying
from .taking import BEN, CARA, DORA, ONCE, WHOLE, Taking, where
from .test_reversals import dated, ran


def test_a_reason_is_mandatory(lab: Lab) -> None:
    """accounting-rules, 9; and it is in the event, with who asked and what for."""
    taking = ran(lab, 2)
    name = taking.submit(Scope(keys=("P-001",)), form="red")

    (event,) = lab.events(ReversalRequested)
    assert (event.code, event.text, event.actor) == ("wrong-input", "the wrong file", ACTOR)
    assert (event.form, event.records, event.scope) == (
        "red",
        1,
        {"kind": "records", "keys": ["P-001"]},
    )
    assert name == "R-000001"
    assert taking.submit() == "R-000002"


@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        ("wrong-inptu", "x", "Did you mean 'wrong-input'"),
        ("mine", "x", "'mine' is no reason code"),
        ("wrong-input", " ", "needs a reason in words"),
    ],
)
def test_a_reason_is_of_the_list_and_in_words(lab: Lab, code: str, text: str, says: str) -> None:
    """accounting-rules, 9: else nothing is asked for."""
    taking = ran(lab, 2)

    with pytest.raises(UsageError, match=says):
        submit_reversal(lab.store, Request(str(ONCE), WHOLE), code=code, text=text, job=taking.job)
    assert not lab.events(ReversalRequested)

    of_the_job = ran(lab, 2, reversals=ReversalPolicy(reasons=("mine",)))
    request = Request(str(ONCE), WHOLE)
    submit_reversal(lab.store, request, code="mine", text="x", job=of_the_job.job)
    assert [event.code for event in lab.events(ReversalRequested)] == ["mine"]


@pytest.mark.parametrize("form", ["black", "red"])
def test_from_an_amount_on_others_have_to_agree(lab: Lab, form: Form) -> None:
    """accounting-rules, 10: by what is taken back, whichever way it is written."""
    policy = ReversalPolicy(approvals=1, above={"EUR": "11.00"})
    taking = ran(lab, reversals=policy)

    def ask(scope: Scope) -> str:
        request = Request(str(ONCE), scope, form)
        name = submit_reversal(lab.store, request, code="other", text="x", job=taking.job)
        return str(taking.row(name)["state"])

    assert ask(where("amount<=5")) == "approved"
    assert ask(where("amount<=6")) == "requested"
    assert ask(WHOLE) == "requested"


def test_another_person_has_to_agree(lab: Lab) -> None:
    """accounting-rules, 10."""
    taking = ran(lab)
    name = taking.submit(approvals=1)

    with pytest.raises(ApprovalRequiredError, match="1 person other than the requester"):
        taking.execute(name)
    with pytest.raises(NotAllowedError, match="anna requested the reversal and cannot approve it"):
        taking.approve(name, ACTOR)
    assert taking.reversed() == []
    assert taking.run_state() == "completed"

    taking.approve(name)
    assert taking.row(name)["state"] == "approved"
    assert taking.execute(name).reversed == 10


def test_two_have_to_agree_and_nobody_counts_twice(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit(approvals=2)

    for _ in range(2):
        taking.approve(name, BEN)
    with pytest.raises(ApprovalRequiredError, match="1 person"):
        taking.execute(name)
    assert taking.row(name)["approved"] == 1
    taking.approve(name, DORA)

    assert [(event.actor.name, event.final) for event in lab.events(ReversalApproved)] == [
        ("ben", False),
        ("dora", True),
    ]
    with pytest.raises(NotAllowedError, match="does not wait for approval"):
        taking.approve(name, CARA)
    assert taking.execute(name).state == "completed"


def test_a_rejected_reversal_is_over(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit(approvals=1)

    with pytest.raises(UsageError, match="needs a reason"):
        taking.reject(name, reason=" ")
    taking.reject(name, reason="they were paid")
    taking.reject(name)

    for act in (taking.execute, taking.approve):
        with pytest.raises(NotAllowedError, match="reject"):
            act(name)
    assert taking.row(name)["message"] == "they were paid"
    assert taking.submit(approvals=1) == "R-000002"


def test_an_approved_reversal_may_still_be_rejected_until_it_begins(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit()
    taking.execute(name)

    with pytest.raises(NotAllowedError, match="completed and cannot be rejected"):
        taking.reject(name)


CHANGES = {
    "others took some back": lambda taking: taking.take_back(Scope(keys=("P-004",))),
    "its period was closed": lambda taking: taking.close("2026-01"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_that_changed_is_not_executed(lab: Lab, change: str) -> None:
    """accounting-rules, 10: neither agreed to nor begun, and nothing is written."""
    taking = ran(lab)
    waiting = taking.submit(approvals=1)
    agreed = taking.submit(approvals=1)
    taking.approve(agreed)
    seen = taking.plan().foreseen()
    CHANGES[change](taking)
    before = lab.store.log.head()

    with pytest.raises(PlanChangedError, match="has changed since it was requested"):
        taking.approve(waiting)
    with pytest.raises(PlanChangedError, match=f"reversal {agreed} was not begun"):
        taking.execute(agreed)
    with pytest.raises(PlanChangedError, match="has changed since it was planned"):
        taking.submit(seen=seen)

    assert lab.store.log.head() == before


def test_the_difference_is_named(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit()
    taking.take_back(where("amount>5"))

    with pytest.raises(PlanChangedError) as caught:
        taking.execute(name)

    assert "it would take back 4 records, not 10, and 6 cannot be, not 0" in str(caught.value)
    assert "blocked now: P-" in str(caught.value)
    assert " (already-reversed: by reversal R-000002) and 1 more; its net" in str(caught.value)
    assert (
        "its net effect would be creditors EUR debit 11.00 and credit 0.00, not debit 57.50 and "
        "credit 0.00 / expense:rent EUR debit 0.00 and credit 11.00, not debit 0.00 and credit "
        "57.50"
    ) in str(caught.value)


def test_a_stale_plan_is_told_what_it_said_and_what_is_so(lab: Lab) -> None:
    """As whoever executes is told; and what blocks it by now, and what no more, by name."""
    taking = ran(lab)
    taking.take_back(Scope(keys=("P-000",)))
    seen = taking.plan().foreseen()
    assert taking.job is not None
    lab.run(taking.job, again=True, reason="it was right")
    taking.take_back(where("amount>5"))
    before = lab.store.log.head()

    with pytest.raises(PlanChangedError) as caught:
        taking.submit(seen=seen)

    said = str(caught.value)
    assert said.startswith("nothing was submitted: what the reversal would do has changed since")
    assert "it would take back 4 records, not 9, and 6 cannot be, not 1; " in said
    assert "blocked now: P-" in said
    assert " (already-reversed: by reversal R-000002) and 1 more; blocked no more: P-000 " in said
    assert "creditors EUR debit 11.00 and credit 0.00, not debit " in said
    assert said.endswith("Plan it anew.")
    assert lab.store.log.head() == before


def test_where_it_moves_is_part_of_the_difference(lab: Lab) -> None:
    """Who is to agree, and who executes, read what the calendar did to the plan."""
    taking = ran(lab)
    taking.close("2026-01")
    waiting, agreed = taking.submit(approvals=1), taking.submit()
    taking.close("2026-02")
    moved = "it would move 10 of 2026-01 to 2026-03-01, not 10 of 2026-01 to 2026-02-01"

    with pytest.raises(PlanChangedError, match=f"was not approved: .*{moved}.* reject this one"):
        taking.approve(waiting)
    with pytest.raises(PlanChangedError, match=f"was not begun: .*{moved}"):
        taking.execute(agreed)
    taking.reopen("2026-02")
    taking.reopen("2026-01")
    with pytest.raises(PlanChangedError, match="it would move no entries, not 10 of 2026-01"):
        taking.execute(agreed)


def test_reopened_in_time_the_plan_is_the_same_again(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit()
    taking.close("2026-01")
    taking.reopen("2026-01")

    assert taking.execute(name).reversed == 10


def between_look_and_begin(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]
) -> None:
    """Do something once a reversal has looked at its plan, before it keeps its run from others."""
    look = planning.refuse_changed_plan

    def looked(journal: Journal, looking: str, *rest: Any) -> None:
        look(journal, looking, *rest)
        if looking == name:
            act()

    monkeypatch.setattr(reversing, "refuse_changed_plan", looked)


def test_what_somebody_else_took_back_meanwhile_is_set_aside(
    sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """details.md: with the winner's name; a person settles it, and then it is complete."""
    lab = sqlite_lab
    taking = ran(lab, 4, chunk_size=1)
    name, winner = taking.submit(), taking.submit(Scope(keys=("P-001",)))
    between_look_and_begin(monkeypatch, name, lambda: taking.execute(winner))

    first = taking.execute(name)
    second = taking.execute(name)

    assert (first.state, first.reversed, first.failed) == ("stopped", 3, 1)
    assert (second.state, second.reversed, second.failed) == ("stopped", 3, 1)
    (letter,) = queries.dead_letters(lab.store, run=f"reversal/{name}")
    assert (letter.key, letter.error) == ("P-001", "already-reversed")
    assert letter.message == f"reversal {winner} took it back meanwhile"
    places = queries.dead_letter_places(lab.store, run=f"reversal/{name}")
    assert discard(lab.store, places, BEN, "seen") == 1
    third = taking.execute(name)
    assert (third.state, third.reversed, third.failed) == ("completed", 3, 0)
    assert taking.execute(name).noop


def test_a_month_that_is_reopened_meanwhile_adds_nothing_to_what_was_agreed_to(
    sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """accounting-rules, 10: what the plan had blocked stays, whenever the month opens again."""
    job = paying(dated(4, "2026-01-15", "9999-12-31"))
    sqlite_lab.run(job)
    taking = Taking(sqlite_lab, job)
    taking.close("9999-12")
    name = taking.submit()
    between_look_and_begin(monkeypatch, name, lambda: taking.reopen("9999-12"))

    result = taking.execute(name)

    assert (result.state, result.reversed, result.failed) == ("completed", 2, 0)
    assert sorted(taking.reversed()) == [0, 2]
    assert taking.standing() == [2]
