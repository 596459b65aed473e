"""Reading the log by stream, by many streams, by prefix and by position."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from storno.storage.log import PAGE, EventLog, _after

from .helpers import append, event, events


@pytest.fixture
def log(engine: sa.Engine) -> EventLog:
    return EventLog(engine)


def test_a_stream_is_read_in_order_from_a_version(log: EventLog) -> None:
    append(log, [event("a", 1), event("b", 1), event("a", 2)])
    append(log, [event("a", 3)])
    assert [row.version for row in log.read_stream("a")] == [1, 2, 3]
    assert [row.position for row in log.read_stream("a", after_version=1)] == [3, 4]
    assert log.read_stream("nobody") == []


def test_many_streams_are_read_at_once(log: EventLog) -> None:
    append(log, [*events("k", 2 * PAGE + 50), event("k/000007", 2)])
    names = [new.stream for new in events("k", 2 * PAGE + 50)]
    found = log.read_streams([*names, "nobody"])
    assert list(found) == names
    assert [row.version for row in found["k/000007"]] == [1, 2]
    assert log.read_streams([]) == {}
    assert list(log.read_streams(['quote"d', "back\\slash", "é", "k/000001"])) == ["k/000001"]


def test_a_prefix_is_read_bytewise(log: EventLog) -> None:
    names = ["run/a", "run/a/1", "run/a0", "run/A/1", "run/b/1", "run/é/1", "run/z", "s"]
    append(log, [event(name) for name in reversed(names)])
    append(log, [event("run/a/1", 2)])

    def read(prefix: str) -> list[tuple[str, int]]:
        return [(row.stream, row.version) for row in log.read_prefix(prefix)]

    assert read("run/a/") == [("run/a/1", 1), ("run/a/1", 2)]
    assert [name for name, _ in read("run/")] == sorted([*names[:-1], "run/a/1"])
    assert [name for name, _ in read("run/é")] == ["run/é/1"]
    assert [name for name, _ in read("")] == sorted([*names, "run/a/1"])
    assert read("t") == []


def test_a_prefix_with_many_events_comes_in_pages(log: EventLog) -> None:
    append(log, [event("a/1", version) for version in range(1, PAGE + 3)])
    append(log, events("a/2", PAGE))
    rows = list(log.read_prefix("a/"))
    assert len(rows) == 2 * PAGE + 2
    assert rows == sorted(rows, key=lambda row: (row.stream.encode(), row.version))


@given(st.text(), st.text())
@example("a\ud7ff", "")
@example("a\U0010ffff", "")
@example("\U0010ffff", "")
def test_what_begins_with_a_prefix_lies_before_its_end(prefix: str, rest: str) -> None:
    end = _after(prefix)
    assert prefix.encode() <= (prefix + rest).encode()
    assert end is None or (prefix + rest).encode() < end.encode()


@given(st.text(max_size=3), st.text(max_size=3))
@example("a\ud7ff", "a\ue000")
@example("a\U0010ffff", "b")
def test_what_lies_before_the_end_begins_with_the_prefix(prefix: str, other: str) -> None:
    end = _after(prefix)
    inside = prefix.encode() <= other.encode() and (end is None or other.encode() < end.encode())
    assert inside == other.startswith(prefix)


def test_the_log_is_read_from_a_position_up_to_a_limit(log: EventLog) -> None:
    append(log, events("a", 10))
    assert [row.position for row in log.read_log(after_position=4, limit=3)] == [5, 6, 7]
    assert log.read_log(after_position=10) == []
    append(log, events("b", 1))
    assert [commit.number for commit in log.commits(after_number=1)] == [2]
    assert [commit.number for commit in log.commits(limit=1)] == [1]
