"""The views as folds: what any history of runs must come to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given

from storno.domain.codec import encode
from storno.domain.errors import StoreError
from storno.domain.events import RecordReversed, RecordSucceeded
from storno.domain.postings import Postings
from storno.projections.changes import COUNTS, Recorded, Tables, apply
from storno.projections.project import project, project_apart

from .histories import (
    JOB,
    History,
    Posting,
    histories,
    repaired_history,
    settled_history,
    taken_back_history,
)


def fold(history: History) -> Tables:
    tables = Tables()
    for number, commit in enumerate(history.commits, 1):
        apply(tables, project(commit), number, number * 1_000_000)
    return tables


any_history = given(histories())
written_out = example(taken_back_history())
repaired = example(repaired_history())


@repaired
@any_history
def test_counts_reconcile(history: History):
    tables = fold(history)
    for table in ("runs", "attempts", "checkpoint"):
        for row in tables.rows[table].values():
            read, *outcomes = (row.get(name, 0) for name in COUNTS)
            assert read == sum(outcomes), f"{table} {row}"
            assert min(read, *outcomes) >= 0, f"{table} {row}"


@repaired
@any_history
def test_a_run_counts_what_waits_for_a_person_and_what_was_given_up(history: History):
    tables = fold(history)
    for run in history.runs.values():
        if run.state == "new" or run.chose_keys:
            continue
        row = tables.rows["runs"][str(run.run),]
        assert row.get("failed", 0) == len(run.counted)
        assert row.get("discarded", 0) == run.discarded


@written_out
@any_history
def test_what_is_taken_back_is_counted_in_the_run_and_in_the_reversal(history: History):
    tables = fold(history)
    for run in history.runs.values():
        if run.state != "new":
            row = tables.rows["runs"][str(run.run),]
            assert (row.get("reversed", 0), row["state"]) == (run.taken_back, run.state)
    assert len(tables.rows["reversals"]) == len(history.reversals)
    for taking in history.reversals:
        row = tables.rows["reversals"][taking.id,]
        assert (row["state"], row.get("reversed", 0)) == (taking.state, taking.reversed)
        assert (row.get("attempt", 0), row.get("approved", 0)) == (taking.attempt, taking.approved)


@written_out
@any_history
def test_what_a_reversal_set_aside_is_open_until_it_is_taken_back_or_settled(history: History):
    tables = fold(history)
    found = {
        (row["run"], row["ordinal"], row["version"])
        for row in tables.rows["dead_letters"].values()
        if row["state"] == "open" and row["run"].startswith("reversal/")
    }
    assert found == {
        (f"reversal/{taking.id}", ordinal, version)
        for taking in history.reversals
        for ordinal, version in taking.letters.items()
    }


@any_history
def test_the_months_that_are_closed(history: History):
    rows = fold(history).rows["periods"]
    of_main = {row["period"] for row in rows.values() if row["book"] == "main"}
    closed = {row["period"] for row in rows.values() if row["state"] == "closed"}
    assert {month for month in of_main if rows["main", month]["state"] == "closed"} == (
        history.closed
    )
    assert closed <= {"2024-01", "2024-02"}
    assert {row["book"] for row in rows.values()} <= {"main", "a/b %"}


@given(histories())
def test_a_run_counts_each_record_of_its_pass_once(history: History):
    tables = fold(history)
    for (name,), row in tables.rows["runs"].items():
        chunks = [
            chunk
            for chunk in tables.rows["checkpoint"].values()
            if chunk["run"] == name and chunk["partition"] == "main"
        ]
        first = history.pass_from(name.removeprefix(f"{JOB}/"))
        read = sum(chunk.get("read", 0) for chunk in chunks if chunk["number"] >= first)
        assert row.get("read", 0) == read


@given(histories())
def test_a_dead_letter_is_open_exactly_while_its_record_has_failed(history: History):
    tables = fold(history)
    found = {
        (row["run"], row["ordinal"])
        for row in tables.rows["dead_letters"].values()
        if row["state"] == "open" and row["run"].startswith(f"{JOB}/")
    }
    failed = {
        (str(run.run), ordinal)
        for run in history.runs.values()
        for ordinal, state in run.records.items()
        if state == "failed"
    }
    assert found == failed


@given(histories())
def test_no_claim_outlives_its_attempt(history: History):
    tables = fold(history)
    for (run,), row in tables.rows["runs"].items():
        claims = [
            chunk["attempt"]
            for chunk in tables.rows["checkpoint"].values()
            if (chunk["run"], chunk["partition"]) == (run, "main")
            and chunk["status"] == "processing"
        ]
        assert claims == ([row["attempt"]] if row["state"] == "running" else [])


@written_out
@any_history
def test_no_claim_of_a_reversal_outlives_its_attempt(history: History):
    claims = {
        (chunk["partition"], chunk["attempt"])
        for chunk in fold(history).rows["checkpoint"].values()
        if chunk["partition"].startswith("reversal-") and chunk["status"] == "processing"
    }
    assert claims == {
        (f"reversal-{taking.id}", taking.attempt)
        for taking in history.reversals
        if taking.state == "running" and taking.pending
    }


@written_out
@given(histories())
def test_the_ledger_balances_and_holds_every_line(history: History):
    balance: Counter[str] = Counter()
    lines = 0
    for _, (_, _, currency, *_), (debit, credit, count) in fold(history).movements:
        balance[currency] += debit - credit
        lines += count
    assert set(balance.values()) <= {0}
    moving = ("storno.RecordSucceeded.v1", "storno.RecordReversed.v1")
    posted = [
        recorded
        for commit in history.commits
        for recorded in commit
        if recorded.event.TOPIC in moving
    ]
    assert lines == 2 * len(posted)


@written_out
@any_history
def test_posted_minus_reversed_is_what_the_ledger_holds(history: History):
    in_force: Counter[tuple[str, str]] = Counter()
    for run in history.runs.values():
        for _, event in run.posted.values():
            for line in event.entries[0].lines:
                sign = 1 if line.side == "D" else -1
                in_force[line.account, line.currency] += sign * line.minor
    ledger: Counter[tuple[str, str]] = Counter()
    for _, (_, account, currency, *_), (debit, credit, _) in fold(history).movements:
        ledger[account, currency] += debit - credit
    assert {key: sum_ for key, sum_ in ledger.items() if sum_} == {
        key: sum_ for key, sum_ in in_force.items() if sum_
    }


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_an_attempt_at_a_reversal_that_ends_early_gives_its_claim_back(how: str):
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", [Posting.sample()] * 2)
    history.end("2024-01", "completed")
    history.request("2024-01", 2, 0, False)
    history.execute("2024-01")
    history.reverse_chunk("2024-01", [True])
    history.end_reversal("2024-01", how)
    rows = fold(history).rows["checkpoint"]
    partition = "reversal-r-0"
    statuses = [row["status"] for row in rows.values() if row["partition"] == partition]
    assert statuses == ["completed", "released"]


def test_what_a_further_attempt_takes_back_is_no_dead_letter_any_more():
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", [Posting.sample()] * 2)
    history.end("2024-01", "completed")
    history.request("2024-01", 2, 0, False)
    history.execute("2024-01")
    history.reverse_chunk("2024-01", [False, False])
    history.end_reversal("2024-01", "stopped")
    history.execute("2024-01")
    history.reverse_chunk("2024-01", [True, False])
    rows = fold(history).rows["dead_letters"].values()
    assert {row["ordinal"]: (row["state"], row["tries"]) for row in rows} == {
        1: ("resolved", 4),
        0: ("open", 8),
    }


def test_swapped_sides_raise_the_turnover_and_negative_amounts_lower_it():
    turnover = {}
    for red in (False, True):
        history = History()
        history.start("2024-01")
        history.complete_chunk("2024-01", [Posting.sample()])
        history.end("2024-01", "completed")
        history.request("2024-01", 1, 0, red)
        history.take_all_back("2024-01")
        sums: Counter[str] = Counter()
        for _, (_, account, *_), (debit, credit, _) in fold(history).movements:
            sums[f"{account} D"] += debit
            sums[f"{account} C"] += credit
        turnover[red] = [sums[f"{Posting.sample().account} {side}"] for side in "DC"]
    assert turnover == {False: [1250, 1250], True: [0, 0]}


def test_a_reversal_in_a_closed_month_moves_and_the_pass_after_it_posts_anew():
    tables = fold(taken_back_history())
    dates = Counter(str(movement[4]) for _, movement, _ in tables.movements)
    assert set(dates) == {"2024-01-31", "2024-02-01"}
    (run,) = tables.rows["runs"].values()
    assert (run["state"], run["succeeded"], run["reversed"], run["reversal"]) == (
        "completed",
        5,
        0,
        None,
    )
    first, second = tables.rows["reversals"].values()
    assert (first["attempt"], first["reversed"], first["approved"]) == (5, 2, 2)
    assert (second["form"], second["reversed"]) == ("red", 3)


def test_what_people_did_about_dead_letters_is_seen():
    rows = {row["ordinal"]: row for row in fold(repaired_history()).rows["dead_letters"].values()}
    assert {ordinal: row["state"] for ordinal, row in rows.items()} == {
        0: "resolved",
        1: "resolved",
        2: "open",
        3: "resolved",
        4: "discarded",
    }
    assert rows[1]["settled_by"] == "anna"
    assert (rows[2]["settled_by"], rows[2]["error"]) == (None, "invalid-record")
    assert rows[3]["moved_to"] == "record/payments/2024-01-0003"
    assert rows[4]["reason"] == '"no"'
    assert rows[1]["payload"] == '{"amount":"2.00"}'


def test_a_failure_in_a_later_pass_opens_the_dead_letter_again_and_counts_its_tries():
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", ["not a date"])
    history.end("2024-01", "completed")
    history.again("2024-01")
    history.complete_chunk("2024-01", ["not a date"])
    (row,) = fold(history).rows["dead_letters"].values()
    assert (row["state"], row["tries"]) == ("open", 2)


def test_a_later_pass_that_posts_the_record_settles_its_dead_letter():
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", ["not a date", "not a date"])
    history.end("2024-01", "completed")
    history.again("2024-01")
    day = Posting.sample()
    history.complete_chunk("2024-01", [day, "not a date"])
    states = {row["ordinal"]: row["state"] for row in fold(history).rows["dead_letters"].values()}
    assert states == {0: "resolved", 1: "open"}


def in_bulk(commit: list[Recorded]) -> tuple[list[Recorded], Postings]:
    """A commit as a replay reads it: its postings listed, the other events one by one."""
    states: dict[type, list[bytes]] = {RecordSucceeded: [], RecordReversed: []}
    others = []
    for recorded in commit:
        if type(recorded.event) in states:
            states[type(recorded.event)].append(encode(recorded.event))
        else:
            others.append(recorded)
    posted, taken_back = states.values()
    count = len(posted) + len(taken_back)
    return others, Postings(1, count, listed(posted), listed(taken_back))


def listed(states: list[bytes]) -> bytes:
    return b"[%b]" % b",".join(states)


@written_out
@repaired
@example(settled_history())
@any_history
def test_postings_in_bulk_come_to_the_same_as_one_by_one(history: History):
    whole, bulk = Tables(), Tables()
    for number, commit in enumerate(history.commits, 1):
        apply(whole, project(commit), number, number * 1_000_000)
        apply(bulk, project_apart(*in_bulk(commit)), number, number * 1_000_000)
        assert bulk == whole


@pytest.mark.parametrize(
    ("count", "posted", "why"),
    [
        (2, b'[{"entries":[]}]', "2 events have the states of 1"),
        (1, b"[{},{}]", "1 events have the states of 2"),
        (1, b'[{"entries":]', "malformed"),
        (1, b'[{"entries":[{"book":1}]}]', "Expected `str`"),
    ],
)
def test_postings_that_cannot_be_read_are_refused_with_their_commit(
    count: int, posted: bytes, why: str
):
    with pytest.raises(StoreError, match=f"commit 7 cannot be read.*{why}"):
        project_apart([], Postings(7, count, posted))
