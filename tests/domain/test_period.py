"""Accounting periods: their names, what closes them, and where a closed month sends a posting."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.entry import (
    ClosedPeriod,
    Entry,
    EntryError,
    PostingRules,
    credit,
    debit,
    post,
    post_anew,
)
from storno.domain.errors import NotAllowedError, UsageError
from storno.domain.events import Actor
from storno.domain.period import (
    ALL_OPEN,
    Calendar,
    Period,
    PeriodClosed,
    PeriodReopened,
    PeriodState,
    balance_digest,
    close,
    evolve,
    fiscal_year,
    reopen,
)

ANNA = Actor(name="anna", os_user="anna", host="host")
JANUARY = Period("main", 2026, 1)
CLOSED = PeriodState(1, PeriodClosed(actor=ANNA, digest="d"))
DAY = dt.date(2026, 1, 15)

periods = st.builds(
    Period,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.integers(1, 9999),
    st.integers(1, 12),
)


def closed(*months: str, book: str = "main") -> Calendar:
    return Calendar({Period.parse(book, month): CLOSED for month in months})


@given(periods)
def test_a_period_is_read_from_its_stream(period: Period) -> None:
    assert Period.of_stream(period.stream) == period
    assert Period.parse(period.book, str(period)) == period


@given(periods)
def test_its_days_are_those_of_its_month(period: Period) -> None:
    assert Period.of(period.book, period.first_day) == period
    assert Period.of(period.book, period.last_day) == period
    if period.last_day < dt.date.max:
        assert period.following.first_day == period.last_day + dt.timedelta(days=1)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "0000-01", "2026-1", "26-01", "", "2026"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write YYYY-MM"):
        Period.parse("main", text)


def test_an_open_month_is_closed_with_its_digest_and_reason() -> None:
    [event] = close(JANUARY, PeriodState(), ANNA, digest="d", reason="filed")

    assert event == PeriodClosed(actor=ANNA, digest="d", reason="filed")
    assert isinstance(event, PeriodClosed)
    assert evolve(PeriodState(), event) == PeriodState(1, event)


def test_a_closed_month_is_closed_by_nothing() -> None:
    assert close(JANUARY, CLOSED, ANNA, digest="e", obstacles=("x",)) == ()


def test_what_stands_in_the_way_is_named() -> None:
    with pytest.raises(NotAllowedError, match=r"2026-01 of book main .*run a is stopped; run b"):
        close(JANUARY, PeriodState(), ANNA, digest="d", obstacles=("run a is stopped", "run b"))


def test_a_forced_close_records_what_stood_in_the_way() -> None:
    [event] = close(
        JANUARY, PeriodState(), ANNA, digest="d", reason="due", obstacles=("a", "b"), forced=True
    )

    assert event == PeriodClosed(actor=ANNA, digest="d", reason="due", forced="a; b")


@pytest.mark.parametrize("reason", ["", "  "])
def test_force_and_reopening_need_a_reason(reason: str) -> None:
    with pytest.raises(UsageError, match="--reason"):
        close(JANUARY, PeriodState(), ANNA, digest="d", reason=reason, forced=True)
    with pytest.raises(UsageError, match="--reason"):
        reopen(JANUARY, CLOSED, ANNA, reason)


def test_only_a_closed_month_is_reopened() -> None:
    [event] = reopen(JANUARY, CLOSED, ANNA, "late invoice")

    assert event == PeriodReopened(actor=ANNA, reason="late invoice")
    assert evolve(CLOSED, event) == PeriodState(2, None)
    with pytest.raises(NotAllowedError, match="2026-01 of book main is open"):
        reopen(JANUARY, PeriodState(), ANNA, "late invoice")


@pytest.mark.parametrize(
    ("day", "begins", "year"),
    [
        ("2026-01-01", 1, 2026),
        ("2026-12-31", 1, 2026),
        ("2026-03-31", 4, 2025),
        ("2026-04-01", 4, 2026),
        ("2026-12-01", 12, 2026),
        ("0001-01-01", 2, 0),
    ],
)
def test_a_fiscal_year_is_named_by_the_year_in_which_it_begins(
    day: str, begins: int, year: int
) -> None:
    assert fiscal_year(dt.date.fromisoformat(day), begins) == year


def test_the_digest_is_of_these_bytes() -> None:
    """The bytes that the docs give, so that anybody can compute it."""
    rows = [("rent", "EUR", 2, 12500, 0), ("Büro", "EUR", 2, 10**30, 0), ("bank", "JPY", 0, 0, 7)]
    text = (
        '[["Büro","EUR",2,1000000000000000000000000000000,0],'
        '["bank","JPY",0,0,7],["rent","EUR",2,12500,0]]'
    )

    assert balance_digest(rows) == hashlib.sha256(text.encode()).hexdigest()
    assert balance_digest(reversed(rows)) == balance_digest(rows)
    assert balance_digest([]) == hashlib.sha256(b"[]").hexdigest()


def test_the_next_open_day_is_the_first_of_the_next_open_month() -> None:
    calendar = closed("2026-01", "2026-02", "2026-12", "2027-01")

    assert calendar.next_open_day("main", DAY) == dt.date(2026, 3, 1)
    assert calendar.next_open_day("main", dt.date(2026, 12, 31)) == dt.date(2027, 2, 1)
    assert calendar.next_open_day("main", dt.date(2025, 12, 31)) == dt.date(2025, 12, 31)
    assert calendar.next_open_day("tax", DAY) == DAY
    assert closed("9999-12").next_open_day("main", dt.date.max) is None


def test_postings_rest_on_the_versions_of_their_months() -> None:
    reopened = PeriodState(2, None)
    calendar = Calendar({JANUARY: CLOSED, Period("a/b", 2026, 1): reopened})

    assert calendar.expectation("main", DAY) == ("period/main/2026-01", 1)
    assert calendar.expectations({("a/b", 2026, 1), ("main", 2026, 2)}) == {
        "period/a%2Fb/2026-01": 2,
        "period/main/2026-02": 0,
    }


# What becomes of an entry.


def rules(calendar: Calendar, closed_period: ClosedPeriod = ClosedPeriod.REFUSE) -> PostingRules:
    return PostingRules(closed_period=closed_period, calendar=calendar)


def entry(**fields: object) -> Entry:
    lines = [debit("rent", Decimal(1), "EUR"), credit("bank", Decimal(1), "EUR")]
    return Entry(lines, **({"effective": DAY} | fields))  # type: ignore[arg-type]


def test_an_entry_in_a_closed_month_is_refused() -> None:
    with pytest.raises(EntryError, match="2026-01-15 is in 2026-01 of book main") as error:
        post(entry(), rules(closed("2026-01")))

    assert error.value.code == "period-closed"


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param({"posting": dt.date(2026, 2, 1)}, id="the posting date decides"),
        pytest.param({"book": "tax"}, id="another book"),
    ],
)
def test_an_entry_elsewhere_is_not(elsewhere: dict[str, object]) -> None:
    posted = post(entry(**elsewhere), rules(closed("2026-01")))

    assert posted.effective == DAY
    assert posted.posting == elsewhere.get("posting", DAY)


def test_an_entry_moves_where_the_job_says_so() -> None:
    posted = post(entry(), rules(closed("2026-01"), ClosedPeriod.NEXT_OPEN))

    assert (posted.posting, posted.effective) == (dt.date(2026, 2, 1), DAY)


def test_an_entry_with_nowhere_to_move_is_refused() -> None:
    with pytest.raises(EntryError, match="every period after it") as error:
        post(entry(effective=dt.date.max), rules(closed("9999-12"), ClosedPeriod.NEXT_OPEN))

    assert error.value.code == "period-closed"


def test_what_else_is_wrong_with_an_entry_comes_first() -> None:
    wrong = Entry([debit("rent", Decimal(1), "EUR")], effective=DAY)

    with pytest.raises(EntryError) as error:
        post(wrong, rules(closed("2026-01")))

    assert error.value.code == "unbalanced-entry"


def test_a_posted_entry_goes_by_the_calendar_of_later() -> None:
    posted = post(entry(), rules(ALL_OPEN))

    assert post_anew(posted, rules(closed("2026-02"))) is posted
    moved = post_anew(posted, rules(closed("2026-01"), ClosedPeriod.NEXT_OPEN))
    assert (moved.posting, moved.effective, moved.lines) == (
        dt.date(2026, 2, 1),
        DAY,
        posted.lines,
    )
    with pytest.raises(EntryError):
        post_anew(posted, rules(closed("2026-01")))
