"""What a run posted is taken back, wholly or in part, and posted anew."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from storno.compensations.scope import Scope
from storno.domain.errors import ConflictError, NotFoundError, UsageError
from storno.domain.events import ChunkCompleted, RecordReversed, RecordSucceeded
from storno.domain.ids import RunId
from storno.domain.reversal import MovedEntries, PlanChangedError, ReversalRequested
from storno.execution.reversals import posting_run

from .lab import Lab, Watcher, paying, payments
from .taking import ONCE, Taking, where
from .test_effects import Month

DAY = dt.date(2026, 1, 15)


def turnover(lab: Lab) -> dict[tuple[str, str], int]:
    """The gross sum of each side of each account, without empty ones."""
    sums: Counter[tuple[str, str]] = Counter()
    for row in lab.view("movements"):
        sums[row["account"], "debit"] += row["debit"]
        sums[row["account"], "credit"] += row["credit"]
    return {side: minor for side, minor in sums.items() if minor}


def dated(count: int, *dates: str) -> list[dict[str, Any]]:
    """Payments of these dates, one after the other."""
    return [row | {"date": date} for row, date in zip(payments(count), dates * count, strict=False)]


def ran(lab: Lab, count: int = 10, **options: Any) -> Taking:
    """A run of so many payments, completed."""
    options = {"chunk_size": 3} | options
    job = paying(payments(count), **options)
    assert lab.run(job).state == "completed"
    return Taking(lab, job)


def test_a_whole_run(lab: Lab) -> None:
    taking = ran(lab)
    plan = taking.plan()

    result = taking.take_back()

    assert (plan.reversible, plan.blocked) == (10, 0)
    assert (result.state, result.reversed, result.failed, result.noop) == (
        "completed",
        10,
        0,
        False,
    )
    assert sorted(taking.reversed()) == list(range(10))
    assert taking.run_state() == "reversed"
    assert taking.standing() == [0]
    assert lab.balances() == {}
    assert lab.in_force() == []


def test_the_newest_chunk_comes_first(lab: Lab) -> None:
    """Issue 3 and accounting-rules, 12."""
    taking = ran(lab, 7)

    taking.take_back()

    assert taking.reversed() == [6, 3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize("chunk_size", [1, 25_000])
def test_chunks_of_any_size(lab: Lab, chunk_size: int) -> None:
    """Chunks smaller than a commit of the reversal, and one that is read page by page."""
    count = 2_500 if chunk_size > 1 else 40
    taking = ran(lab, count, chunk_size=chunk_size)
    watcher = Watcher()

    result = taking.execute(taking.submit(), watcher)

    assert result.reversed == count
    assert len(set(taking.reversed())) == len(taking.reversed()) == count
    chunks = lab.events(ChunkCompleted, f"{ONCE.chunks}reversal-")
    assert [event.counts.read for event in chunks] == ([1_000, 1_000, 500] if count > 40 else [40])
    assert watcher.acknowledged[-1].succeeded == count


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(Scope(chunks=(1, 3)), [3, 4, 5, 9], id="chunks"),
        pytest.param(Scope(keys=("P-007", "P-002", "P-007")), [2, 7], id="records"),
        pytest.param(where("amount>=8.25"), [7, 8, 9], id="where"),
        pytest.param(
            where("amount>3", "number!=P-004"), [3, 5, 6, 7, 8, 9, 2], id="all of several"
        ),
    ],
)
def test_a_part_of_it(lab: Lab, scope: Scope, expected: list[int]) -> None:
    """accounting-rules, 7: whole records, and no more than was posted."""
    taking = ran(lab)
    plan = taking.plan(scope)

    result = taking.take_back(scope)

    assert plan.reversible == result.reversed == len(expected)
    assert sorted(taking.reversed()) == sorted(expected)
    assert taking.run_state() == "partly-reversed"
    assert taking.standing() == [10 - len(expected)]
    assert lab.in_force() == [n for n in range(10) if n not in expected]


def test_what_is_left_after_parts_is_the_rest(lab: Lab) -> None:
    taking = ran(lab)
    taking.take_back(where("amount>5"))

    plan = taking.plan()
    result = taking.take_back()

    assert (plan.reversible, plan.blocked) == (4, 6)
    assert {each.why for each in plan.blockers} == {"already-reversed: by reversal R-000001"}
    assert (result.reversed, result.state) == (4, "completed")
    assert taking.run_state() == "reversed"
    assert lab.in_force() == []


def test_a_plan_writes_nothing(lab: Lab) -> None:
    """accounting-rules, 8."""
    taking = ran(lab)
    before = lab.store.log.head()

    for scope in (Scope(), Scope(keys=("P-001", "nobody")), where("amount>5")):
        taking.plan(scope)

    assert lab.store.log.head() == before


def test_the_plan_says_what_it_would_move(lab: Lab) -> None:
    taking = ran(lab, 2)

    black, red = taking.plan(), taking.plan(form="red")

    assert [(line.account, line.debit, line.credit) for line in black.net_lines()] == [
        ("creditors", 350, 0),
        ("expense:rent", 0, 350),
    ]
    assert [(line.account, line.debit, line.credit) for line in red.net_lines()] == [
        ("creditors", 0, -350),
        ("expense:rent", -350, 0),
    ]


def test_black_doubles_turnover_and_red_restores_it(lab: Lab) -> None:
    """accounting-rules, 2."""
    taking = ran(lab, 2)

    taking.take_back(Scope(keys=("P-000",)))
    after_black = turnover(lab)
    taking.take_back(Scope(keys=("P-001",)), form="red")

    assert after_black == {
        ("expense:rent", "debit"): 350,
        ("expense:rent", "credit"): 125,
        ("creditors", "debit"): 125,
        ("creditors", "credit"): 350,
    }
    assert turnover(lab) == dict.fromkeys(after_black, 125)
    assert lab.balances() == {}


def test_nothing_is_taken_back_twice(lab: Lab) -> None:
    """accounting-rules, 5: a second request says which reversal did it."""
    taking = ran(lab)
    first = taking.submit()
    taking.execute(first)
    before = lab.store.log.head()

    with pytest.raises(ConflictError, match=f"already-reversed: by reversal {first}, and 9 more"):
        taking.submit()
    with pytest.raises(ConflictError, match=f"P-004: already-reversed: by reversal {first}"):
        taking.submit(Scope(keys=("P-004",)))
    again = taking.execute(first)

    assert (again.noop, again.state, again.reversed) == (True, "completed", 10)
    assert lab.store.log.head() == before


def test_a_reversal_has_nothing_of_its_own_to_reverse(lab: Lab) -> None:
    """accounting-rules, 5: reversing a reversal is refused, the record is posted again instead."""
    taking = ran(lab)
    name = taking.submit()
    taking.execute(name)

    with pytest.raises(NotFoundError, match="there is no run"):
        taking.plan(run=RunId("payments", name))
    with pytest.raises(NotFoundError, match="has no chunk 99"):
        taking.plan(Scope(chunks=(99,)))
    assert taking.plan(Scope(chunks=(0,))).blocked == 3


def test_run_again_posts_anew(lab: Lab) -> None:
    """Issue 3: history shows posted, reversed, posted; and again."""
    taking = ran(lab)
    taking.take_back(where("amount>5"))

    assert taking.job is not None
    result = lab.run(taking.job, again=True, reason="the right accounts")

    assert (result.counts.read, result.counts.succeeded) == (10, 10)
    assert lab.in_force() == list(range(10))
    history = [type(each.event) for each in lab.log() if each.stream == "record/payments/P-007"]
    assert history == [RecordSucceeded, RecordReversed, RecordSucceeded]

    plan = taking.plan()
    assert (plan.reversible, plan.blocked) == (10, 0)
    result_of_all = taking.take_back()
    assert result_of_all.reversed == 10
    assert taking.standing() == [4, 0]
    assert lab.in_force() == []
    assert lab.balances() == {}


def test_only_what_was_asked_for_then_is_taken_back(lab: Lab) -> None:
    """What was posted anew behind a request makes its plan another one."""
    taking = ran(lab)
    taking.take_back(where("amount>5"))
    name = taking.submit()
    assert taking.job is not None
    lab.run(taking.job, again=True, reason="meant it after all")

    with pytest.raises(PlanChangedError, match="10 records, not 4"):
        taking.execute(name)

    assert lab.in_force() == list(range(10))
    assert taking.run_state() == "completed"


def test_a_corrected_input_is_another_run(lab: Lab) -> None:
    """Issue 3: reversed keys post there, with other content too: that is no key conflict."""
    rows = payments(4)
    january = paying(rows, parameters=Month)
    lab.run(january, {"month": "1"})
    taking = Taking(lab, january)
    taking.take_back(Scope(keys=("P-001", "P-002")), run=RunId("payments", "1"))

    mended = [row | {"amount": "99.25"} if row["number"] == "P-001" else row for row in rows]
    result = lab.run(paying(mended, parameters=Month), {"month": "2"})

    assert (result.counts.succeeded, result.counts.skipped, result.counts.failed) == (2, 2, 0)
    assert lab.in_force() == [0, 1, 2, 3]
    assert posting_run(lab.store, "payments", ["P-001"]) == RunId("payments", "2")
    with pytest.raises(UsageError, match="several runs"):
        posting_run(lab.store, "payments", ["P-001", "P-000"])
    with pytest.raises(NotFoundError, match="'P-009' of job payments was never posted"):
        posting_run(lab.store, "payments", ["P-009"])

    plan = taking.plan(Scope(keys=("P-001",)), run=RunId("payments", "1"))
    assert [each.why for each in plan.blockers] == ["not-posted: run payments/1 has not posted it"]
    taking.take_back(run=RunId("payments", "1"))
    assert lab.in_force() == [1, 2]


def test_keys_of_any_kind(lab: Lab) -> None:
    """Scenario 39: slashes, line breaks, quotes, 10 kB, and what looks like a stream's name."""
    keys = ["a/b", "x\ny", "ü", "%2F", "~", "'\"", "k" * 10_000, "A", "a"]
    rows = [{"number": key, "amount": f"{n}.25"} for n, key in enumerate(keys)]
    job = paying(rows)
    lab.run(job)
    taking = Taking(lab, job)

    plan = taking.plan(Scope(keys=(*keys, "missing")))
    result = taking.take_back(Scope(keys=tuple(keys)))

    assert (plan.reversible, [each.key for each in plan.blockers]) == (9, ["missing"])
    assert result.reversed == 9
    assert taking.run_state() == "reversed"


@pytest.mark.parametrize("scope", [Scope(), Scope(keys=("P-000", "P-001")), where("amount>0")])
def test_a_closed_period_moves_the_posting_date(lab: Lab, scope: Scope) -> None:
    """accounting-rules, 3: the effective date stays."""
    taking = ran(lab, 2)
    for month in ("2026-01", "2026-02"):
        taking.close(month)

    plan = taking.plan(scope)
    taking.take_back(scope)

    assert [(move.period, move.to, count) for move, count in plan.moves.items()] == [
        ("2026-01", dt.date(2026, 3, 1), 2)
    ]
    assert plan.other_years == 0
    assert taking.dates() == {(DAY, dt.date(2026, 3, 1))}


def test_a_named_date(lab: Lab) -> None:
    taking = ran(lab, 2)
    taking.close("2026-01")

    plan = taking.plan(date=dt.date(2027, 2, 10))
    taking.take_back(date=dt.date(2027, 2, 10))

    assert plan.other_years == 2
    assert taking.dates() == {(DAY, dt.date(2027, 2, 10))}


def test_a_named_date_in_a_closed_period_blocks(lab: Lab) -> None:
    taking = ran(lab, 2)
    taking.close("2026-05")

    with pytest.raises(ConflictError, match="period-closed: 2026-05 of book main is closed"):
        taking.submit(date=dt.date(2026, 5, 31))


def test_into_another_fiscal_year_is_flagged(lab: Lab) -> None:
    """accounting-rules, 11."""
    job = paying(dated(4, "2025-12-31", "2026-01-01"))
    lab.run(job)
    taking = Taking(lab, job)
    taking.close("2025-12")
    taking.submit()
    (asked,) = lab.events(ReversalRequested)

    assert taking.plan().other_years == 2
    assert asked.other_years == 2
    assert asked.moves == (MovedEntries("main", "2025-12", "2026-01-01", 2),)


def test_where_no_period_takes_it_that_record_stays(lab: Lab) -> None:
    """accounting-rules, 8: what is blocked is found before anything is written, and left alone,
    also where a later attempt could take it back: it was not agreed to."""
    job = paying(dated(4, "2026-01-15", "9999-12-31"), chunk_size=1)
    lab.run(job)
    taking = Taking(lab, job)
    taking.close("9999-12")
    plan = taking.plan()
    name = taking.submit()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taking.execute(name, Watcher(on_commit=interrupt))
    taking.reopen("9999-12")
    result = taking.execute(name)

    assert (plan.reversible, plan.blocked) == (2, 2)
    assert (result.state, result.reversed, result.failed) == ("completed", 2, 0)
    assert sorted(taking.reversed()) == [0, 2]
    assert taking.run_state() == "partly-reversed"
    assert taking.standing() == [2]


def test_a_run_in_progress_is_refused(lab: Lab) -> None:
    """And so is a run whose process is gone: it is resumed or abandoned first."""
    refused: list[str] = []
    taking = Taking(lab, None)

    def take(_: object) -> None:
        if refused:
            return  # the last commit ends the run
        with pytest.raises(ConflictError, match="the run is at work") as caught:
            taking.take_back()
        refused.append(str(caught.value))

    lab.run(paying(payments(10), chunk_size=5), watcher=Watcher(on_commit=take))

    assert refused
    assert lab.in_force() == list(range(10))


def test_a_run_does_not_go_on_while_it_is_taken_back(lab: Lab) -> None:
    """Scenario 25b, a run against its own reversal."""
    taking = ran(lab)
    refused: list[str] = []

    def run() -> None:
        with pytest.raises(ConflictError, match="takes back what the run posted") as caught:
            lab.run(taking.job, again=True, reason="too soon")  # type: ignore[arg-type]
        refused.append(str(caught.value))

    taking.execute(taking.submit(), Watcher(on_start=run))

    assert refused
    assert lab.in_force() == []


def test_chosen_keys_are_taken_back_too(lab: Lab) -> None:
    job = paying(payments(6), chunk_size=4)
    lab.run(job, keys=("P-001", "P-005"))
    taking = Taking(lab, job)

    plan = taking.plan()
    result = taking.take_back()

    assert plan.reversible == result.reversed == 2
    assert sorted(taking.reversed()) == [1, 5]
    assert taking.run_state() == "reversed"


def test_a_condition_on_an_unknown_field(lab: Lab) -> None:
    taking = ran(lab, 2)

    with pytest.raises(UsageError, match="no field 'dat'\\. Did you mean 'date'"):
        taking.plan(where("dat=2026-01-15"))
