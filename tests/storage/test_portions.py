"""What is cut out of stored postings moves the ledger as the postings do, whatever they hold."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storno.domain.codec import encode
from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import (
    NO_OUTPUT,
    ChunkCompleted,
    Counts,
    Event,
    RecordReversed,
    RecordSucceeded,
)
from storno.domain.postings import AlikePostings, Postings
from storno.domain.seal import NewEvents
from storno.projections.changes import Changes, Recorded, Resolved
from storno.projections.project import project, project_apart
from storno.storage.log import EventLog
from storno.storage.store import Store
from storno.storage.views.portions import (
    CommitEvents,
    Portion,
    Stretch,
    read_portion,
    stretches,
)
from storno.storage.views.rebuild import rebuild

from ..oracle import assert_views_agree
from .writing import append, sample_history

JANUARY, FEBRUARY = dt.date(2024, 1, 31), dt.date(2024, 2, 1)
PLACE: dict[str, Any] = {"run": "r", "partition": "0", "chunk": "0/00000000", "attempt": 1}

Log = tuple[EventLog, Iterator[int]]


@pytest.fixture
def log(made_url: str) -> Iterator[Log]:
    """A log, and numbers for what is appended to it."""
    store = Store.open(made_url)
    yield store.log, itertools.count()
    store.close()


def entry(
    account: str = "cash",
    minor: int = 125,
    *,
    book: str = "main",
    text: str = "",
    effective: dt.date = JANUARY,
) -> PostedEntry:
    lines = (
        PostedLine(account, "D", minor, "EUR", 2),
        PostedLine("creditors", "C", minor, "EUR", 2),
    )
    return PostedEntry(book, effective, FEBRUARY, lines, text)


def posting(
    *entries: PostedEntry, record: Any = None, output: Any = None, moved_from: str | None = None
) -> RecordSucceeded:
    return RecordSucceeded(
        **PLACE,
        ordinal=0,
        record=msgspec.Raw(msgspec.json.encode(record)),
        entries=entries,
        output=NO_OUTPUT if output is None else msgspec.Raw(msgspec.json.encode(output)),
        moved_from=moved_from,
    )


def read_back(
    log: Log, events: Sequence[Event], chunk: Event | None = None
) -> tuple[CommitEvents, Changes, Changes]:
    """Append a commit: what is read of it, what that changes, and what its events change."""
    where, numbers = log
    recorded = [Recorded(f"record/j/{next(numbers)}", 1, event) for event in events]
    if chunk is not None:
        recorded.append(Recorded("chunk/j/r/keys-1/00000000", 1, chunk))
    rows = [(stream, version, event.TOPIC, encode(event)) for stream, version, event in recorded]
    commit = where.append(NewEvents.of(rows))
    with where.engine.connect() as connection:
        portion = read_portion(
            connection, where.tables, stretches(connection, where.tables, commit.number - 1)
        )
        (read,) = portion.events()
        changes = project_apart(read.others, read.postings)
    return read, changes, project(recorded)


INNER = msgspec.to_builtins(entry("false", 999, text="x"))
"""An entry of a record that is no entry of the event's."""

QUOTED = msgspec.json.encode(posting(entry("false", 999, text="x"))).decode()

RECORDS = [
    None,
    {"entries": [INNER]},
    {"a": 1, "entries": [INNER]},
    {"a": 1, "entries": [INNER], "z": 1},
    {"a": 1, "entries": [msgspec.to_builtins(entry("false", 999))]},
    {"a": [{"b": 1, "entries": [INNER]}]},
    [{"a": 1, "entries": [INNER, INNER]}],
    {"a": QUOTED, ',"entries":[{"book":': QUOTED},
    {"a": '\\",', ',"lines":[': [[]], ']],"text":"': '"}]}'},
    {"a": 1, "entries": [{**INNER, "text": {"k": [[1]], "text": "s"}}]},
    {"a": 1, "entries": [{**INNER, "text": [[{"k": [[1]], "text": [{"l": [{"m": 1}]}]}]]}]},
    {"a": 1, "entries": [{**INNER, "lines": [[*INNER["lines"][0], {"k": [[1]], "text": "s"}]]}]},
    {"a": [[{"b": 1, "entries": [INNER]}]], "text": [{"k": [{"l": 1}]}]},
]

OUTPUTS = [
    *(None, {"a": 1, "entries": [INNER]}, [{"a": "b"}], [{"a": "b"}, {"c": [["d"]]}], QUOTED),
    *([{"c": [["d"]], "text": "e"}], [{"text": [[1]]}], [{"text": {"k": [{"l": 1}]}}]),
]

TEXTS = [
    *("", "office", 'a "quote"', 'ends in "', "ends in \\", '\\"', '"}]}', ']],"text":"', "\n\t"),
    *(',"lines":[["false","D",1,"EUR",2]],"text":"', "Žluťoučký kůň 🐎", QUOTED),
]

NAMES = ["cash", 'c"ash', "a]]b", ']],"text":"', '","D",1,"EUR",2],["', "účet", "back\\slash", ""]

entries = st.builds(
    entry,
    st.sampled_from(NAMES),
    st.sampled_from([0, -5, 10**15, 2**63, -(10**30)]),
    book=st.sampled_from(["main", "main", "main", *NAMES, ',"lines":[']),
    text=st.sampled_from(TEXTS),
    effective=st.sampled_from([JANUARY, JANUARY, FEBRUARY]),
)

successes = st.builds(
    lambda entries, record, output, moved: posting(
        *entries, record=record, output=output, moved_from=moved
    ),
    st.lists(entries, max_size=2) | st.tuples(entries),
    st.sampled_from(RECORDS),
    st.none() | st.sampled_from(OUTPUTS),
    st.sampled_from([None, None, None, "record/j/before"]),
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events=st.lists(successes, min_size=1, max_size=3), times=st.integers(1, 2))
def test_whatever_postings_hold(log: Log, events: list[Event], times: int):
    _, changes, expected = read_back(log, events * times)
    assert changes == expected


ALIKE = {
    "one": [posting(entry(text="office"))],
    "no text": [posting(entry("a")), posting(entry("b", 2**70), record=RECORDS[8])],
    "some with a text": [posting(entry(text="office")), posting(entry("]]", text="\\ ä"))],
    "quoted in the record": [posting(entry(), record=RECORDS[7]), posting(entry("b"))],
    "a book with a quote": [posting(entry(book='b"')), posting(entry("b", book='b"'))],
    "quotes in texts": [posting(entry(text='say "so"')), posting(entry(text='"}]}'))],
    "a second entry in a text that is not the first": [
        posting(entry()),
        posting(entry(text='"},{"book":')),
    ],
}


@pytest.mark.parametrize("case", ALIKE)
def test_of_postings_that_are_alike_the_lines_are_read(log: Log, case: str):
    read, changes, expected = read_back(log, ALIKE[case])
    assert isinstance(read.postings, AlikePostings)
    assert read.postings.entry() is not None
    assert b"record" not in bytes(read.postings.listed)
    assert changes == expected


def test_postings_that_are_alike_settle_dead_letters(log: Log):
    counts = Counts(read=1, succeeded=1)
    chunk = ChunkCompleted(
        attempt=1, first_offset={}, next_offset={}, first_ordinal=0, counts=counts
    )
    read, changes, expected = read_back(log, ALIKE["one"], chunk)
    assert isinstance(read.postings, AlikePostings)
    assert any(isinstance(change, Resolved) for change in expected.rows)
    assert changes == expected


TAKEN_BACK = RecordReversed(
    **PLACE, ordinal=0, reversal="r", posted_version=1, entries=(entry(minor=-125),)
)

UNLIKE: dict[str, list[Event]] = {
    "two entries": [posting(entry(text="a"), entry(text="b"))],
    "another date": [posting(entry()), posting(entry(effective=FEBRUARY))],
    "no entry": [posting(entry()), posting()],
    "no entry at first": [posting(), posting(entry())],
    "an output": [posting(entry(), output={"a": 1})],
    "an output beside a text": [posting(entry(text="a"), output={"a": 1})],
    "an output of one that is not the first": [posting(entry()), posting(entry(), output=1)],
    "two entries, the first without a text": [posting(entry(), entry(text="b"))],
    "two entries without a text": [posting(entry(), entry())],
    "something taken back": [posting(entry()), TAKEN_BACK],
    "an entry of the record, and none": [posting(record=RECORDS[2])],
}


@pytest.mark.parametrize("case", UNLIKE)
def test_all_else_is_read_whole(log: Log, case: str):
    read, changes, expected = read_back(log, UNLIKE[case])
    assert isinstance(read.postings, Postings)
    assert changes == expected


LIKE_AT_FIRST_SIGHT: dict[str, list[Event]] = {
    "two entries of one that is not the first": [posting(entry()), posting(entry(), entry())],
    "an entry of the record, and an end as of an entry": [
        posting(record=RECORDS[3], output=[{"a": "b"}])
    ],
    "the same entry in the record and beside it": [
        posting(entry("false", 999, text="x"), record=RECORDS[2])
    ],
    "an entry of the record without a text, and an end as of lines": [
        posting(record=RECORDS[4], output=[{"a": [["b"]]}])
    ],
}


@pytest.mark.parametrize("case", LIKE_AT_FIRST_SIGHT)
def test_what_only_looks_alike_is_read_again(log: Log, case: str):
    read, changes, expected = read_back(log, LIKE_AT_FIRST_SIGHT[case])
    assert isinstance(read.postings, AlikePostings)
    assert read.postings.entry() is None
    assert changes == expected


def test_commits_are_in_their_order_whatever_the_order_of_the_database(log: Log):
    where, numbers = log
    commits = []
    for _ in range(3):
        event = posting(entry(minor=next(numbers)))
        rows = [(f"record/j/{next(numbers)}", 1, event.TOPIC, encode(event))]
        commits.append(where.append(NewEvents.of(rows)).number)
    with where.engine.connect() as connection:
        found = stretches(connection, where.tables, commits[0] - 1)
        portions = [read_portion(connection, where.tables, [one]) for one in reversed(found)]
    rows = [portion._row for portion in portions]
    joined = b"".join(row[0] for row in rows)
    parts = "[" + ",".join(row[3].strip().removeprefix("[").removesuffix("]") for row in rows) + "]"

    def whole(_: Stretch) -> Postings:
        raise AssertionError

    portion = Portion(found, (joined, None, None, parts), whole)
    assert [each.stretch.number for each in portion.events()] == commits
    for each, alone in zip(portion.events(), reversed(portions), strict=True):
        (expected,) = alone.events()
        assert isinstance(each.postings, AlikePostings)
        assert isinstance(expected.postings, AlikePostings)
        assert each.postings.entry() == expected.postings.entry()


def test_sums_beyond_64_bits_of_postings_that_are_alike(made_url: str):
    store = Store.open(made_url)
    history = sample_history(chunks=1, size=2)
    append(store, history.commits)
    events = [posting(entry(minor=10**15)) for _ in range(9_300)]
    recorded = [Recorded(f"record/j/{n}", 1, event) for n, event in enumerate(events)]
    append(store, [recorded])
    assert 9_300 * 10**15 > 2**63
    rebuild(store.log)
    store.close()
    assert_views_agree(made_url)
