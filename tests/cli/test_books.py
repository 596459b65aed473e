"""``ledger``, ``audit``, ``views`` and ``db``: the books and the store behind them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import get_args

import pytest

from storno.cli.views import View
from storno.storage.sqlite_engine import library
from storno.storage.views.tables import COLUMNS

from .command import Storno

MONTH = ("--param", "month=2026-01")


def expected_by_account(folder: Path) -> dict[str, Decimal]:
    """What the sample should post per expense, by reading the file and nothing else."""
    sums: dict[str, Decimal] = {}
    seen: set[str] = set()
    with (folder / "input" / "payments-2026-01.csv").open() as file:
        for row in csv.DictReader(file):
            try:
                amount = Decimal(row["amount"])
            except InvalidOperation:
                continue
            if row["number"] in seen or row["date"].endswith("-32"):
                continue
            seen.add(row["number"])
            account = f"expense:{row['account']}"
            sums[account] = sums.get(account, Decimal(0)) + amount
    return sums


def test_the_trial_balance_agrees_with_the_file(ran: Storno) -> None:
    document = ran.json("ledger", "trial-balance")

    expected = expected_by_account(ran.folder)
    found = {
        account["account"]: Decimal(account["debit"])
        for account in document["accounts"]
        if account["account"].startswith("expense:")
    }
    assert found == expected
    total = f"{sum(expected.values()):.2f}"
    assert document["totals"] == [{"currency": "GBP", "debit": total, "credit": total}]
    for account in document["accounts"]:
        assert set(account) == {"account", "currency", "debit", "credit", "balance"}
        balance = Decimal(account["debit"]) - Decimal(account["credit"])
        assert Decimal(account["balance"]) == balance


def test_the_trial_balance_for_people_ends_in_a_total(ran: Storno) -> None:
    lines = ran("ledger", "trial-balance").stdout.splitlines()

    total = f"{sum(expected_by_account(ran.folder).values()):.2f}"
    assert lines[0].split() == ["account", "currency", "debit", "credit", "balance"]
    assert lines[-1].split() == ["total", "GBP", total, total, "0.00"]


def test_amounts_have_their_currencys_decimals(made: Callable[[str], Storno]) -> None:
    interest = made("interest")
    interest("run", "interest", *MONTH, code=3)

    totals = interest.json("ledger", "trial-balance")["totals"]

    decimals = {total["currency"]: len(total["debit"].partition(".")[2]) for total in totals}
    assert decimals == {"EUR": 2, "JPY": 0, "KWD": 3}


def test_balances_are_filtered(ran: Storno) -> None:
    expected = expected_by_account(ran.folder)

    [rent] = ran.json("ledger", "balances", "--account", "expense:rent")
    expenses = ran.json("ledger", "balances", "--account", "expense:*")

    assert Decimal(rent["balance"]) == expected["expense:rent"]
    assert {row["account"] for row in expenses} == set(expected)
    assert ran.json("ledger", "balances", "--currency", "EUR") == []
    assert ran.json("ledger", "balances", "--effective-to", "2025-12-31") == []
    early = ran.json("ledger", "balances", "--effective-to", "2026-01-15", "--account", "expense:*")
    assert sum(Decimal(row["balance"]) for row in early) < sum(expected.values())


def test_the_books_as_they_stood(ran: Storno) -> None:
    assert ran.json("ledger", "balances", "--as-of", "2001-01-01") == []
    assert ran.json("ledger", "balances", "--as-of", "2999-01-01") == ran.json("ledger", "balances")
    assert "--as-of" in ran("ledger", "balances", "--as-of", "soon", code=2).stderr


def test_an_account_shows_its_movements_and_running_balance(ran: Storno) -> None:
    movements = ran.json("ledger", "account", "expense:rent")
    january = ran.json(
        "ledger", "account", "expense:rent", "--from", "2026-01-10", "--to", "2026-01-12"
    )

    assert movements[-1]["balance"] == f"{expected_by_account(ran.folder)['expense:rent']:.2f}"
    assert [each["effective"] for each in movements] == sorted(
        each["effective"] for each in movements
    )
    assert {each["effective"] for each in january} <= {"2026-01-10", "2026-01-11", "2026-01-12"}
    assert ran("ledger", "account", "expense:rent").stdout.count("\n") == len(movements) + 1


def test_an_unknown_account_gets_did_you_mean(ran: Storno) -> None:
    told = ran("ledger", "account", "expense:rnt", code=6).stderr

    assert "Did you mean 'expense:rent'?" in told


def test_an_entry_shows_its_lines(ran: Storno) -> None:
    [entry] = ran.json("ledger", "entry", "payments", "P00041")
    page = ran("ledger", "entry", "payments", "P00041").stdout

    debit, credit = entry["lines"]
    assert (debit["side"], credit["side"]) == ("debit", "credit")
    assert debit["amount"] == credit["amount"]
    assert debit["account"].startswith("expense:")
    assert entry["text"] == "Payment P00041"
    assert entry["run"] == "payments/2026-01"
    assert debit["amount"] in page


def test_the_trail_of_a_record_tells_its_life(ran: Storno) -> None:
    trail = ran.json("audit", "trail", "payments", "P00041")
    page = ran("audit", "trail", "payments", "P00041").stdout

    assert [event["event"] for event in trail["events"]] == ["RecordSucceeded", "RecordFailed"]
    assert [event["version"] for event in trail["events"]] == [1, 2]
    assert all(event["actor"] for event in trail["events"])
    assert "key-conflict" in page


@pytest.mark.parametrize("command", [("ledger", "entry"), ("audit", "trail")])
def test_a_record_that_is_not_there_is_named(ran: Storno, command: tuple[str, ...]) -> None:
    assert "no record 'P99999'" in ran(*command, "payments", "P99999", code=6).stderr
    assert "Did you mean 'payments'?" in ran(*command, "paymnts", "P00001", code=6).stderr


def test_the_views_agree_and_can_be_rebuilt(ran: Storno) -> None:
    before = ran.json("ledger", "trial-balance")

    rebuilt = ran.json("views", "rebuild")
    checked = ran.json("views", "check")

    assert rebuilt["events"] == checked["events"] == 244
    assert checked["agree"] is True
    assert ran.json("ledger", "trial-balance") == before


def test_a_rebuild_reports_on_the_views_that_are_named(ran: Storno) -> None:
    rows = ran.json("views", "rebuild")["rows"]
    ran("dead-letters", "list")
    some = ran("views", "rebuild", "dead_letters", "runs").stdout

    assert {name: rows[name] for name in ("runs", "attempts", "checkpoint", "dead_letters")} == {
        "runs": 1,
        "attempts": 1,
        "checkpoint": 1,
        "dead_letters": 3,
    }
    assert rows["movements"] > 0
    assert [line.split() for line in some.splitlines()] == [
        ["view", "rows"],
        ["dead_letters", "3"],
        ["runs", "1"],
    ]
    assert ran.json("views", "check")["agree"] is True


def test_the_views_that_can_be_named_are_those_there_are() -> None:
    assert get_args(View) == tuple(COLUMNS)


def test_one_row_that_differs_is_said_of_one(ran: Storno) -> None:
    with closing(library().connect(ran.folder / "storno.db")) as connection:
        connection.execute("UPDATE runs_g1 SET failed = 2")
        connection.commit()

    told = ran("views", "check", code=5).stderr

    assert "1 row of the views differs from 244 events in 2 commits." in told


EFFECT_JOB = """
import datetime as dt
from storno import Context, Effect, Entry, Record, credit, debit, iterable, job

class Transfer(Record):
    number: str

@job(key="number", source=iterable([{"number": "T1"}]), effect=True, irreversible="a letter")
def transfers(transfer: Transfer, context: Context) -> Effect:
    entry = Entry([debit("a", 1, "EUR"), credit("b", 1, "EUR")], effective=dt.date(2026, 1, 31))
    return Effect(output={"reference": "REF-1", "fee": None}, entries=[entry])
"""


def test_the_trail_shows_what_went_out_and_what_came_back(storno: Storno) -> None:
    (storno.folder / "jobs.py").write_text(EFFECT_JOB)
    storno("db", "init")
    storno("run", "jobs.py:transfers")

    page = storno("audit", "trail", "transfers", "T1").stdout
    attempted, succeeded = storno.json("audit", "trail", "transfers", "T1")["events"]

    assert f"  idempotency key  {attempted['data']['idempotency_key']}\n" in page
    assert "  output   reference=REF-1, fee=null\n" in page
    assert succeeded["data"]["output"] == {"reference": "REF-1", "fee": None}


def test_what_was_never_posted_has_no_entry_and_that_is_said(ran: Storno) -> None:
    told = ran("ledger", "entry", "payments", "P00057")

    assert told.stdout == ""
    assert "storno audit trail payments P00057" in told.stderr
    assert ran.json("ledger", "entry", "payments", "P00057") == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trial-balance", "--book", "mian"), "book 'mian'. Did you mean 'main'?"),
        (("balances", "--currency", "gbp"), "currency 'gbp'. Did you mean 'GBP'?"),
        (("balances", "--account", "expense:rnt"), "Did you mean 'expense:rent'?"),
    ],
)
def test_a_filter_of_the_books_that_finds_nothing_may_be_mistyped(
    ran: Storno, words: tuple[str, ...], told: str
) -> None:
    assert told in ran("ledger", *words).stderr


def test_the_trial_balance_of_a_day(ran: Storno) -> None:
    document = ran.json("ledger", "trial-balance", "--effective-to", "2026-01-15")
    balances = ran.json("ledger", "balances", "--effective-to", "2026-01-15")

    assert document["accounts"] == balances
    [total] = document["totals"]
    assert total["debit"] == total["credit"]
    assert Decimal(total["debit"]) == sum(Decimal(row["debit"]) for row in balances)
    assert ran.json("ledger", "trial-balance", "--currency", "EUR")["accounts"] == []


def test_a_store_is_made_once(storno: Storno) -> None:
    made = storno.json("db", "init")

    assert len(made["store_id"]) == 32
    assert made["store"].endswith("/storno.db")
    assert "already" in storno("db", "init", code=7).stderr
    assert storno.json("db", "migrate") == {
        "before": "0001",
        "after": "0001",
        "views_rebuilt": False,
    }


def test_a_backup_is_a_store(ran: Storno) -> None:
    backup = ran.json("db", "backup", "copy.db")

    assert (ran.folder / "copy.db").stat().st_size == backup["bytes"]
    on_copy = ran.json("ledger", "trial-balance", "--store", "sqlite:///copy.db")
    assert on_copy == ran.json("ledger", "trial-balance")
    ran("db", "backup", "copy.db", code=7)


def test_the_doctor_finds_nothing_wrong_with_a_new_project(payments: Storno) -> None:
    document = payments.json("doctor")

    assert document["sound"] is True
    origins = {found["name"]: found["origin"] for found in document["findings"]}
    assert origins["store"] == "storno.toml"
    assert origins["actor"] == "default"
    assert "Everything is in order" in payments("doctor").stderr


def test_the_doctor_says_where_each_setting_comes_from(payments: Storno) -> None:
    books = f"sqlite:///{payments.folder}/books.db"
    payments("db", "init", "--store", books)

    told = payments("doctor", STORNO_STORE=books, STORNO_ACTOR="ada").stdout

    assert re.search(rf"store +{re.escape(books)}  \(STORNO_STORE\)", told)
    assert re.search(r"actor +ada \(.* at .*\)  \(STORNO_ACTOR\)", told)
    assert re.search(r"jobs +jobs\.py  \(storno\.toml\)", told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('store = "sqlite:///gone.db"', "storno db init"),
        ('jobs = ["gone.py"]', "there is no file gone.py"),
        ('jbos = ["jobs.py"]', "Did you mean 'jobs'?"),
    ],
)
def test_the_doctor_names_what_is_wrong(payments: Storno, text: str, told: str) -> None:
    (payments.folder / "storno.toml").write_text(text)

    ran = payments("doctor", code=1)

    assert told in ran.stdout
    assert payments.json("doctor", code=1)["sound"] is False


def test_the_jobs_of_the_project(payments: Storno) -> None:
    assert payments.json("jobs", "list") == [{"job": "payments", "defined_in": "jobs.py"}]
    shown = payments.json("jobs", "show", "payments")
    assert shown["parameters"] == {"month": "str"}
    assert shown["key"] == "number"
    assert shown["source"]["paths"] == ["input/payments-{month}.csv"]
    assert "payments" in payments("jobs", "list").stdout
