"""Runs that are taken back by themselves where they fail: ``on_failure="reverse"``."""

from __future__ import annotations

from typing import Any

import pytest

from storno import Controls, Job, Retry, ReversalPolicy, RunResult
from storno.domain.events import RecordReversed, RunFailed, RunReversed, RunReversing
from storno.domain.ids import ReversalId
from storno.domain.reversal import PlanChangedError, ReversalRequested
from storno.storage import queries

from .lab import Lab, Payment, ordinal_of, paying, payments
from .taking import ONCE, Taking
from .test_reversals import ran


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
    return paying(payments(20), controls=Controls(records=19), **settings)


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
    return queries.stream_events(lab.store, stream)


def test_chunks_that_failed_for_good_have_the_run_taken_back(lab: Lab) -> None:
    def act(payment: Payment) -> None:
        if ordinal_of(payment) == 7:
            raise OSError("gone")

    job = paying(
        payments(20),
        act,
        chunk_size=5,
        retry=Retry(on=(OSError,), retries=1, first_delay_seconds=0),
        on_failure="reverse",
    )

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
    result = lab.run(job, limit=10)

    assert result.state == "stopped"
    assert lab.in_force() == list(range(10))
    assert lab.events(ReversalRequested) == []
