"""What the store answers, on every database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from storno.domain.errors import NotFoundError
from storno.domain.events import (
    ChunkCompleted,
    ChunkStarted,
    Counts,
    RecordFailed,
    RecordReversalFailed,
    RecordSucceeded,
)
from storno.domain.ids import ChunkId, RunId, record_stream
from storno.domain.period import Period
from storno.projections.changes import Recorded
from storno.projections.dead_letters import REVERSED
from storno.storage import queries
from storno.storage.store import Store

from ..projections.histories import JOB, History, Posting
from .writing import append

JANUARY, FEBRUARY = "2024-01", "2024-02"
RENT, PAY = "expense:rent", "expense:pay"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    """Two runs: January completed with dead letters, February stopped after a failed chunk."""
    store = Store.open(made_url)
    history = History()
    history.start(JANUARY)
    history.complete_chunk(
        JANUARY,
        [
            Posting(RENT, 1_000, "EUR", day("2024-01-10")),
            Posting(PAY, 500, "EUR", day("2024-01-05")),
            "not a date",
            "no key: the line is empty",
            "skipped",
        ],
    )
    history.complete_chunk(JANUARY, [Posting(RENT, 70, "GBP", day("2024-01-20"))])
    history.end(JANUARY, "completed")
    history.start(FEBRUARY)
    history.complete_chunk(FEBRUARY, [Posting(RENT, -250, "EUR", day("2024-02-10"))])
    history.fail_chunk(FEBRUARY, 3)
    history.ask_to_stop(FEBRUARY)
    history.end(FEBRUARY, "stopped")
    append(store, history.commits)
    yield store
    store.close()


def names(rows: list[queries.RunRow]) -> list[str]:
    return [row.name for row in rows]


def test_runs_come_newest_first_and_can_be_chosen(store: Store):
    rows = queries.runs(store)
    assert names(rows) == [FEBRUARY, JANUARY]
    assert names(queries.runs(store, limit=1)) == [FEBRUARY]
    assert names(queries.runs(store, state="completed")) == [JANUARY]
    assert names(queries.runs(store, states=("running", "stopped"))) == [FEBRUARY]
    assert names(queries.runs(store, since=rows[0].started_at)) == [FEBRUARY]
    assert names(queries.runs(store, job="other")) == []
    assert names(queries.runs(store, job=JOB)) == [FEBRUARY, JANUARY]
    assert names(queries.runs(store, start="payments/2024-0")) == [FEBRUARY, JANUARY]
    assert names(queries.runs(store, start="payments/2024-01")) == [JANUARY]
    assert names(queries.runs(store, start="Payments")) == []
    assert names(queries.runs(store, start="payments%")) == []


def test_a_run_says_how_it_stands(store: Store):
    january = queries.run(store, f"{JOB}/{JANUARY}")
    assert (january.read, january.succeeded, january.skipped, january.failed) == (6, 3, 1, 2)
    assert (january.chunks_total, january.chunks_completed, january.chunks_failed) == (3, 2, 0)
    assert (january.position, january.size, january.actor) == (6, 1000, "anna")
    february = queries.run(store, f"{JOB}/{FEBRUARY}")
    assert (february.state, february.message, february.stop_reason) == (
        "stopped",
        "signal",
        "lunch",
    )
    assert (february.chunks_completed, february.chunks_failed) == (1, 1)
    with pytest.raises(NotFoundError, match="storno runs"):
        queries.run(store, "payments/2024-03")


def test_attempts_of_a_run_and_of_a_job(store: Store):
    (attempt,) = queries.attempts(store, f"{JOB}/{FEBRUARY}")
    assert (attempt.attempt, attempt.state, attempt.why) == (1, "stopped", "start")
    assert len(queries.attempts(store, job=JOB)) == 2
    assert queries.attempts(store, job="pay") == []


def test_chunks_come_in_order_with_their_outcomes(store: Store):
    rows = queries.chunks(store, f"{JOB}/{FEBRUARY}")
    assert [(row.number, row.status, row.read) for row in rows] == [
        (0, "completed", 1),
        (1, "failed", 0),
        (2, "released", 0),
    ]
    assert rows[1].error == "TimeoutError"


def test_dead_letters_can_be_chosen(store: Store):
    first, second = queries.dead_letters(store)
    assert (first.key, first.message, first.ordinal) == ("2024-01-0002", "not a date", 2)
    assert (second.key, second.ordinal) == (None, 3)
    assert second.stream == f"record/{JOB}/~2024-01/main/3"
    assert queries.dead_letters(store, run=f"{JOB}/{JANUARY}") == [first, second]
    assert queries.dead_letters(store, key="2024-01-0002") == [first]
    assert queries.dead_letters(store, job=JOB, key="2024-01-0002") == [first]
    assert queries.dead_letters(store, job=JOB, key="~2024-01/main/3") == [second]
    assert queries.dead_letters(store, job=JOB, error="invalid-record") == [first, second]
    nones: list[dict[str, Any]] = [
        {"job": "other"},
        {"error": "x"},
        {"states": ["resolved"]},
        {"run": "payments/x"},
    ]
    for none in nones:
        assert queries.dead_letters(store, **none) == []
    assert len(queries.dead_letters(store, states=None)) == 2


def test_dead_letters_are_counted_by_error(store: Store):
    (group,) = queries.dead_letter_groups(store)
    assert (group.job, group.error, group.count) == (JOB, "invalid-record", 2)
    assert group.message == "no key: the line is empty"


def sums(rows: list[queries.Balance]) -> dict[tuple[str, str], int]:
    return {(row.account, row.currency): row.debit - row.credit for row in rows}


def test_the_trial_balance_balances(store: Store):
    rows = queries.balances(store)
    assert sums(rows) == {
        ("creditors", "EUR"): -1_250,
        ("creditors", "GBP"): -70,
        (PAY, "EUR"): 500,
        (RENT, "EUR"): 750,
        (RENT, "GBP"): 70,
    }
    for currency in ("EUR", "GBP"):
        of_currency = [row for row in rows if row.currency == currency]
        assert sum(row.debit for row in of_currency) == sum(row.credit for row in of_currency)


def test_balances_can_be_chosen(store: Store):
    assert sums(queries.balances(store, account="expense:*", currency="EUR")) == {
        (PAY, "EUR"): 500,
        (RENT, "EUR"): 750,
    }
    assert sums(queries.balances(store, account=PAY)) == {(PAY, "EUR"): 500}
    assert queries.balances(store, account="Expense:*") == []
    assert queries.balances(store, account="expense") == []
    assert sums(queries.balances(store, account=RENT, effective_to=day("2024-01-19"))) == {
        (RENT, "EUR"): 1_000
    }
    assert queries.balances(store, book="other") == []


def test_balances_as_they_stood_then(store: Store):
    commits = store.log.commits()
    february = queries.run(store, f"{JOB}/{FEBRUARY}").started_at
    before = max(each.recorded_at for each in commits if each.recorded_at < february)
    assert sums(queries.balances(store, account=RENT, as_of=before)) == {
        (RENT, "EUR"): 1_000,
        (RENT, "GBP"): 70,
    }
    assert queries.balances(store, as_of=0) == []
    now = queries.balances(store, as_of=commits[-1].recorded_at)
    assert sums(now) == sums(queries.balances(store))


def test_what_moved_an_account_by_commit(store: Store):
    rows = queries.account_movements(store, RENT)
    assert [(row.effective, row.currency, row.debit - row.credit, row.lines) for row in rows] == [
        ("2024-01-10", "EUR", 1_000, 1),
        ("2024-01-20", "GBP", 70, 1),
        ("2024-02-10", "EUR", -250, 1),
    ]
    until = queries.account_movements(store, RENT, last=day("2024-01-31"))
    assert [row.effective for row in until] == ["2024-01-10", "2024-01-20"]
    (row,) = queries.account_movements(store, RENT, first=day("2024-02-10"))
    assert row.recorded_at in {commit.recorded_at for commit in store.log.commits()}


def test_the_statement_of_an_account_line_by_line(store: Store):
    lines = list(queries.account_lines(store, "creditors"))
    assert [
        (line.effective, line.key, line.currency, line.credit, line.balance) for line in lines
    ] == [
        ("2024-01-05", "2024-01-0001", "EUR", 500, -500),
        ("2024-01-10", "2024-01-0000", "EUR", 1_000, -1_500),
        ("2024-01-20", "2024-01-0005", "GBP", 70, -70),
        ("2024-02-10", "2024-02-0000", "EUR", -250, -1_250),
    ]
    assert (lines[0].run, lines[0].job) == (f"{JOB}/{JANUARY}", JOB)


def test_a_statement_of_some_days_takes_up_the_balance_before(store: Store):
    (line,) = queries.account_lines(
        store, "creditors", first=day("2024-01-06"), last=day("2024-01-10")
    )
    assert (line.key, line.balance) == ("2024-01-0000", -1_500)
    assert not list(queries.account_lines(store, "creditors", book="other"))


def test_a_statement_agrees_with_the_balance_when_names_need_escapes(made_url: str):
    store = Store.open(made_url)
    account = 'odd "\\, {}  \N{LATIN SMALL LETTER O WITH DIAERESIS}'
    history = History()
    history.start(JANUARY)
    history.complete_chunk(JANUARY, [Posting(account, 1, "EUR", day("2024-01-31"))] * 3)
    append(store, history.commits)
    assert [line.balance for line in queries.account_lines(store, account)] == [1, 2, 3]
    assert [row.debit for row in queries.balances(store, account=account)] == [3]
    store.close()


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_beyond_64_bits(made_url: str, sign: int):
    store = Store.open(made_url)
    history = History()
    history.start(JANUARY)
    amount = sign * (10**15 - 1)
    for _ in range(10):
        history.complete_chunk(JANUARY, [Posting(RENT, amount, "EUR", day("2024-01-31"))] * 1_000)
    append(store, history.commits)
    total = 10_000 * amount
    assert abs(total) > 2**63
    assert sums(queries.balances(store)) == {("creditors", "EUR"): -total, (RENT, "EUR"): total}
    store.close()


def test_the_life_of_a_record(store: Store):
    (event,) = queries.stream_events(store, record_stream(JOB, "2024-01-0000"))
    assert isinstance(event.event, RecordSucceeded)
    commit = store.log.commits()[event.commit_number - 1]
    assert commit.number == event.commit_number
    assert commit.first_position <= event.position <= commit.last_position
    assert event.recorded_at == commit.recorded_at
    (event,) = queries.stream_events(store, f"record/{JOB}/~2024-01/main/3")
    assert isinstance(event.event, RecordFailed)
    assert queries.stream_events(store, record_stream(JOB, "unknown")) == []


def test_the_events_of_a_run_and_its_chunks_as_they_were_recorded(store: Store):
    events = list(queries.run_events(store, f"{JOB}/{FEBRUARY}"))
    assert [type(event.event).__name__ for event in events] == [
        "RunStarted",
        "ChunkStarted",
        "ChunkCompleted",
        "ChunkStarted",
        "ChunkFailed",
        "ChunkStarted",
        "RunStopRequested",
        "RunStopped",
    ]
    assert [event.position for event in events] == sorted(event.position for event in events)
    assert {event.stream.split("/")[2] for event in events} == {FEBRUARY}


# Periods.


@pytest.mark.parametrize(
    ("month", "expected"),
    [
        ("2024-01", [("january", 2)]),
        ("2024-02", [("february", 0)]),
        ("2023-12", []),
    ],
)
def test_the_runs_that_posted_into_a_month(
    store: Store, month: str, expected: list[tuple[str, int]]
) -> None:
    runs = {"january": f"{JOB}/{JANUARY}", "february": f"{JOB}/{FEBRUARY}"}

    found = queries.posted_into(store, Period.parse("main", month))

    assert [(each.run, each.unresolved) for each in found] == [
        (runs[name], count) for name, count in expected
    ]
    assert not queries.posted_into(store, Period.parse("tax", month))


def test_dead_letters_of_a_reversal_count_for_the_run_that_it_takes_back(store: Store) -> None:
    run = RunId(JOB, JANUARY)
    chunk = ChunkId(run, f"{REVERSED}r1", 0)
    claim = ChunkStarted(
        attempt=1, worker="w", lease_seconds=60.0, first_offset={}, first_ordinal=0
    )
    failed = RecordReversalFailed(
        run=run.name,
        partition="0",
        chunk=chunk.label,
        ordinal=0,
        attempt=1,
        reversal="r1",
        posted_version=1,
        error="HandlerError",
        message="no answer",
        record=msgspec.Raw(b"{}"),
    )
    done = ChunkCompleted(
        attempt=1,
        first_offset={},
        next_offset={},
        first_ordinal=0,
        counts=Counts(read=1, failed=1),
    )
    append(
        store,
        [
            [
                Recorded(record_stream(JOB, "reversed"), 1, failed),
                Recorded(chunk.stream, 1, claim),
                Recorded(chunk.stream, 2, done),
            ]
        ],
    )

    (found,) = queries.posted_into(store, Period.parse("main", "2024-01"))

    assert (found.run, found.unresolved) == (str(run), 3)


def test_balances_up_to_a_posting_date(store: Store) -> None:
    rows = queries.balances(store, account=RENT, posting_to=day("2024-01-15"))

    assert [(row.currency, row.debit) for row in rows] == [("EUR", 1_000)]
