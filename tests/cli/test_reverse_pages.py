"""What ``storno reverse`` and ``audit trail`` tell people about a reversal."""

from __future__ import annotations

import re

import pytest

from .command import Storno
from .terminal import on_terminal

JOBS = """\
import datetime as dt
from decimal import Decimal

from storno import Effect, Entry, Record, credit, debit, iterable, job

ROWS = [{"number": "T1", "amount": "10.00"}, {"number": "T2", "amount": "20.00"}]


class Transfer(Record):
    number: str
    amount: Decimal


def entry(transfer: Transfer) -> Entry:
    lines = [debit("creditors", transfer.amount, "EUR"), credit("bank", transfer.amount, "EUR")]
    return Entry(lines, effective=dt.date(2026, 1, 31))


@job(key="number", source=iterable(ROWS), effect=True)
def transfers(transfer: Transfer) -> Effect:
    return Effect(output={"reference": transfer.number}, entries=[entry(transfer)])


@transfers.compensate
def recall(transfer: Transfer, output: dict[str, str]) -> None:
    if transfer.number == "T2":
        raise ValueError("paid out")


@job(
    key="number",
    source=iterable([*ROWS, {"number": "T3", "amount": "x"}]),
    chunk_size=2,
    tolerance=0,
    on_failure="reverse",
)
def strict(transfer: Transfer) -> Entry:
    return entry(transfer)
"""
REASON = ("--reason-code", "wrong-period", "--reason", "February in January")


@pytest.fixture
def bank(storno: Storno) -> Storno:
    """A project with a job whose handler fails for one record, and one that takes itself back."""
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]\n')
    (storno.folder / "jobs.py").write_text(JOBS)
    storno("db", "init")
    return storno


def test_who_asked_agreed_and_executed_and_why(ran: Storno) -> None:
    settings = ran.folder / "storno.toml"
    settings.write_text(settings.read_text() + "\n[reversals]\napprovals = 1\n")
    ran("reverse", "plan", "--record", "payments", "P00230", "P00231", "--out", "a plan.json")
    ran("reverse", "submit", "a plan.json", *REASON, "--actor", "ann")
    ran("reverse", "approve", "R-000001", "--actor", "carl")
    ran("reverse", "execute", "R-000001", "--yes", "--actor", "bob")

    page = ran("reverse", "show", "R-000001").stdout
    trail = ran("audit", "trail", "payments", "P00230").stdout
    [posted, reversed_] = ran.json("audit", "trail", "payments", "P00230")["events"]

    assert re.search(r"scope +2 records: P00230, P00231", page)
    assert re.search(r"requested +ann +wrong-period: February in January", page)
    assert re.search(r"approved +carl", page)
    assert re.search(r"begun +bob +attempt 1, ", page)
    assert re.search(r"completed +2 records taken back", page)
    assert "Reversal" not in page
    assert re.search(r"creditors:City Water +GBP +\d+\.\d\d +0\.00", page)
    for words in ("by +bob", "requested by +ann", "approved by +carl", "reason +wrong-period: Feb"):
        assert re.search(words, trail)
    assert posted["actor"] != reversed_["actor"] == "bob"
    assert reversed_["approved_by"] == ["carl"]


def test_a_plan_says_what_it_is_for_and_where_entries_go(ran: Storno) -> None:
    named = ran("reverse", "plan", "last", "--date", "2026-02-03")
    nothing = ran("reverse", "plan", "last", "--where", "account=nothing")
    kept = ran("reverse", "plan", "last", "--out", "a plan.json")

    assert "Of period 2026-01 of book main, 237 entries go to 2026-02-03." in named.stdout
    assert "closed" not in named.stdout
    assert "There is nothing to take back." in nothing.stderr
    assert "storno reverse submit 'a plan.json' --reason-code" in kept.stderr
    assert "Nothing was written" not in kept.stderr


def test_a_word_that_is_neither_a_plan_nor_a_run(ran: Storno) -> None:
    missing = ran("reverse", "submit", "plan.json", *REASON, code=6)
    unknown = ran("reverse", "list", "--job", "paymnts")

    assert "'plan.json' is no file, and there is no run" in missing.stderr
    assert "Did you mean 'payments'?" in unknown.stderr


def test_a_reversal_that_waits_is_not_asked_about(ran: Storno) -> None:
    settings = ran.folder / "storno.toml"
    settings.write_text(settings.read_text() + "\n[reversals]\napprovals = 1\n")
    ran("reverse", "submit", "last", *REASON, "--actor", "ann")

    screen = on_terminal(ran, "reverse", "execute", "R-000001", "--actor", "ann", typed="y\n")

    assert screen.code == 8
    assert "Take back" not in screen.text


def test_what_is_set_aside_is_found_by_its_reversal(bank: Storno) -> None:
    bank("run", "transfers")
    bank("reverse", "submit", "last", *REASON)
    bank("reverse", "execute", "R-000001", "--yes", code=3)

    page = bank("reverse", "show", "R-000001")
    [letter] = bank.json("dead-letters", "list", "--run", "reversal/R-000001")
    shown = bank("dead-letters", "show", "transfers", "T2").stdout
    words = ("transfers", "T2", "--set", "amount=1", "--reason", "x")
    edited = bank("dead-letters", "edit", *words, code=4)

    assert re.search(r"stopped +1 record set aside", page.stdout)
    assert "storno dead-letters discard transfers T2 --reason TEXT" in page.stderr
    assert letter["key"] == "T2"
    assert "this record" not in shown
    assert "location" not in shown
    assert "storno reverse execute R-000001" in edited.stderr


def test_a_run_that_takes_itself_back_says_what_to_do_next(bank: Storno) -> None:
    ran = bank("run", "strict", code=1)

    assert "The reversal of strict/once begins" in ran.stderr
    assert "storno reverse list --job strict" in ran.stderr
    assert "storno run strict ... --again --reason TEXT" in ran.stderr
    assert "resume" not in ran.stdout + ran.stderr
