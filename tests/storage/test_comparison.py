"""Two runs, and two attempts, compared on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storno.storage.queries import comparison
from storno.storage.queries.comparison import Side, key_differences, posted_totals
from storno.storage.store import Store

from .planted import Planted, entry
from .writing import append

JANUARY, OTHER = "rents/2026-01", "pay/2026-01"


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    """A run in two attempts, of which the second posts A1 anew; and one of another job like it."""
    history = Planted()
    history.start(JANUARY, "ada")
    history.chunk(JANUARY, {"A1": entry(100, "2026-01-01"), "A2": entry(200, "2026-01-01")})
    history.chunk(JANUARY, {"B/1": entry(5, "2026-01-01"), "X": "no amount"})
    history.request("R-1", JANUARY, "ada", 100)
    history.take_back("R-1", JANUARY, "dan", {"A1": entry(100, "2026-01-01", red=True)})
    history.start(JANUARY, "ben", again="another amount")
    history.chunk(JANUARY, {"A1": entry(150, "2026-01-02")})
    history.chunk(JANUARY, {"X": entry(7, "2026-01-01", currency="GBP")}, retried_by="eva")
    history.request("R-2", JANUARY, "ada", 200)
    history.take_back("R-2", JANUARY, "dan", {"A2": entry(200, "2026-01-01", red=True)})
    history.start(OTHER, "ada")
    history.chunk(
        OTHER,
        {
            "A1": entry(150, "2026-03-01"),  # other days, the same amount
            "B/1": entry(6, "2026-01-01"),
            "Z": entry(9, "2026-01-01"),
            "X": entry(7, "2026-01-01", currency="GBP", book="group"),
        },
    )
    store = Store.open(made_url)
    append(store, history.commits)
    yield store
    store.close()


def balances(store: Store, side: Side) -> dict[tuple[str, str, str], int]:
    return {
        (book, account, currency): debit - credit
        for (book, account, currency, _), (debit, credit) in posted_totals(store, side).items()
        if debit != credit
    }


def differing(store: Store, first: Side, second: Side) -> list[tuple[str, int | None, int | None]]:
    def rent(amounts: comparison.Amounts | None) -> int | None:
        return None if amounts is None else {unit[1]: minor for unit, minor in amounts}["rent"]

    return [
        (each.key, rent(each.first), rent(each.second))
        for each in key_differences(store, first, second)
    ]


def test_a_run_is_what_stands_of_it(store: Store) -> None:
    assert balances(store, Side(JANUARY)) == {
        ("main", "rent", "EUR"): 155,
        ("main", "bank", "EUR"): -155,
        ("main", "rent", "GBP"): 7,
        ("main", "bank", "GBP"): -7,
    }
    assert differing(store, Side(JANUARY), Side(OTHER)) == [
        ("B/1", 5, 6),
        ("X", 7, 7),
        ("Z", None, 9),
    ]
    assert differing(store, Side(OTHER), Side(JANUARY)) == [
        ("B/1", 6, 5),
        ("X", 7, 7),
        ("Z", 9, None),
    ]


def test_an_attempt_is_what_it_posted(store: Store) -> None:
    first, second = Side(JANUARY, 1), Side(JANUARY, 2)
    assert balances(store, first)["main", "rent", "EUR"] == 305
    assert balances(store, second)["main", "rent", "EUR"] == 150
    assert differing(store, first, second) == [
        ("A1", 100, 150),
        ("A2", 200, None),
        ("B/1", 5, None),
        ("X", None, 7),
    ]


def test_what_is_compared_with_itself_agrees(store: Store) -> None:
    for side in (Side(JANUARY), Side(OTHER), Side(JANUARY, 2)):
        assert differing(store, side, side) == []


def test_amounts_are_debits_less_credits(store: Store) -> None:
    *_, last = key_differences(store, Side(JANUARY), Side(OTHER))
    assert last.second == ((("main", "bank", "EUR", 2), -9), (("main", "rent", "EUR", 2), 9))


def test_a_side_that_posted_nothing(store: Store) -> None:
    nothing = Side("rents/2026-13")
    assert posted_totals(store, nothing) == {}
    assert [key for key, *_ in differing(store, nothing, Side(JANUARY))] == ["A1", "B/1", "X"]


def test_sides_of_many_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = differing(store, Side(JANUARY), Side(OTHER))
    monkeypatch.setattr(comparison, "ROWS_AT_ONCE", 1)
    assert differing(store, Side(JANUARY), Side(OTHER)) == whole
