"""The oracle lets sound books pass, and finds each fault that is planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from storno.domain.entry import PostedLine
from storno.domain.events import Event, RecordReversed, RecordSucceeded
from storno.domain.reversal import ReversalApproved, ReversalStarted
from storno.projections.changes import Recorded
from storno.storage.engine import writer
from storno.storage.migrate import init
from storno.storage.store import Store

from ..bookkeeping import book_faults
from ..oracle import assert_books_hold
from ..projections.histories import (
    History,
    Posting,
    histories,
    repaired_history,
    taken_back_history,
)
from .writing import append

Commits = list[list[Recorded]]


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    init(sqlite_url)
    store = Store.open(sqlite_url)
    yield store
    store.close()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories())
def test_any_history_is_sound(tmp_path_factory: pytest.TempPathFactory, history: History):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'storno.db'}"
    init(url)
    store = Store.open(url)
    append(store, history.commits)
    store.close()
    assert_books_hold(url)


@pytest.mark.parametrize("make", [taken_back_history, repaired_history])
def test_sound_books_pass_on_every_database(made_url: str, make: Callable[[], History]):
    store = Store.open(made_url)
    append(store, make().commits)
    store.close()
    assert_books_hold(made_url)


def changed(commits: Commits, kind: type[Event], change: Callable[[Event], Event]) -> Commits:
    """The same commits with the first event of a kind changed."""
    done = False
    made: Commits = []
    for commit in commits:
        made.append([])
        for recorded in commit:
            if not done and type(recorded.event) is kind:
                done = True
                recorded = recorded._replace(event=change(recorded.event))  # noqa: PLW2901
            made[-1].append(recorded)
    assert done
    return made


def of_lines(
    change: Callable[[PostedLine], PostedLine],
) -> Callable[[Event], Event]:
    def changed_event(event: Event) -> Event:
        assert isinstance(event, RecordReversed)
        entry = event.entries[0]
        lines = tuple(map(change, entry.lines))
        entry = msgspec.structs.replace(entry, lines=lines)
        return msgspec.structs.replace(event, entries=(entry,))

    return changed_event


def by_who_requested(event: Event) -> Event:
    assert isinstance(event, ReversalApproved)
    return REPLACE(event, actor=REPLACE(event.actor, name="anna"))


def in_a_closed_month(event: Event) -> Event:
    assert isinstance(event, RecordReversed)
    entry = REPLACE(event.entries[0], posting=Posting.sample().effective)
    return REPLACE(event, entries=(entry,))


REPLACE = msgspec.structs.replace
FAULTS: dict[str, tuple[type[Event], Callable[[Event], Event], str]] = {
    "more than was posted": (
        RecordReversed,
        of_lines(lambda line: REPLACE(line, minor=2 * line.minor)),
        "its lines are not those of 1",
    ),
    "the other form than was asked for": (
        RecordReversed,
        of_lines(
            lambda line: REPLACE(line, minor=-line.minor, side="C" if line.side == "D" else "D")
        ),
        "its lines are not those of 1",
    ),
    "another account": (
        RecordReversed,
        of_lines(lambda line: REPLACE(line, account="cash")),
        "its lines are not those of 1",
    ),
    "another posting": (
        RecordReversed,
        lambda event: REPLACE(event, posted_version=9),
        "names posting 9, not 1",
    ),
    "a reversal that nobody asked for": (
        RecordReversed,
        lambda event: REPLACE(event, reversal="r-99"),
        "reversal r-99 is not under way",
    ),
    "approved by who requested it": (
        ReversalApproved,
        by_who_requested,
        "began without those who have to agree",
    ),
    "in a closed month": (
        RecordReversed,
        in_a_closed_month,
        "moves 2024-01 of main, which is closed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_event_is_found(store: Store, fault: str):
    kind, change, said = FAULTS[fault]
    commits = taken_back_history().commits
    if fault == "in a closed month":
        closes = next(n for n, each in enumerate(commits) if each[0].stream.startswith("period/"))
        commits = [*commits[:closes], *changed(commits[closes:], kind, change)]
    else:
        commits = changed(commits, kind, change)
    append(store, commits)
    assert said in "\n".join(book_faults(store))


def test_a_key_that_is_posted_twice_is_found(store: Store):
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", [Posting.sample()])
    append(store, history.commits)
    stream, event = next(
        (stream, event)
        for commit in history.commits
        for stream, _, event in commit
        if isinstance(event, RecordSucceeded)
    )
    append(store, [[Recorded(stream, 2, event)]])
    [said] = [fault for fault in book_faults(store) if "is posted" in fault]
    assert "was by 1, with no reversal between" in said


def test_what_is_taken_back_twice_is_found(store: Store):
    history = History()
    history.start("2024-01")
    history.complete_chunk("2024-01", [Posting.sample()] * 2)
    history.end("2024-01", "completed")
    history.request("2024-01", 1, 0, False)
    history.execute("2024-01")
    history.reverse_chunk("2024-01", [True])
    append(store, history.commits)
    stream, event = next(
        (stream, event)
        for stream, _, event in history.commits[-1]
        if isinstance(event, RecordReversed)
    )
    append(store, [[Recorded(stream, 3, event)]])
    assert "takes back what is not in force" in "\n".join(book_faults(store))


def test_a_reversal_that_begins_after_its_end_is_found(store: Store):
    commits = taken_back_history().commits
    append(store, commits)
    event = next(
        event for commit in commits for _, _, event in commit if isinstance(event, ReversalStarted)
    )
    version = len(store.log.read_stream("reversal/r-1")) + 1
    append(store, [[Recorded("reversal/r-1", version, event)]])
    assert "reversal r-1: ReversalStarted after its end" in book_faults(store)


def test_a_ledger_that_says_otherwise_is_found(store: Store):
    append(store, repaired_history().commits)
    with writer(store.engine).begin() as connection:
        connection.exec_driver_sql(
            "UPDATE movements_g1 SET debit = debit + 1 WHERE account = 'expense:rent' "
            "AND commit_number = (SELECT min(commit_number) FROM movements_g1)"
        )
    faults = "\n".join(book_faults(store))
    assert "debit of ('main', 'expense:rent'" in faults
    assert "in force is" in faults
