"""The plan: what it counts, and when its digest says that it is another one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.compensations.entries import reversing
from storno.compensations.plan import BLOCKERS_NAMED, Dated, Move, Plan, Request
from storno.compensations.scope import Condition, Scope
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.period import ALL_OPEN, Calendar
from storno.domain.reversal import NetLine

from ..domain.strategies import ENTRIES
from ..domain.test_calendar import calendar, day
from .test_entries import turnover

REQUEST = Request("payments/2026-01", Scope())
JANUARY = day("2026-01-15")


def entry(minor: int = 125, posting: dt.date = JANUARY, book: str = "main") -> PostedEntry:
    lines = (PostedLine("rent", "D", minor, "EUR", 2), PostedLine("bank", "C", minor, "EUR", 2))
    return PostedEntry(book, posting, posting, lines)


def planned(
    *records: str,
    request: Request = REQUEST,
    closed: Calendar = ALL_OPEN,
    entries: tuple[PostedEntry, ...] = (entry(),),
    version: int = 1,
) -> Plan:
    plan = Plan(request, closed)
    for record in records:
        if plan.add(f"record/payments/{record}", version, record, entries):
            plan.add_net(entries)
    return plan


OTHERS: dict[str, Callable[[], Plan]] = {
    "another record": lambda: planned("a", "c"),
    "one more": lambda: planned("a", "b", "c"),
    "one less": lambda: planned("a"),
    "another order": lambda: planned("b", "a"),
    "posted anew meanwhile": lambda: planned("a", "b", version=3),
    "its period was closed": lambda: planned("a", "b", closed=calendar("2026-01")),
    "another form": lambda: planned("a", "b", request=REQUEST._replace(form="red")),
    "a named date": lambda: planned("a", "b", request=REQUEST._replace(date=JANUARY)),
    "another run": lambda: planned("a", "b", request=REQUEST._replace(run="payments/2026-02")),
    "another scope": lambda: planned("a", "b", request=REQUEST._replace(scope=Scope(keys=("a",)))),
    "a condition": lambda: planned(
        "a", "b", request=REQUEST._replace(scope=Scope(where=(Condition.parse("a=b"),)))
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_changes_the_effect_changes_the_digest(other: Callable[[], Plan]) -> None:
    """accounting-rules, 10: the plan that is approved is the plan that is executed."""
    assert other().digest != planned("a", "b").digest


def test_what_is_blocked_and_why_is_part_of_it() -> None:
    digests = set()
    for why in ("irreversible: cash", "already-reversed: by reversal R-1"):
        plan = planned("a")
        plan.block("record/payments/b", 1, "b", why)
        digests.add(plan.digest)

    assert len(digests | {planned("a", "b").digest, planned("a").digest}) == 4


def test_which_of_two_entries_is_moved_makes_a_difference() -> None:
    both = (entry(book="main"), entry(book="tax"))
    digests = {
        planned("a", entries=both, closed=calendar("2026-01", book=book)).digest
        for book in ("main", "tax")
    }

    assert len(digests) == 2


def test_an_amount_is_part_of_it_by_the_version_of_its_posting() -> None:
    """A posting is never edited: what names it names its amounts."""
    assert planned("a", entries=(entry(1),)).digest == planned("a", entries=(entry(2),)).digest


@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=30), st.lists(ENTRIES, max_size=2))
def test_the_digest_is_the_same_in_haste(records: list[str], entries: list[PostedEntry]) -> None:
    """With the dates alone, and asked for in between."""
    whole = Plan(REQUEST, calendar("2026-01"))
    hasty = Plan(REQUEST, calendar("2026-01"))
    for record in records:
        for plan, made in (
            (whole, entries),
            (hasty, [Dated(each.book, each.posting) for each in entries]),
        ):
            plan.add(record, 1, record, made)
        assert hasty.digest

    assert whole.digest == hasty.digest
    assert whole.reversible == hasty.reversible == len(records)


@given(st.lists(ENTRIES, max_size=5), st.sampled_from(["black", "red"]))
def test_the_net_effect_is_that_of_the_reversing_entries(
    entries: list[PostedEntry], form: Any
) -> None:
    plan = Plan(REQUEST._replace(form=form), ALL_OPEN)
    plan.add_net(entries)
    sides = turnover([reversing(each, form, JANUARY) for each in entries])

    for line in plan.net_lines():
        place = (line.book, line.account, line.currency, line.exponent)
        assert (line.debit, line.credit) == (
            sides.get((*place, "D"), 0),
            sides.get((*place, "C"), 0),
        )
    places = [(line.book, line.account, line.currency) for line in plan.net_lines()]
    assert places == sorted(places)


def test_black_and_red() -> None:
    black = planned("a", "b")
    red = planned("a", "b", request=REQUEST._replace(form="red"))

    assert black.net_lines() == (
        NetLine("main", "bank", "EUR", 2, 250, 0),
        NetLine("main", "rent", "EUR", 2, 0, 250),
    )
    assert red.net_lines() == (
        NetLine("main", "bank", "EUR", 2, 0, -250),
        NetLine("main", "rent", "EUR", 2, -250, 0),
    )
    assert black.debits() == red.debits() == {"EUR": (250, 2)}


def test_entries_that_are_moved_are_counted() -> None:
    december = entry(posting=day("2025-12-31"))
    plan = planned("a", "b", entries=(december, entry()), closed=calendar("2025-12"))

    assert plan.moves == {Move("main", "2025-12", day("2026-01-01")): 2}
    assert plan.other_years == 2
    assert (plan.reversible, plan.blocked) == (2, 0)


def test_a_named_date_moves_all_that_is_not_of_that_day() -> None:
    request = REQUEST._replace(date=day("2026-03-10"))
    plan = planned("a", request=request, entries=(entry(), entry(posting=day("2026-03-10"))))

    assert plan.moves == {Move("main", "2026-01", day("2026-03-10")): 1}
    assert plan.other_years == 0


@pytest.mark.parametrize(
    ("request_", "closed", "entries", "why"),
    [
        (
            REQUEST._replace(date=day("2026-03-10")),
            calendar("2026-03"),
            (entry(),),
            "period-closed: 2026-03 of book main is closed",
        ),
        (
            REQUEST,
            calendar("9999-12"),
            (entry(), entry(posting=day("9999-12-31"))),
            "period-closed: 9999-12 of book main is closed and no later one is open",
        ),
    ],
    ids=["named date", "none open"],
)
def test_where_no_period_takes_it_the_record_is_blocked_whole(
    request_: Request, closed: Calendar, entries: tuple[PostedEntry, ...], why: str
) -> None:
    """accounting-rules, 7 and 8: never a part of a record's lines."""
    plan = planned("a", request=request_, closed=closed, entries=entries)

    assert [(each.key, each.why) for each in plan.blockers] == [("a", why)]
    assert (plan.reversible, plan.blocked, plan.net, plan.moves) == (0, 1, {}, {})


def test_a_thousand_blockers_are_named_and_all_are_counted() -> None:
    plan = Plan(REQUEST, ALL_OPEN)
    for number in range(BLOCKERS_NAMED + 5):
        plan.block(f"s{number}", 1, f"{number}", "irreversible: cash")
    last = plan.digest
    plan.block("one more", 1, "x", "irreversible: cash")

    assert (plan.blocked, len(plan.blockers)) == (BLOCKERS_NAMED + 6, BLOCKERS_NAMED)
    assert plan.digest != last
