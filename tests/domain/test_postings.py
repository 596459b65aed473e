"""What a database cuts out of postings is what they post, or cannot be taken for lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storno.domain.codec import encode
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import NO_OUTPUT, RecordSucceeded
from storno.domain.postings import (
    END,
    FIRST_ENTRY,
    FIRST_LINE_BYTES,
    LINES,
    MARK,
    NO_TEXT,
    TEXT,
    AlikePostings,
    Postings,
)

JANUARY, FEBRUARY = dt.date(2024, 1, 31), dt.date(2024, 2, 1)

FALSE = {
    "book": "main",
    "effective": "2024-01-31",
    "posting": "2024-02-01",
    "lines": [["false", "D", 999, "EUR", 2]],
}
"""As an entry begins, but somewhere in a record or an output."""

STRINGS = ["a", '"}]}', ']],"text":', ',"entries":[{"book":', '"', "\\", "\x01", "]],"]

KEYS = st.sampled_from(["a", "entries", "lines", "text", "book", '"}]}', ',"lines":['])


def like_entries(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects and lists, and what begins as an entry does and goes on in any way."""
    text = st.builds(lambda value: {**FALSE, "text": value}, inner)
    lines = st.builds(
        lambda value: {**FALSE, "lines": [[*FALSE["lines"][0], value]], "text": "x"}, inner
    )
    more = st.builds(lambda key, value: {**FALSE, key: value}, KEYS, inner)
    entries = st.lists(text | lines | more | st.just(FALSE), min_size=1, max_size=2)
    holding = st.builds(lambda key, found: {"a": 1, key: found}, KEYS, entries)
    return st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3) | holding


JSON = st.recursive(st.sampled_from([*STRINGS, 1, None, [], [[1]], {}]), like_entries, max_leaves=6)

LINE = st.builds(
    PostedLine,
    account=st.sampled_from([*STRINGS, "cash"]),
    side=st.sampled_from(["D", "C"]),
    minor=st.sampled_from([0, -5, 10**30]),
    currency=st.sampled_from(["EUR", "EUR", "JPY"]),
    exponent=st.just(2),
)

ENTRIES = st.builds(
    PostedEntry,
    book=st.just("main"),
    effective=st.just(JANUARY),
    posting=st.just(FEBRUARY),
    lines=st.lists(LINE, min_size=1, max_size=3).map(tuple),
    text=st.sampled_from(["", *STRINGS]),
)

POSTINGS = st.builds(
    lambda entries, record, output: posting(*entries, record=record, output=output),
    st.tuples(ENTRIES) | st.lists(ENTRIES, max_size=2),
    JSON,
    st.none() | JSON,
)


def posting(*entries: PostedEntry, record: Any = None, output: Any = None) -> RecordSucceeded:
    return RecordSucceeded(
        run="r",
        partition="0",
        chunk="0/00000000",
        attempt=1,
        ordinal=0,
        record=msgspec.Raw(msgspec.json.encode(record)),
        entries=entries,
        output=NO_OUTPUT if output is None else msgspec.Raw(msgspec.json.encode(output)),
    )


def unread() -> Postings:
    raise AssertionError


def cut(states: Sequence[bytes]) -> AlikePostings | None:
    """What a database does, without anything that only spares it work."""
    first = states[0]
    start = first.find(FIRST_ENTRY)
    stop = first.find(LINES, start)
    if min(start, stop) < 0:
        return None
    opening = first[start : stop + len(LINES)]
    if not all(opening in state for state in states):
        return None
    rests = b"".join(state.partition(opening)[2] + MARK for state in states)
    lines = rests.replace(NO_TEXT + MARK, b"],").replace(END + MARK, b"],").replace(TEXT, b",")
    return AlikePostings(opening, b"[" + lines.rstrip(b",") + b"]", unread)


@settings(max_examples=600, deadline=None)
@given(st.lists(POSTINGS, min_size=1, max_size=3))
def test_what_is_decoded_is_what_is_posted(events: list[RecordSucceeded]):
    found = cut([encode(event) for event in events])
    entry = None if found is None else found.entry()
    if found is None or entry is None:
        assert any(
            len(event.entries) != 1 or bytes(event.output) or b"entries" in bytes(event.record)
            for event in events
        )
        return
    assert all(len(event.entries) == 1 for event in events)
    posted = [event.entries[0] for event in events]
    assert entry.lines == tuple(line for each in posted for line in each.lines)
    assert {(each.book, each.effective, each.posting) for each in posted} == {
        (entry.book, entry.effective, entry.posting)
    }
    in_one_unit = found.in_one_unit()
    units = {(line.currency, line.exponent) for line in entry.lines}
    if in_one_unit is None:
        assert len(units) > 1 or "]" in posted[0].lines[0].account + posted[0].text
    else:
        assert units == {(in_one_unit.currency, in_one_unit.exponent)}
        fields = PostedLine.__struct_fields__
        lines = [
            PostedLine(*(getattr(each, name) for name in fields)) for each in in_one_unit.lines
        ]
        assert tuple(lines) == entry.lines
        assert in_one_unit[:3] == (entry.book, entry.effective, entry.posting)


OPENING = b',"entries":[{"book":"b","effective":"2024-01-31","posting":"2024-01-31","lines":['
LISTED = b'[["cash","D",1,"EUR",2]]'


@pytest.mark.parametrize(
    ("opening", "listed"),
    [
        (OPENING.replace(b'"b"', b"1"), LISTED),
        (OPENING.replace(b",", b',"z":[{"a":1,', 2), LISTED),
        (OPENING.replace(b'"b",', b'"b"},{"z":1,'), LISTED),
        (OPENING, LISTED.replace(b"]]", b"]]]")),
        (OPENING, LISTED.replace(b"1", b"1.5")),
        (OPENING, LISTED.replace(b'"D"', b'"X"')),
        (OPENING, LISTED + MARK),
        (OPENING, b""),
    ],
)
def test_what_is_no_entry_is_not_taken_for_one(opening: bytes, listed: bytes):
    found = AlikePostings(OPENING, LISTED, unread)
    entry, in_one_unit = found.entry(), found.in_one_unit()
    assert entry is not None
    assert entry.lines == (PostedLine("cash", "D", 1, "EUR", 2),)
    assert in_one_unit is not None
    assert AlikePostings(opening, listed, unread).entry() is None
    assert AlikePostings(opening, listed, unread).in_one_unit() is None


@pytest.mark.parametrize(
    "line", [b'["cash","D",1,"JPY",2]', b'["cash","D",1,"EUR",3]', b'["cash","D",1]']
)
def test_lines_of_another_unit_are_not_of_this_one(line: bytes):
    listed = LISTED[:-1] + b"," + line + b"]"
    assert AlikePostings(OPENING, listed, unread).in_one_unit() is None


def test_a_line_that_is_longer_than_is_looked_at_is_read_as_any_other():
    listed = LISTED.replace(b"cash", b"a" * FIRST_LINE_BYTES)
    found = AlikePostings(OPENING, listed, unread)
    assert found.in_one_unit() is None
    assert found.entry() is not None
