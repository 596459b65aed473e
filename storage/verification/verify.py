"""Reads every event and every commit, and recomputes all that they were hashed to.

The rows come as the driver gives them: whoever changed them was bound by no type and no
constraint. Memory stays flat: of the events a portion's leaves are kept, or one larger commit's, of
the commits a few portions, and one hash for each bit of their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import chain, pairwise
from typing import Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.checkpoint import Checkpoint, origin_of
from ...domain.errors import StoreUnavailableError
from ...domain.seal import merkle_root
from ...domain.tree import Frontier
from ..dialect import Commit
from ..engine import is_aborted, place
from ..schema import LogTables
from ..store import Store
from ..views.generation import snapshot
from ..views.replay import Progress
from .ahead import Ahead, Portion, portions
from .commits import StoredCommits
from .events import StoredEvents, event_rows, suspects
from .extends import KeptCheckpoints
from .guards import missing_guards
from .problems import Problem, Problems
from .roots import Stretch, roots
from .rows import BEFORE_THE_FIRST, repaired, typed, with_root
from .starting import second_process
from .streams import broken_streams

EVENTS_A_STEP: Final = 10_000
"""How many events are read between two reports of how far it is, at least."""


class Verification(Struct, frozen=True):
    """What reading the log came to.

    Attributes:
        commits: how many commits the log holds.
        events: how many events were read and hashed.
        head: the last commit's chain hash, None for an empty log.
        root: of RFC 6962's tree over all commits.
        problems: the first hundred, of the log as a whole first, then in its order.
        total: how many there are.
    """

    commits: int
    events: int
    head: bytes | None
    root: bytes
    problems: tuple[Problem, ...]
    total: int


def verify(
    store: Store,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    since: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Recompute a store's log; what is found is returned, never raised.

    Where all else holds, events that cannot be read are named: whoever computes all hashes anew can
    seal what is no event. A long log is read by two processes.

    Args:
        store: whose log it is.
        checkpoints: that the log must extend; their signatures are the caller's business.
        since: another one; the events up to it are not read again, only their commits' rows.
        progress: told the events done and their number every now and then.

    Raises:
        StoreUnavailableError: the server stopped answering.
        SecondProcessGoneError: the second process ended before it was done.
    """
    tables, problems = store.log.tables, Problems()
    kept = KeptCheckpoints((*checkpoints, *([] if since is None else [since])))
    problems.extend(kept.of_other_logs(origin_of(store.store_id)))
    with snapshot(store.engine) as connection:
        problems.extend(missing_guards(connection, tables))
        reading = _Reading(connection, tables, kept, problems, progress)
        try:
            reading.begin_behind(0 if since is None else since.size)
            reading.read()
            if problems.total or not reading.all_fit:  # otherwise ``roots`` has seen to them
                streams = broken_streams(connection, tables, after_position=reading.start)
                problems.extend(streams)
        except (connection.dialect.loaded_dbapi.Error, sa.exc.DBAPIError) as error:
            problems.add(_unreadable(store.engine, reading, error))
    if not problems.total:
        problems = reading.unreadable
    return Verification(
        commits=reading.tree.size,
        events=reading.events_read,
        head=reading.previous.chain_hash if reading.tree.size else None,
        root=reading.tree.root(),
        problems=problems.in_order(),
        total=problems.total,
    )


class _Reading:
    """One pass over the commits, and over the events of those that are looked at.

    Attributes:
        tree: of the commits read so far.
        previous: the last of them, as it must have been written.
        events_read: how many events were hashed.
        all_fit: whether ``roots`` has answered for every commit that is looked at.
        start: the position behind which events are read.
        unreadable: the events that fit, and are none.
    """

    def __init__(
        self,
        connection: sa.Connection,
        tables: LogTables,
        kept: KeptCheckpoints,
        problems: Problems,
        progress: Progress | None,
    ) -> None:
        self.tree = Frontier()
        self.previous: Commit = BEFORE_THE_FIRST
        self.events_read = 0
        self.all_fit = True
        self.start = 0
        self.unreadable = Problems()
        self._connection = connection
        self._tables = tables
        self._commits = StoredCommits(connection, tables)
        self._kept = kept
        self._problems = problems
        self._progress = progress
        # Where a guard is gone, an index may be as well: then the streams are looked at in the end.
        self._streams = not problems.total
        self._skipped = 0
        self._last_position = 0
        self._reported = 0

    def begin_behind(self, commits: int) -> None:
        """Leave the events of the first commits unread, or of all where there are fewer."""
        self._last_position = self._commits.last_position()
        self._skipped = min(commits, self._commits.last_number())
        row = self._commits.row(self._skipped)
        if row is not None:
            self.start = typed(row)[0].last_position

    def read(self) -> None:
        """Read everything, and take note of what does not fit."""
        events = StoredEvents(
            self._connection, self._tables,
            after_position=self.start if self._skipped else None,
        )  # fmt: skip
        self._problems.extend(self._kept.differing(self.tree))
        second = second_process(
            self._connection.engine, self._tables, self._total, streams=self._streams
        )
        with nullcontext() if second is None else closing(second):
            commits = Ahead(self._portions(), self._roots, second).commits()
            for (stored, problems, root), following in _with_following(commits):
                self._problems.extend(problems)
                self._read_commit(events, stored, following, root)
                self._problems.extend(self._kept.differing(self.tree))
        self._problems.extend(self._kept.beyond(self.tree.size))
        self._end(events)

    @property
    def _total(self) -> int:
        return max(self._last_position - self.start, 0)

    def _portions(self) -> Iterator[Portion]:
        return portions(
            map(typed, self._commits.rows()),
            skipped=self._skipped, last_position=self._last_position,
        )  # fmt: skip

    def _roots(self, stretch: Stretch) -> list[bytes]:
        """No answer where the database cannot read it: that is met once its turn comes."""
        try:
            rows = event_rows(self._connection, self._tables)
            return roots(rows, stretch, streams=self._streams)
        except self._connection.dialect.loaded_dbapi.Error:
            if is_aborted(self._connection):
                raise
            return []

    def _read_commit(
        self,
        events: StoredEvents,
        stored: Commit,
        following: Commit | None,
        known_root: bytes | None,
    ) -> None:
        behind = self._last_position + 1 if following is None else following.first_position
        commit, problems = repaired(stored, self.previous, behind)
        self._problems.extend(problems)
        root, named = commit.merkle_root, False
        if stored.number > self._skipped:
            is_known = known_root == stored.merkle_root and _stretch(stored) == _stretch(commit)
            if is_known and commit.first_position == events.position + 1:
                events.pass_over(commit)
                self._count(commit.count)
            else:
                self.all_fit = False
                root, named = self._root(events, commit)
        self.previous, problems = with_root(commit, self.previous, following, root)
        for problem in problems:
            if problem.field != "events":
                self._problems.add(problem)
            elif not named:
                self._problems.add(problem)
                self._problems.extend(suspects(self._connection, self._tables, commit))
        self.tree.add(self.previous.chain_hash)

    def _root(self, events: StoredEvents, commit: Commit) -> tuple[bytes, bool]:
        """The root over a commit's events, and whether what is wrong with them is named."""
        found = events.hashed(commit)
        self._problems.extend(found.problems)
        self.unreadable.extend(found.unreadable)
        self._count(len(found.leaves))
        return merkle_root(found.leaves), bool(found.problems)

    def _count(self, events: int) -> None:
        """Take note of events that were hashed."""
        self.events_read += events
        if self._progress and self.events_read >= self._reported + EVENTS_A_STEP:
            self._reported = self.events_read
            self._progress(self.events_read, self._total)

    def _end(self, events: StoredEvents) -> None:
        """See that nothing is left over, and that there was something at all."""
        left = events.rest()
        if left is not None:
            position, count = left
            message = f"no commit holds what stands from position {position} on, {count} in all"
            self._problems.add(Problem(field="position", message=message, position=position))
        if not self.tree.size:
            message = "the log is empty: there is nothing that could be verified"
            self._problems.add(Problem(field="log", message=message))


def _stretch(commit: Commit) -> tuple[int, int]:
    return commit.first_position, commit.count


def _with_following(
    commits: Iterator[tuple[Commit, list[Problem], bytes | None]],
) -> Iterator[tuple[tuple[Commit, list[Problem], bytes | None], Commit | None]]:
    """Each commit and what is known of it, and the commit behind it."""
    for commit, following in pairwise(chain(commits, [None])):
        if commit is not None:
            yield commit, None if following is None else following[0]


def _unreadable(engine: sa.Engine, reading: _Reading, error: Exception) -> Problem:
    """A log that the database itself cannot read is not verified.

    Raises:
        StoreUnavailableError: the server is gone, which says nothing of the log.
    """
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    said = " ".join(str(cause).split())
    gone = engine.dialect.loaded_dbapi.OperationalError
    if engine.dialect.name == "postgresql" and isinstance(cause, gone):
        raise StoreUnavailableError(
            f"The store at {place(engine)} stopped answering: {said}. Nothing is verified; try "
            "again."
        ) from error
    return Problem(
        field="log",
        message=f"the log cannot be read behind commit {reading.previous.number}: {said}",
    )
