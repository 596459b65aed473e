"""What takes an entry back: both forms, and when it is posted."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.compensations.entries import Dates, reversing
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.period import ALL_OPEN

from ..domain.strategies import ENTRIES
from ..domain.test_calendar import calendar, day

FORMS = st.sampled_from(["black", "red"])
Account = tuple[str, str, str, int]


def balances(entries: Iterable[PostedEntry]) -> dict[Account, int]:
    """Debit minus credit of each account, without empty ones."""
    sums: Counter[Account] = Counter()
    for (*account, side), minor in turnover(entries).items():
        sums[tuple(account)] += minor if side == "D" else -minor  # type: ignore[index]
    return {account: minor for account, minor in sums.items() if minor}


def turnover(entries: Iterable[PostedEntry]) -> dict[tuple[str, str, str, int, str], int]:
    """The gross sum of each side of each account, without empty ones."""
    sums: Counter[tuple[str, str, str, int, str]] = Counter()
    for entry in entries:
        for line in entry.lines:
            sums[entry.book, line.account, line.currency, line.exponent, line.side] += line.minor
    return {side: minor for side, minor in sums.items() if minor}


@given(ENTRIES, FORMS, st.dates())
def test_either_form_brings_every_balance_to_zero(
    entry: PostedEntry, form: str, posting: dt.date
) -> None:
    assert balances([entry, reversing(entry, form, posting)]) == {}  # type: ignore[arg-type]


@given(ENTRIES, st.dates())
def test_red_restores_turnover(entry: PostedEntry, posting: dt.date) -> None:
    """accounting-rules, 2: black moves both sides, red takes the turnover back."""
    assert turnover([entry, reversing(entry, "red", posting)]) == {}


@given(ENTRIES, st.dates())
def test_black_moves_the_other_side_by_as_much(entry: PostedEntry, posting: dt.date) -> None:
    swapped = {
        (*account, "C" if side == "D" else "D"): minor
        for (*account, side), minor in turnover([entry]).items()
    }
    assert turnover([reversing(entry, "black", posting)]) == swapped


@given(ENTRIES, FORMS, st.dates())
def test_what_else_an_entry_says_stays(entry: PostedEntry, form: str, posting: dt.date) -> None:
    """accounting-rules, 6: line by line, at the original's amounts; only the posting date is of
    the reversal."""
    back = reversing(entry, form, posting)  # type: ignore[arg-type]

    assert (back.book, back.effective, back.text) == (entry.book, entry.effective, entry.text)
    assert back.posting == posting
    assert [amounts(line) for line in back.lines] == [amounts(line) for line in entry.lines]


def amounts(line: PostedLine) -> tuple[str, int, str, int]:
    """What is the same in either form."""
    return line.account, abs(line.minor), line.currency, line.exponent


def test_the_two_forms_of_an_entry() -> None:
    lines = (PostedLine("rent", "D", 125, "EUR", 2), PostedLine("bank", "C", 125, "EUR", 2))
    entry = PostedEntry("main", day("2026-01-31"), day("2026-02-01"), lines, "January's rent")

    black = reversing(entry, "black", day("2026-03-01"))
    red = reversing(entry, "red", day("2026-03-01"))

    assert [(line.account, line.side, line.minor) for line in black.lines] == [
        ("rent", "C", 125),
        ("bank", "D", 125),
    ]
    assert [(line.account, line.side, line.minor) for line in red.lines] == [
        ("rent", "D", -125),
        ("bank", "C", -125),
    ]


@pytest.mark.parametrize(
    ("closed", "posting", "named", "expected"),
    [
        pytest.param((), "2026-01-15", None, "2026-01-15", id="open: the original's date"),
        pytest.param(("2026-01",), "2026-01-15", None, "2026-02-01", id="the next open month"),
        pytest.param(("2025-12",), "2026-01-15", None, "2026-01-15", id="one before is closed"),
        pytest.param(
            ("2025-11", "2025-12", "2026-01"), "2025-11-30", None, "2026-02-01", id="over a year"
        ),
        pytest.param((), "2026-01-15", "2026-03-10", "2026-03-10", id="named"),
        pytest.param(("2026-01",), "2026-01-15", "2026-03-10", "2026-03-10", id="named, closed"),
        pytest.param(("2026-03",), "2026-01-15", "2026-03-10", None, id="into a closed one"),
        pytest.param(("9999-12",), "9999-12-15", None, None, id="none is open"),
    ],
)  # fmt: skip
def test_when_it_is_posted(
    closed: tuple[str, ...], posting: str, named: str | None, expected: str | None
) -> None:
    """accounting-rules, 3: the lock is checked against the reversal's date, not the original's."""
    dates = Dates(calendar(*closed), None if named is None else day(named))

    for _ in range(2):  # decided once, and remembered
        assert dates.of("main", day(posting)) == (None if expected is None else day(expected))


def test_each_book_has_its_own_periods() -> None:
    dates = Dates(calendar("2026-01", book="tax"), None)

    assert dates.of("main", day("2026-01-15")) == day("2026-01-15")
    assert dates.of("tax", day("2026-01-15")) == day("2026-02-01")


@given(st.dates())
def test_where_all_is_open_every_date_stays(date: dt.date) -> None:
    assert Dates(ALL_OPEN, None).of("main", date) == date
