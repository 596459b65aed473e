"""Movements: what entries of any headings, in any order, add up to."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.postings import Posting
from storno.projections import ledger
from storno.projections.changes import Movements
from storno.projections.project import project

from .histories import History
from .histories import Posting as Sample

DAYS = st.sampled_from([dt.date(1, 1, 1), dt.date(2024, 1, 31), dt.date(2024, 2, 1)])

LINES = st.builds(
    PostedLine,
    account=st.sampled_from(["cash", "rent"]),
    side=st.sampled_from(["D", "C"]),
    minor=st.integers(-3, 3),
    currency=st.sampled_from(["", "EUR", "JPY"]),
    exponent=st.sampled_from([0, 2]),
)

ENTRIES = st.builds(
    PostedEntry,
    book=st.sampled_from(["", "main", "tax"]),
    effective=DAYS,
    posting=DAYS,
    lines=st.lists(LINES, max_size=4).map(tuple),
)

EVENTS = st.lists(st.builds(Posting, st.lists(ENTRIES, max_size=2).map(tuple)), max_size=12)


def one_by_one(movements: Movements) -> list[tuple[Any, ...]]:
    return [
        (*heading, account, *amounts)
        for heading, sums in movements.items()
        for account, *amounts in sums.rows()
    ]


@given(EVENTS, EVENTS)
def test_every_line_is_added_under_what_it_says(before: list[Posting], events: list[Posting]):
    sums: dict[str, Counter[tuple[Any, ...]]] = {"D": Counter(), "C": Counter(), "": Counter()}
    for event in (*before, *events):
        for entry in event.entries:
            for line in entry.lines:
                unit = (line.currency, line.exponent, entry.posting, entry.effective)
                key = (entry.book, *unit, line.account)
                sums[line.side][key] += line.minor
                sums[""][key] += 1
    movements: Movements = {}
    ledger.fold(movements, before)
    ledger.fold(movements, events)
    assert sorted(one_by_one(movements)) == sorted(
        (*key, sums["D"][key], sums["C"][key], count) for key, count in sums[""].items()
    )
    assert ledger.months(movements) == {
        (book, posting.year, posting.month) for book, _, _, posting, _, _ in sums[""]
    }


def test_what_was_summed_up_before_is_added_and_left_as_it_is():
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", [Sample.sample()] * 2)
    commit = history.commits[-1]
    bulk = project(commit).movements
    kept = copy.deepcopy(bulk)
    twice = project(commit, bulk).movements
    assert bulk == kept
    assert one_by_one(twice) == [
        (*key, 2 * debit, 2 * credit, 2 * lines) for *key, debit, credit, lines in one_by_one(kept)
    ]
