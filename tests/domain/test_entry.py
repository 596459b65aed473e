"""Entries: what is checked before one is stored. What a run makes of them: test_bad_values.py."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.entry import (
    Chart,
    Entry,
    EntryError,
    Line,
    PostedEntry,
    PostedLine,
    PostingRules,
    credit,
    debit,
    post,
)
from storno.domain.money import Rounding

DAY = dt.date(2026, 1, 31)
RULES = PostingRules()


def entry(*lines: Line, **fields: Any) -> Entry:
    settings: dict[str, Any] = {"effective": DAY} | fields
    return Entry(list(lines), **settings)


def simple(**fields: Any) -> Entry:
    return entry(
        debit("rent", Decimal("12.50"), "EUR"), credit("bank", Decimal("12.50"), "EUR"), **fields
    )


def code_of(wrong: Entry, rules: PostingRules = RULES) -> str:
    with pytest.raises(EntryError) as error:
        post(wrong, rules)
    return error.value.code


def test_an_entry_is_stored_in_minor_units_with_its_exponent() -> None:
    assert post(simple(text="Miete"), RULES) == PostedEntry(
        book="main",
        effective=DAY,
        posting=DAY,
        lines=(
            PostedLine("rent", "D", 1250, "EUR", 2),
            PostedLine("bank", "C", 1250, "EUR", 2),
        ),
        text="Miete",
    )


def test_posting_defaults_to_effective_and_the_book_to_the_jobs() -> None:
    plain = post(simple(), PostingRules(book="tax"))
    named = post(simple(posting=dt.date(2026, 2, 1), book="main"), PostingRules(book="tax"))

    assert (plain.posting, plain.book) == (DAY, "tax")
    assert (named.effective, named.posting, named.book) == (DAY, dt.date(2026, 2, 1), "main")


@pytest.mark.parametrize("zone", [None, dt.UTC])
def test_a_moment_is_taken_as_its_day(zone: dt.tzinfo | None) -> None:
    moment = dt.datetime(2026, 1, 31, 23, 59, tzinfo=zone)

    assert post(simple(effective=moment), RULES).effective == DAY


AMOUNTS = st.integers(-(10**12), 10**12).map(lambda cents: Decimal(cents) / 100)
LINES = st.builds(
    Line,
    account=st.sampled_from(["a", "b", "c"]),
    side=st.sampled_from("DC"),
    amount=AMOUNTS,
    currency=st.sampled_from(["EUR", "USD"]),
)


@given(st.lists(LINES, min_size=2, max_size=6))
def test_what_balances_is_posted_and_nothing_else_is(lines: list[Line]) -> None:
    sums: dict[str, Decimal] = {}
    for line in lines:
        sign = 1 if line.side == "D" else -1
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + sign * line.amount
    if any(sums.values()):
        assert code_of(entry(*lines)) == "unbalanced-entry"
    else:
        posted = post(entry(*lines), RULES)
        assert [line.minor for line in posted.lines] == [int(line.amount * 100) for line in lines]


@given(st.lists(LINES, min_size=1, max_size=5))
def test_a_counterpart_for_each_line_balances(lines: list[Line]) -> None:
    other = {"D": credit, "C": debit}
    all_of_them = [*lines, *(other[line.side]("x", line.amount, line.currency) for line in lines)]

    posted = post(entry(*all_of_them), RULES)

    assert sum(line.minor * (1 if line.side == "D" else -1) for line in posted.lines) == 0


def test_the_balance_is_looked_at_after_rounding() -> None:
    lines = [
        debit("a", Decimal("0.005"), "EUR"),
        debit("a", Decimal("0.005"), "EUR"),
        credit("b", Decimal("0.01"), "EUR"),
    ]

    assert code_of(entry(*lines)) == "invalid-amount"
    assert code_of(entry(*lines), PostingRules(rounding=Rounding.HALF_UP)) == "unbalanced-entry"


def test_one_amount_in_two_currencies_is_converted_twice() -> None:
    amount = Decimal(100)
    posted = post(
        entry(
            debit("a", amount, "EUR"),
            credit("b", amount, "EUR"),
            debit("a", amount, "JPY"),
            credit("b", amount, "JPY"),
        ),
        RULES,
    )

    assert [line.minor for line in posted.lines] == [10_000, 10_000, 100, 100]


@pytest.mark.parametrize(
    ("accounts", "allowed"),
    [
        (("expense:*",), {"expense:rent": True, "expense:": True, "Expense:rent": False}),
        (("bank", "rent"), {"bank": True, "bank ": False, "ban": False}),
        (("4???",), {"4000": True, "40000": False}),
        ((), {"anything": True}),
    ],
)
def test_a_chart_knows_its_accounts(accounts: tuple[str, ...], allowed: dict[str, bool]) -> None:
    rules = PostingRules(chart=Chart(accounts=(*accounts, "other") if accounts else ()))
    for account, is_allowed in allowed.items():
        made = entry(debit(account, Decimal(1), "EUR"), credit("other", Decimal(1), "EUR"))
        for _ in range(2):  # the second time it is remembered
            if is_allowed:
                post(made, rules)
            else:
                assert code_of(made, rules) == "unknown-account"


def test_two_charts_do_not_remember_for_each_other() -> None:
    post(simple(), PostingRules())

    assert code_of(simple(), PostingRules(chart=Chart(accounts=("bank",)))) == "unknown-account"


def test_a_chart_knows_its_books() -> None:
    rules = PostingRules(chart=Chart(books=("main", "tax")))

    assert post(simple(book="tax"), rules).book == "tax"
    assert code_of(simple(book="cash"), rules) == "unknown-book"


def test_the_smallest_date_can_be_given() -> None:
    assert post(simple(effective=dt.date(1, 1, 1)), RULES).effective == dt.date(1, 1, 1)
    assert code_of(Entry(simple().lines)) == "invalid-entry"
