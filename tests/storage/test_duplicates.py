"""The same posting under another key, on every database: found, and near misses are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storno.storage.queries import duplicates as searched
from storno.storage.queries.duplicates import duplicates
from storno.storage.queries.entries import Chosen
from storno.storage.queries.scan import Span, recorded_between
from storno.storage.store import Store

from .planted import Planted, entry
from .writing import append

JANUARY, AGAIN, PAY = "rents/2026-01", "rents/2026-01b", "pay/2026-01"
DAY = "2026-01-10"


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    history = Planted()
    history.start(JANUARY, "ada")
    history.chunk(
        JANUARY,
        {
            "A1": entry(500, DAY),
            "A2": entry(501, DAY),  # a cent more
            "A3": entry(500, "2026-01-11"),  # a day later
            "A4": entry(500, DAY, currency="GBP"),
            "A5": entry(500, DAY, book="group"),
            "A6": entry(500, DAY, red=True),  # the other way round
            "A7": entry(700, DAY),
            "A8": entry(800, DAY),
        },
    )
    history.start(PAY, "ben")
    history.chunk(PAY, {"A1": entry(500, DAY)})  # another job's
    history.request("R-1", JANUARY, "ada", 700)
    history.take_back("R-1", JANUARY, "dan", {"A7": entry(700, DAY, red=True)})
    history.start(JANUARY, "ada", again="wrong house")
    history.chunk(JANUARY, {"A7": entry(700, DAY)})  # the same key, anew
    history.start(AGAIN, "eva")
    history.chunk(
        AGAIN,
        {
            "B1": entry(500, DAY, "2026-02-01", text="in other words"),
            "B7": entry(700, DAY),
            "B8": entry(800, DAY),
            "C8": entry(800, DAY),
        },
    )
    history.request("R-2", AGAIN, "ada", 800)
    history.take_back("R-2", AGAIN, "dan", {"B8": entry(800, DAY, red=True)})
    store = Store.open(made_url)
    append(store, history.commits)
    yield store
    store.close()


def found(store: Store, **chosen: str) -> list[tuple[str, str]]:
    whole = Chosen(recorded_between(store), **chosen)
    return [(each.first.key, each.again.key) for each in duplicates(store, whole)]


def test_what_moves_the_same_is_found_beside_the_last_before_it(store: Store) -> None:
    assert found(store) == [("A1", "B1"), ("A7", "B7"), ("A8", "B8"), ("B8", "C8")]


def test_who_looks_for_one_run_or_person_looks_at_the_later_posting(store: Store) -> None:
    assert len(found(store, run=AGAIN)) == len(found(store, actor="eva")) == 4
    assert found(store, run=JANUARY) == found(store, actor="ada") == found(store, job="pay") == []


def test_what_was_recorded_before_a_time_is_compared_and_not_reported(store: Store) -> None:
    whole = list(duplicates(store, Chosen(Span(0, 10**6))))
    first, *_, last = (each.again.recorded.position for each in whole)
    assert list(duplicates(store, Chosen(Span(first - 1, 10**6)))) == whole
    assert list(duplicates(store, Chosen(Span(first, 10**6)))) == whole[1:]
    assert list(duplicates(store, Chosen(Span(0, last - 1)))) == whole[:-1]
    assert list(duplicates(store, Chosen(Span(last, 10**6)))) == []


def test_what_was_taken_back_since_names_the_reversal(store: Store) -> None:
    by_key = {each.again.key: each for each in duplicates(store, Chosen(recorded_between(store)))}
    assert by_key["B7"].first_reversed_by is None, "what was posted anew stands"
    assert (by_key["B8"].first_reversed_by, by_key["B8"].again_reversed_by) == (None, "R-2")
    assert (by_key["C8"].first_reversed_by, by_key["C8"].again_reversed_by) == ("R-2", None)


def test_postings_that_only_share_a_slot_are_no_duplicates(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = found(store)
    monkeypatch.setattr(searched, "SLOTS", 8)
    assert found(store) == whole
