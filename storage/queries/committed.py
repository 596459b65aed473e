"""The log commit by commit, for what leaves the house; the memory it takes is a commit's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from ...domain.errors import CheckFailedError
from ..dialect import Commit, Row
from ..schema import log_tables
from ..store import Store
from ..tree import roots_at
from ..views.replay import between

_COMMITS = log_tables().commits.c


class LogHead(Struct, frozen=True):
    """How far a log reaches.

    Attributes:
        commit: the last one.
        root: RFC 6962's root over all commits up to it, 32 bytes.
    """

    commit: Commit
    root: bytes


class CommitRange(Struct, frozen=True):
    """Consecutive commits; none where ``last`` is below ``first``."""

    first: int
    last: int

    def __len__(self) -> int:
        return max(self.last - self.first + 1, 0)


def log_head(store: Store) -> LogHead | None:
    """The head of the log as it stands; None for an empty one."""
    commit = store.log.head()
    if commit is None:
        return None
    return LogHead(commit, roots_at(store.log, [commit.number])[commit.number])


def commit_at(store: Store, number: int) -> Commit | None:
    """The commit with a number; None where there is none."""
    found = store.log.commits(after_number=number - 1, limit=1)
    return found[0] if found and found[0].number == number else None


def commits_recorded(
    store: Store, *, since: int | None = None, until: int | None = None
) -> CommitRange:
    """The commits of a time; both ends belong to it.

    Args:
        store: where they are.
        since: microseconds since 1970-01-01 UTC; from the log's beginning where not given.
        until: likewise; all that there are now where not given.
    """
    with store.engine.connect() as connection:
        before, last = between(connection, log_tables(), since, until)
    return CommitRange(before.number + 1, last.number)


def committed_events(store: Store, chosen: CommitRange) -> Iterator[tuple[Commit, list[Row]]]:
    """The commits of a range in order, each with its events as they are stored.

    Reads page by page, each by itself; what was committed is never changed, so they fit together.

    Raises:
        CheckFailedError: events or commits are missing.
    """
    rows: Iterator[Row] = iter(())
    expected = chosen.first
    for commit in _commits(store, chosen):
        if commit.number == chosen.first:
            rows = _rows(store, commit.first_position - 1)
        events = list(islice(rows, commit.count))
        if commit.number != expected or [row.position for row in events] != list(
            range(commit.first_position, commit.first_position + commit.count)
        ):
            raise _incomplete(expected)
        yield commit, events
        expected += 1
    if expected != chosen.last + 1 and len(chosen):
        raise _incomplete(expected)


def _commits(store: Store, chosen: CommitRange) -> Iterator[Commit]:
    number = chosen.first - 1
    while page := store.log.commits(after_number=number):
        for commit in page:
            number = commit.number
            if number > chosen.last:
                return
            yield commit


def _rows(store: Store, position: int) -> Iterator[Row]:
    while page := store.log.read_log(after_position=position):
        yield from page
        position = page[-1].position


def _incomplete(number: int) -> CheckFailedError:
    return CheckFailedError(
        f"commit {number} is not whole in the store: events or commits were taken out. "
        "Run storno audit verify, which says where."
    )
