"""``ledger``, ``audit``, ``views`` and ``db``: the books and the store behind them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

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
    assert "Everything is in order" in payments("doctor").stderr


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
