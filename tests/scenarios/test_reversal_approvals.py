"""Who has to agree to a reversal, what they agree to, and runs that are taken back by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from storno import Controls, Job, ReversalPolicy, RunResult
from storno.compensations.scope import Scope
from storno.domain.errors import ApprovalRequiredError, ConflictError, NotAllowedError, UsageError
from storno.domain.events import RecordReversed, RunFailed, RunReversed, RunReversing
from storno.domain.ids import ReversalId
from storno.domain.reversal import PlanChangedError, ReversalApproved, ReversalRequested

from .lab import ACTOR, Lab, Payment, Watcher, ordinal_of, paying, payments
from .taking import BEN, CARA, DORA, ONCE, Taking, where
from .test_reversals import ran


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
    "its job has no handler": lambda taking: None,
}


@pytest.mark.parametrize("change", ["others took some back", "its period was closed"])
def test_a_plan_that_changed_is_not_executed(lab: Lab, change: str) -> None:
    """accounting-rules, 10: neither agreed to nor begun, and nothing is written."""
    taking = ran(lab)
    waiting = taking.submit(approvals=1)
    agreed = taking.submit(approvals=1)
    taking.approve(agreed)
    seen = taking.plan().digest
    CHANGES[change](taking)
    before = lab.store.log.head()

    with pytest.raises(PlanChangedError, match="has changed since it was requested"):
        taking.approve(waiting)
    with pytest.raises(PlanChangedError, match=f"reversal {agreed} was not begun"):
        taking.execute(agreed)
    with pytest.raises(PlanChangedError, match="has changed since it was planned"):
        taking.submit(digest=seen)

    assert lab.store.log.head() == before


def test_the_difference_is_named(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit()
    taking.take_back(where("amount>5"))

    with pytest.raises(PlanChangedError) as caught:
        taking.execute(name)

    assert "it would take back 4 records, not 10, and 6 cannot be, not 0" in str(caught.value)
    assert "its net effect on the accounts is another one" in str(caught.value)


def test_reopened_in_time_the_plan_is_the_same_again(lab: Lab) -> None:
    taking = ran(lab)
    name = taking.submit()
    taking.close("2026-01")
    taking.reopen("2026-01")

    assert taking.execute(name).reversed == 10


def test_what_somebody_else_took_back_meanwhile_is_set_aside(sqlite_lab: Lab) -> None:
    """details.md: with the winner's name; a person settles it, and then it is complete."""
    from storno.execution.dead_letters import discard
    from storno.storage import queries

    lab = sqlite_lab
    job = paying(payments(4), chunk_size=1)
    lab.run(job)
    taking = Taking(lab, job)
    name, winner = taking.submit(), taking.submit(Scope(keys=("P-001",)))

    # Between its look at the plan and its first commit: the run is not held yet.
    from storno.execution.reversing import Execution

    look = Execution._refuse_changed_plan

    def looked(execution: Execution) -> None:
        look(execution)
        if execution.name == name:
            taking.execute(winner)

    Execution._refuse_changed_plan = looked  # type: ignore[method-assign]
    try:
        first = taking.execute(name)
    finally:
        Execution._refuse_changed_plan = look  # type: ignore[method-assign]
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


# on_failure="reverse"


def bad(ordinal: int) -> Any:
    def act(payment: Payment) -> None:
        if ordinal_of(payment) == ordinal:
            raise ValueError("bad")

    return act


def failing(how: str, **options: Any) -> Job:
    settings: dict[str, Any] = {"chunk_size": 5, "on_failure": "reverse"} | options
    if how == "tolerance":
        return paying(payments(20), bad(12), tolerance=0, **settings)
    if how == "fatal":
        return paying(payments(20), bad(12), fatal=(ValueError,), **settings)
    return paying(payments(20), controls=Controls(count=19), **settings)


@pytest.mark.parametrize(
    ("how", "error", "posted"),
    [("tolerance", "tolerance-exceeded", 10), ("fatal", "fatal", 10),
     ("controls", "control-mismatch", 15)],
)  # fmt: skip
def test_a_run_that_fails_is_taken_back(lab: Lab, how: str, error: str, posted: int) -> None:
    """Issue 3: the run ends `reversed`, with both visible in its history."""
    result = lab.run(failing(how))

    assert (result.state, result.error) == ("reversed", error)
    assert len(lab.events(RecordReversed)) == posted
    assert lab.balances() == {}
    (request,) = lab.events(ReversalRequested)
    assert (request.code, request.actor.name) == ("run-failed", "system")
    assert request.records == posted
    history = [type(each.event) for each in lab.log() if each.stream == ONCE.stream][-3:]
    assert history == [RunFailed, RunReversing, RunReversed]
    commits = {
        each.stream: each.commit_number
        for stream in (ONCE.stream, ReversalId("R-000001").stream)
        for each in _recorded(lab, stream)
        if isinstance(each.event, RunFailed | ReversalRequested)
    }
    assert len(set(commits.values())) == 1, "details.md: both are one commit"


def _recorded(lab: Lab, stream: str) -> Any:
    from storno.storage import queries

    return queries.stream_events(lab.store, stream)


def test_chunks_that_failed_for_good_have_the_run_taken_back(lab: Lab) -> None:
    from storno import Retry

    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 7:
            raise OSError("gone")

    job = paying(
        payments(20), act, chunk_size=5, retry=Retry(on=(OSError,), retries=1, first_delay_seconds=0),
        on_failure="reverse",
    )  # fmt: skip

    result = lab.run(job)

    assert (result.state, result.error) == ("reversed", "chunks-failed")
    assert lab.in_force() == []
    assert len(lab.events(RecordReversed)) == 15


def test_by_default_what_was_posted_stays(lab: Lab) -> None:
    result = lab.run(failing("tolerance", on_failure="leave"))

    assert result.state == "failed"
    assert lab.in_force() == list(range(10))


def test_a_run_that_posted_nothing_has_nothing_to_take_back(lab: Lab) -> None:
    result = lab.run(paying(payments(3), bad(1), tolerance=0, on_failure="reverse"))

    assert result.state == "failed"
    assert lab.events(ReversalRequested) == []


def with_approval(lab: Lab, **options: Any) -> tuple[Job, RunResult]:
    job = failing("tolerance", reversals=ReversalPolicy(approvals=1), **options)
    return job, lab.run(job)


def test_where_others_have_to_agree_it_waits(lab: Lab) -> None:
    """details.md: or the reversal waits for one."""
    job, result = with_approval(lab)
    taking = Taking(lab, job)

    assert result.state == taking.run_state() == "failed"
    assert lab.in_force() == list(range(10))
    assert taking.row("R-000001")["state"] == "requested"
    taking.approve("R-000001")
    assert taking.execute("R-000001").reversed == 10
    assert taking.run_state() == "reversed"


def test_while_it_waits_the_run_can_be_resumed(lab: Lab) -> None:
    """And then the request is out of date."""
    _, result = with_approval(lab)
    job = paying(payments(20), chunk_size=5)

    resumed = lab.run(job)

    assert (result.state, resumed.state) == ("failed", "completed")
    taking = Taking(lab, job)
    with pytest.raises(PlanChangedError):
        taking.approve("R-000001")
    taking.reject("R-000001", reason="it went through")
    assert lab.in_force() == list(range(20))


def test_a_standing_rule_that_was_approved_needs_nobody(lab: Lab) -> None:
    _, result = with_approval(lab, on_failure_approved=True)

    assert result.state == "reversed"
    assert lab.in_force() == []


def test_after_that_the_run_posts_anew(lab: Lab) -> None:
    lab.run(failing("tolerance"))

    result = lab.run(paying(payments(20), chunk_size=5), again=True, reason="mended")

    assert (result.state, result.counts.succeeded) == ("completed", 20)
    assert lab.in_force() == list(range(20))


def test_somebody_else_may_take_the_name(lab: Lab) -> None:
    """Two reversals requested at the same moment: one takes the next name."""
    taking = ran(lab)
    job = paying(
        [row | {"number": f"X{row['number']}"} for row in payments(20)],
        lambda payment: taking.submit() if payment.number == "XP-011" else None,
        name="others",
        chunk_size=5,
    )
    lab.run(job)

    assert taking.row("R-000001")["job"] == "payments"


def test_an_interrupted_run_is_not_a_failed_one(lab: Lab) -> None:
    job = paying(payments(20), chunk_size=5, on_failure="reverse")
    result = lab.run(job, limit=10, watcher=Watcher())

    assert result.state == "stopped"
    assert lab.in_force() == list(range(10))
    with pytest.raises(ConflictError, match="nothing to take back"):
        Taking(lab, job).submit(Scope(chunks=(2,)))
