"""Amounts, dates and entries that are not what they should be (scenarios 37, 38, 40)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from storno import Chart, Entry, Job, credit, debit, iterable, job
from storno.domain.events import Counts, RecordSucceeded

from .lab import DAY, Lab, Payment, Rows, entry_of, paying, payments

INVALID, FINER = "invalid-record", "invalid-amount"

AMOUNTS: dict[str, str | int] = {
    "1,234.50": INVALID,
    " 12 ": 1200,
    "1428.6399999999999": FINER,
    "841.4375": FINER,
    "1e3": 100_000,
    "1E-1": 10,
    "NaN": INVALID,
    "sNaN": INVALID,
    "Infinity": INVALID,
    "-inf": INVALID,
    "(12.50)": INVALID,
    "12,50": INVALID,
    "9" * 40: FINER,
    "1" + "0" * 12 + ".00": 100_000_000_000_000,
    "10000000000000.01": FINER,
    "0.10" + "0" * 40: 10,
    "0." + "0" * 40 + "1": FINER,
    "1e999999999": FINER,
    "1e-999999999": FINER,
    "-0": 0,
    "-0.00": 0,
    "-12.50": -1250,
    "+7": 700,
    "0": 0,
    "": INVALID,
    " ": INVALID,
    "EUR 12": INVALID,
    "12 EUR": INVALID,
    "0x1F": INVALID,
    "1_000": 100_000,
    "\u0661\u0662": 1200,
    "12\u2212": INVALID,
    "true": INVALID,
}
"""What stands in a file, and what it comes to: an error's code, or cents."""


def test_amounts(lab: Lab) -> None:
    """Scenario 37: every amount is posted to the cent, or a dead letter that says why."""
    rows = [{"number": f"A-{n:02}", "amount": text} for n, text in enumerate(AMOUNTS)]
    lab.amount_of = None

    result = lab.run(paying(rows))

    outcomes: dict[str, str | int] = {}
    for event in lab.events(RecordSucceeded):
        outcomes[rows[event.ordinal]["amount"]] = event.entries[0].lines[0].minor
    outcomes |= {rows[ordinal]["amount"]: error for ordinal, error in lab.failures().items()}
    assert outcomes == AMOUNTS
    good = sum(isinstance(outcome, int) for outcome in AMOUNTS.values())
    assert result.counts == Counts(read=len(rows), succeeded=good, failed=len(rows) - good)
    for letter in lab.view("dead_letters"):
        assert letter["message"]
        assert f'"number":"{rows[letter["ordinal"]]["number"]}"' in letter["payload"]


@pytest.mark.parametrize(
    ("rule", "minor"),
    [
        ("half-up", {"841.4375": 84144, "2.5050": 251, "-0.005": -1, "0.014": 1}),
        ("half-even", {"841.4375": 84144, "2.5050": 250, "-0.005": 0, "0.014": 1}),
        ("half-down", {"841.4375": 84144, "2.5050": 250, "-0.005": 0, "0.014": 1}),
        ("down", {"841.4375": 84143, "2.5050": 250, "-0.005": 0, "0.014": 1}),
        ("up", {"841.4375": 84144, "2.5050": 251, "-0.005": -1, "0.014": 2}),
        ("floor", {"841.4375": 84143, "2.5050": 250, "-0.005": -1, "0.014": 1}),
        ("ceiling", {"841.4375": 84144, "2.5050": 251, "-0.005": 0, "0.014": 2}),
    ],
)
def test_a_rounding_rule_rounds(lab: Lab, rule: str, minor: dict[str, int]) -> None:
    """Scenario 37; design.md, Money: an error unless the job names a rounding rule."""
    rows = [{"number": f"A-{n}", "amount": text} for n, text in enumerate(minor)]
    lab.amount_of = None

    assert lab.run(paying(rows, rounding=rule)).counts.succeeded == len(rows)

    posted = [event.entries[0].lines[0].minor for event in lab.events(RecordSucceeded)]
    assert posted == list(minor.values())


@pytest.mark.parametrize(
    ("currency", "amount", "outcome"),
    [
        ("JPY", "1250", 1250),
        ("JPY", "1250.5", "invalid-amount"),
        ("BHD", "1.234", 1234),
        ("BHD", "1.2345", "invalid-amount"),
        ("XXX", "1", "unknown-currency"),
        ("EURO", "1", "unknown-currency"),
        ("eur", "1", "unknown-currency"),
        ("", "1", "unknown-currency"),
        ("XAU", "1", "unknown-currency"),
    ],
)
def test_currencies(sqlite_lab: Lab, currency: str, amount: str, outcome: str | int) -> None:
    """Scenario 40: unknown currency; design.md, Money: exponents of ISO 4217."""
    lab = sqlite_lab
    lab.amount_of = None
    rows = [payments(1)[0] | {"currency": currency, "amount": amount}]

    lab.run(paying(rows))

    if isinstance(outcome, int):
        (line,) = {line.minor for line in lab.events(RecordSucceeded)[0].entries[0].lines}
        assert line == outcome
    else:
        assert lab.failures() == {0: outcome}


DATES: dict[Any, str | dt.date] = {
    "2026-01-31": dt.date(2026, 1, 31),
    "2026-02-30": INVALID,
    "2026-13-01": INVALID,
    "2025-02-29": INVALID,
    "2024-02-29": dt.date(2024, 2, 29),
    "31/01/2026": INVALID,
    "31.01.2026": INVALID,
    "01-31-2026": INVALID,
    "26-01-31": INVALID,
    "20260131": INVALID,
    "310126": INVALID,
    "2026-1-5": INVALID,
    "Jan 31 2026": INVALID,
    "2026-01-31T00:00:00": dt.date(2026, 1, 31),
    "2026-01-31T23:59:59": INVALID,
    "9999-12-31": dt.date(9999, 12, 31),
    "10000-01-01": INVALID,
    "0000-01-01": INVALID,
    "0001-01-01": dt.date(1, 1, 1),
    "": INVALID,
    "today": INVALID,
    "86401": INVALID,
    "1767225600": dt.date(2026, 1, 1),  # a number is seconds since 1970 to pydantic
}
"""What stands in a file, and the date that it is, if it is one."""


def test_dates(lab: Lab) -> None:
    """Scenario 38: impossible days, two-digit years, other formats, far future."""
    rows = [{"number": f"D-{n:02}", "amount": "1", "date": text} for n, text in enumerate(DATES)]

    lab.run(paying(rows))

    outcomes: dict[Any, str | dt.date] = {}
    for event in lab.events(RecordSucceeded):
        outcomes[rows[event.ordinal]["date"]] = event.entries[0].effective
    outcomes |= {rows[ordinal]["date"]: error for ordinal, error in lab.failures().items()}
    assert outcomes == DATES


def d(amount: str, currency: str = "EUR", account: str = "expense:rent") -> Any:
    return debit(account, Decimal(amount), currency)


def c(amount: str, currency: str = "EUR", account: str = "creditors") -> Any:
    return credit(account, Decimal(amount), currency)


ENTRIES: dict[str, tuple[Entry, str | None, str]] = {
    "balanced": (Entry([d("1"), c("1")], effective=DAY), None, ""),
    "three lines": (Entry([d("1"), d("2"), c("3")], effective=DAY), None, ""),
    "two currencies, each balanced": (
        Entry([d("1"), c("1"), d("5", "USD"), c("5", "USD")], effective=DAY), None, "",
    ),
    "negative on both sides": (Entry([d("-1"), c("-1")], effective=DAY), None, ""),
    "unbalanced": (
        Entry([d("1"), c("2")], effective=DAY), "unbalanced-entry", "1.00 more on the credit side",
    ),
    "both on one side": (
        Entry([d("1"), d("1")], effective=DAY), "unbalanced-entry", "2.00 more on the debit side",
    ),
    "one line": (Entry([d("1")], effective=DAY), "unbalanced-entry", "1.00 more on the debit"),
    "one line of nothing": (Entry([d("0")], effective=DAY), "unbalanced-entry", "one line"),
    "no line": (Entry([], effective=DAY), "unbalanced-entry", "has no lines"),
    "mixed currencies": (
        Entry([d("1", "EUR"), c("1", "USD")], effective=DAY), "unbalanced-entry", "in EUR",
    ),
    "no date": (Entry([d("1"), c("1")]), "invalid-entry", "no effective date"),
    "a float": (
        Entry([debit("a", 0.1, "EUR"), c("0.1")], effective=DAY),  # type: ignore[arg-type]
        "invalid-amount", "must be a Decimal or an int, not float",
    ),
    "true": (
        Entry([debit("a", True, "EUR"), c("1")], effective=DAY),  # type: ignore[arg-type]
        "invalid-amount", "not bool",
    ),
    "a tuple for a line": (
        Entry([("a", "D", 1, "EUR")], effective=DAY),  # type: ignore[list-item]
        "invalid-entry", "a line must come from debit() or credit()",
    ),
    "no list": (Entry(None, effective=DAY), "TypeError", "not iterable"),  # type: ignore[arg-type]
    "an account of nothing": (
        Entry([d("1", account=""), c("1")], effective=DAY), "invalid-entry", "'' is no account",
    ),
    "an account with a newline": (
        Entry([d("1", account="a\nb"), c("1")], effective=DAY), "invalid-entry", "no account",
    ),
    "an account that is no text": (
        Entry([d("1", account=7), c("1")], effective=DAY),  # type: ignore[arg-type]
        "invalid-entry", "7 is no account",
    ),
    "a side of its own": (
        Entry([type(d("1"))("a", "X", Decimal(1), "EUR"), c("1")], effective=DAY),
        "invalid-entry", "side",
    ),
    "a text that is none": (
        Entry([d("1"), c("1")], effective=DAY, text="\ud800"), "invalid-entry", "text",
    ),
    "a date that is text": (
        Entry([d("1"), c("1")], effective="2026-01-01"),  # type: ignore[arg-type]
        "invalid-entry", "effective= must be a date, not str",
    ),
    "a book that is no text": (
        Entry([d("1"), c("1")], effective=DAY, book=7),  # type: ignore[arg-type]
        "invalid-entry", "book",
    ),
}  # fmt: skip
"""Name to an entry, the code of what is wrong with it, and part of the message."""


def posting(entries: list[Entry], **policies: Any) -> Job:
    """A job whose n-th record posts the n-th entry."""
    rows: Rows = payments(len(entries))

    @job(key="number", source=iterable(rows), name="payments", **policies)
    def post(payment: Payment) -> Entry:
        return entries[int(payment.number[2:])]

    return post


def test_entries(lab: Lab) -> None:
    """Scenario 40: unbalanced, one line, no line, mixed currencies, and worse."""
    names = list(ENTRIES)
    lab.amount_of = None

    lab.run(posting([entry for entry, _, _ in ENTRIES.values()]))

    letters = {names[row["ordinal"]]: row for row in lab.view("dead_letters")}
    for name, (_, code, message) in ENTRIES.items():
        assert (letters[name]["error"] if name in letters else None) == code, name
        assert code is None or message in letters[name]["message"], letters[name]["message"]


def test_a_declared_chart_refuses_other_accounts_and_books(lab: Lab) -> None:
    """Scenario 40: unknown account where a chart is declared."""
    chart = Chart(accounts=("expense:*", "creditors"), books=("main", "tax"))
    rows = payments(4)
    rows[1] = rows[1] | {"account": "expenses:rent"}
    rows[2] = rows[2] | {"account": "Creditors"}

    lab.run(paying(rows), chart=chart)

    assert lab.failures() == {1: "unknown-account", 2: "unknown-account"}
    assert "is not in the chart of accounts" in lab.view("dead_letters")[0]["message"]


def test_an_unknown_book_is_refused(lab: Lab) -> None:
    """Scenario 40: a list of books may be declared in storno.toml."""
    chart = Chart(books=("main", "tax"))
    lab.amount_of = None
    entries = [Entry([d("1"), c("1")], effective=DAY, book=book) for book in ("cash", "tax", None)]

    lab.run(posting(entries, book="main"), chart=chart)

    assert lab.failures() == {0: "unknown-book"}
    assert sorted({row["book"] for row in lab.view("movements")}) == ["main", "tax"]


def test_the_cap_of_a_line_keeps_sums_exact(lab: Lab) -> None:
    """details.md, Money: amounts are capped at 10^15 minor units a line."""
    rows = [row | {"amount": "10000000000000.00"} for row in payments(9)]

    lab.run(paying(rows, chunk_size=4))

    assert lab.balances() == {
        ("expense:rent", "EUR"): 9 * 10**15, ("creditors", "EUR"): -9 * 10**15
    }  # fmt: skip


def test_a_list_of_entries_and_none_at_all(lab: Lab) -> None:
    """design.md, the job: an Entry, a list of entries; empty where there is nothing to post."""

    @job(key="number", source=iterable(payments(3)), name="payments")
    def pay(payment: Payment) -> list[Entry]:
        return [entry_of(payment)] * int(payment.number[2:])

    lab.amount_of = None
    assert lab.run(pay).counts.succeeded == 3

    assert [len(event.entries) for event in lab.events(RecordSucceeded)] == [0, 1, 2]
    assert lab.balances()["creditors", "EUR"] == -(225 + 2 * 325)
