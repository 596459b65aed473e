"""The views as folds: what any history of runs must come to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from storno.projections.changes import COUNTS, Tables, apply
from storno.projections.project import project

from .histories import JOB, History, Posting, histories


def fold(history: History) -> Tables:
    tables = Tables()
    for number, commit in enumerate(history.commits, 1):
        apply(tables, project(commit), number, number * 1_000_000)
    return tables


@given(histories())
def test_counts_reconcile(history: History):
    tables = fold(history)
    for table in ("runs", "attempts", "checkpoint"):
        for row in tables.rows[table].values():
            read, *outcomes = (row.get(name, 0) for name in COUNTS)
            assert read == sum(outcomes), f"{table} {row}"


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
        if row["state"] == "open"
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
            if chunk["run"] == run and chunk["status"] == "processing"
        ]
        assert claims == ([row["attempt"]] if row["state"] == "running" else [])


@given(histories())
def test_the_ledger_balances_and_holds_every_line(history: History):
    balance: Counter[str] = Counter()
    lines = 0
    for _, (_, _, currency, *_), (debit, credit, count) in fold(history).movements:
        balance[currency] += debit - credit
        lines += count
    assert set(balance.values()) <= {0}
    posted = [
        recorded
        for commit in history.commits
        for recorded in commit
        if recorded.event.TOPIC == "storno.RecordSucceeded.v1"
    ]
    assert lines == 2 * len(posted)


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
