"""The calendar: months of books, and where a date moves that meets a closed one."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain import period as periods
from storno.domain.errors import UsageError
from storno.domain.events import Actor, Event
from storno.domain.period import (
    ALL_OPEN,
    Calendar,
    Period,
    PeriodClosed,
    PeriodReopened,
    PeriodState,
)

from .strategies import ANY_EVENT, TEXTS

ANNA = Actor(name="anna", os_user="anna", host="host")
OPEN = PeriodState()
CLOSED = periods.evolve(OPEN, PeriodClosed(actor=ANNA, digest="1f0c"))
REOPENED = periods.evolve(CLOSED, PeriodReopened(actor=ANNA, reason="late"))

MONTHS = st.builds(Period, book=TEXTS, year=st.integers(1, 9999), month=st.integers(1, 12))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def calendar(*months: str, book: str = "main") -> Calendar:
    """The months that are closed."""
    return Calendar({Period.parse(book, month): CLOSED for month in months})


@given(MONTHS)
def test_any_month_of_any_book_is_read_from_its_stream(period: Period) -> None:
    assert Period.of_stream(period.stream) == period
    assert Period.parse(period.book, str(period)) == period
    assert period.stream.startswith(periods.PERIODS)
    assert period.stream.count("/") == 2


@given(MONTHS, MONTHS)
def test_two_months_never_share_a_stream(one: Period, other: Period) -> None:
    assert (one.stream == other.stream) == (one == other)


@pytest.mark.parametrize(
    ("book", "stream"),
    [
        ("main", "period/main/2026-01"),
        ("", "period//2026-01"),
        ("a/b", "period/a%2Fb/2026-01"),
        ("100%", "period/100%25/2026-01"),
        ("~x", "period/%7Ex/2026-01"),
        ("zwei Bücher", "period/zwei Bücher/2026-01"),
        ("2026-01", "period/2026-01/2026-01"),
        ("line\nbreak\0", "period/line%0Abreak%00/2026-01"),
    ],
)
def test_the_stream_of_an_odd_book(book: str, stream: str) -> None:
    period = Period(book, 2026, 1)

    assert period.stream == stream
    assert Period.of_stream(stream) == period


@pytest.mark.parametrize(
    "text",
    [
        "", "2026", "2026-1", "2026-00", "2026-13", "2026-01-01", "0000-01", "26-01", " 2026-01",
        "2026-01\n", "-2026-01", "2026/01", "10000-01", "\uff12\uff10\uff12\uff16-\uff10\uff11",
    ],
)  # fmt: skip
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write YYYY-MM"):
        Period.parse("main", text)


def test_a_book_whose_name_fits_no_stream_is_refused() -> None:
    assert Period.parse("b" * 1009, "2026-01").stream.endswith("b/2026-01")
    with pytest.raises(UsageError, match="too long"):
        Period.parse("b" * 1010, "2026-01")
    with pytest.raises(UsageError, match="too long"):
        Period.parse("\N{EURO SIGN}" * 400, "2026-01")


@given(st.dates())
def test_every_day_is_in_one_month(when: dt.date) -> None:
    period = Period.of("main", when)

    assert period.first_day <= when
    if str(period) < "9999-12":
        assert when < period.following.first_day


def test_months_follow_each_other_over_the_year() -> None:
    assert str(Period("main", 2025, 12).following) == "2026-01"
    assert str(Period("main", 2026, 1).following) == "2026-02"
    assert Period("main", 2025, 12) < Period("main", 2026, 1)
    assert Period("main", 2026, 2).first_day == day("2026-02-01")


@pytest.mark.parametrize(
    ("closed", "when", "moved"),
    [
        ((), "2026-01-31", "2026-01-31"),
        (("2026-01",), "2026-01-31", "2026-02-01"),
        (("2026-01",), "2025-12-31", "2025-12-31"),
        (("2026-01",), "2026-02-01", "2026-02-01"),
        (("2025-11", "2025-12", "2026-01"), "2025-11-30", "2026-02-01"),
        (("2025-11", "2026-01"), "2025-11-30", "2025-12-01"),
        (("2024-02",), "2024-02-29", "2024-03-01"),
        (("9999-11",), "9999-11-30", "9999-12-01"),
        (("9999-11", "9999-12"), "9999-11-30", None),
        (("9999-12",), "9999-12-31", None),
    ],
)
def test_where_a_date_moves(closed: tuple[str, ...], when: str, moved: str | None) -> None:
    found = calendar(*closed).next_open_day("main", day(when))

    assert found == (day(moved) if moved else None)


CLOSED_MONTHS = st.sets(
    st.builds(Period, st.sampled_from(["main", "tax"]), st.just(2025), st.integers(9, 12))
    | st.builds(Period, st.just("main"), st.just(9999), st.integers(9, 12))
)
DAYS = st.dates(day("2025-08-01"), day("2026-02-01")) | st.dates(day("9999-08-01"))


@given(CLOSED_MONTHS, DAYS)
def test_a_date_moves_to_the_first_open_day_not_before_it(
    closed: set[Period], when: dt.date
) -> None:
    books = Calendar(dict.fromkeys(closed, CLOSED))
    moved = books.next_open_day("main", when)

    if moved is None:
        assert Period("main", 9999, 12) in closed
        return
    assert not books.is_closed("main", moved)
    if not books.is_closed("main", when):
        assert moved == when
        return
    assert moved > when
    assert moved.day == 1
    between = (when + dt.timedelta(days) for days in range((moved - when).days))
    assert all(books.is_closed("main", each) for each in between)


def test_books_are_closed_one_by_one() -> None:
    books = calendar("2026-01", book="tax")

    assert books.is_closed("tax", day("2026-01-15"))
    assert not books.is_closed("main", day("2026-01-15"))
    assert not ALL_OPEN.is_closed("tax", day("2026-01-15"))


def test_what_a_posting_rests_on() -> None:
    month = Period("main", 2026, 1)
    books = Calendar({month: REOPENED})

    assert books.expectation("main", day("2026-01-31")) == ("period/main/2026-01", 2)
    assert books.expectation("main", day("2026-02-01")) == ("period/main/2026-02", 0)
    assert not books.is_closed("main", day("2026-01-31"))
    assert books.next_open_day("main", day("2026-01-31")) == day("2026-01-31")


@given(st.lists(ANY_EVENT, max_size=6))
def test_the_fold_takes_any_event_and_counts_it(events: list[Event]) -> None:
    state = OPEN
    for event in events:
        state = periods.evolve(state, event)

    assert state.version == len(events)
