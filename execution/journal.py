"""The one module that wires the store to the rest of execution.

A journal reads aggregates, appends sealed events with their views, and knows what is worth
another try when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..domain import chunk as chunks
from ..domain import dead_letter as dead_letters
from ..domain import period as periods
from ..domain import reversal as reversals
from ..domain import run as runs
from ..domain.chunk import ChunkState
from ..domain.codec import decode
from ..domain.dead_letter import DeadLetter, Place
from ..domain.errors import StreamConflictError
from ..domain.events import Counts
from ..domain.ids import ChunkId, ReversalId, RunId
from ..domain.period import PERIODS, Balance, Calendar, Period, PeriodState
from ..domain.reversal import ReversalState
from ..domain.run import RunState
from ..domain.seal import NewEvents
from ..storage import leases, queries
from ..storage.checkpointing import Checkpointer
from ..storage.engine import is_aborted, place, writer
from ..storage.log import PAGE, Row
from ..storage.processes import can_share_work, command
from ..storage.queries import DeadLetterPlace, PostingCommit, posting_commits
from ..storage.store import Store
from ..storage.threads import quick_turns
from ..storage.translation import translate
from ..storage.tree import roots_at
from . import retrying
from .sealing import Sealed

if TYPE_CHECKING:
    from ..domain.record import RecordState
    from ..domain.subject import KeyStore

__all__ = [
    "Checkpointer",
    "DeadLetterPlace",
    "Journal",
    "PostingCommit",
    "Row",
    "Store",
    "can_share_work",
    "command",
    "quick_turns",
    "translate",
]


class Journal:
    """A store as the runner sees it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = store.log

    @property
    def is_sqlite(self) -> bool:
        """Whether one writer at a time holds the whole database."""
        return self._store.dialect == "sqlite"

    @property
    def store_id(self) -> str:
        """Tells the store from every other."""
        return self._store.store_id

    @classmethod
    def open(cls, url: str) -> Journal:
        """The store at a URL."""
        return cls(Store.open(url))

    @property
    def url(self) -> str:
        """Enough to open the store in another process, with its password."""
        return self._store.url

    def checkpointer(self) -> Checkpointer:
        """Takes work off the commits that are made while it is entered."""
        return Checkpointer(self._store.engine)

    def close(self) -> None:
        """Give up the connections."""
        self._store.close()

    def elsewhere(self) -> Journal:
        """The same store with connections of its own, for a forked process."""
        return Journal.open(self.url)

    def run(self, run: RunId) -> RunState:
        """Where a run stands."""
        return self.runs([run])[run]

    def runs(self, names: Sequence[RunId]) -> dict[RunId, RunState]:
        """Where runs stand."""
        with self.talking():
            found = self._log.read_streams([run.stream for run in names])
        return {
            run: runs.fold([decode(row.topic, row.state) for row in found.get(run.stream, [])])
            for run in names
        }

    def chunks(self, run: RunId, partition: str) -> dict[int, ChunkState]:
        """Where the chunks of a partition stand, by number."""
        states: dict[int, ChunkState] = {}
        with self.talking():
            for row in self._log.read_prefix(f"{run.chunks}{partition}/"):
                number = ChunkId.parse(row.stream).number
                state = states.get(number, ChunkState())
                states[number] = chunks.evolve(state, decode(row.topic, row.state))
        return states

    def records(self, streams: Sequence[str]) -> dict[str, RecordState]:
        """Where the records of these streams stand; those without events are left out."""
        # Brings pydantic along, which a process that only commits can do without.
        from ..domain import record as records

        states = {}
        for stream, rows in self.rows(streams).items():
            state = records.NEW
            for row in rows:
                state = records.evolve(state, decode(row.topic, row.state))
            states[stream] = state
        return states

    def counts(self, run: RunId) -> Counts:
        """What the run's totals say now: its chunks, and what became of its dead letters since."""
        with self.talking():
            row = queries.run(self._store, str(run))
        return Counts(**{name: getattr(row, name) for name in Counts.__struct_fields__})

    def dead_letter_places(self, **chosen: Any) -> list[DeadLetterPlace]:
        """Which records failed; the choice is that of ``queries.dead_letter_places``."""
        with self.talking():
            return queries.dead_letter_places(self._store, **chosen)

    def waiting(self, run: str) -> int:
        """How many dead letters of a run, or of ``reversal/<id>``, are still to be settled."""
        with self.talking():
            return sum(each.count for each in queries.dead_letter_groups(self._store, run=run))

    def dead_letters(
        self, streams: Sequence[str]
    ) -> dict[str, tuple[int, dict[Place, DeadLetter]]]:
        """The version of each of these streams, and its dead letters."""
        with self.talking():
            found = self._log.read_streams(list(dict.fromkeys(streams)))
        return {
            stream: (
                rows[-1].version,
                dead_letters.fold(decode(row.topic, row.state) for row in rows),
            )
            for stream, rows in found.items()
        }

    def last_partition(self, run: RunId, *begins: str) -> int:
        """The highest number of the run's chunk partitions that are called so; 0 for none."""
        highest = 0
        with self.talking():
            for begin in begins:
                for row in self._log.read_prefix(f"{run.chunks}{begin}"):
                    number = ChunkId.parse(row.stream).partition.removeprefix(begin)
                    highest = max(highest, int(number))
        return highest

    def has_events(self, stream: str) -> bool:
        """Whether anything was ever appended to a stream."""
        with self.talking():
            return bool(self._log.read_stream(stream))

    def calendar(self, as_of: int | None = None) -> Calendar:
        """Which months of which books are closed, or were at a position of the log."""
        states: dict[Period, PeriodState] = {}
        with self.talking():
            for row in self._log.read_prefix(PERIODS):
                if as_of is not None and row.position > as_of:
                    continue
                period = Period.of_stream(row.stream)
                event = decode(row.topic, row.state)
                states[period] = periods.evolve(states.get(period, PeriodState()), event)
        return Calendar(states)

    def posted_into(self, period: Period) -> dict[str, int]:
        """The runs that posted into a month, and how many of their dead letters are unresolved."""
        from ..storage.queries import posted_into

        with self.talking():
            return {each.run: each.unresolved for each in posted_into(self._store, period)}

    def trial_balance(self, period: Period) -> list[Balance]:
        """The book's trial balance up to the month's last day by posting date."""
        from ..storage.queries import balances

        with self.talking():
            rows = balances(self._store, book=period.book, posting_to=period.last_day)
        return [(row.account, row.currency, row.exponent, row.debit, row.credit) for row in rows]

    def reversal(self, reversal: str) -> ReversalState:
        """Where a reversal stands."""
        with self.talking():
            rows = self._log.read_stream(ReversalId(reversal).stream)
        return reversals.fold([decode(row.topic, row.state) for row in rows])

    def next_reversal(self) -> str:
        """A name that no reversal has yet; somebody may be faster, and the append then refuses."""
        with self.talking():
            last = self._log.last_stream(reversals.REVERSALS)
        return reversals.next_name(last)

    def rows(self, streams: Sequence[str]) -> dict[str, list[Row]]:
        """The events of streams as they are stored; those without are left out."""
        with self.talking():
            return self._log.read_streams(list(dict.fromkeys(streams)))

    def commits(self) -> int:
        """How many the log holds."""
        with self.talking():
            head = self._log.head()
        return head.number if head else 0

    def roots(self, sizes: Collection[int]) -> dict[int, bytes]:
        """The roots of the log's tree when it had these sizes."""
        with self.talking():
            return roots_at(self._log, sizes)

    def position(self) -> int:
        """Of the log's last event; 0 where there is none."""
        with self.talking():
            head = self._log.head()
        return 0 if head is None else head.last_position

    def posting_commits(
        self, run: RunId, as_of: int | None = None, after: int = 0
    ) -> list[PostingCommit]:
        """The commits of a run's chunks up to a position of the log, the newest first.

        Args:
            after: only those behind this position.
        """
        with self.talking():
            return posting_commits(self._store, str(run), as_of, after)

    def pages_of(self, commit: PostingCommit) -> Iterator[list[Row]]:
        """The events of a commit, in order, page by page."""
        return self.pages_between(
            commit.first_position - 1, commit.first_position + commit.count - 1
        )

    def pages_between(self, position: int, end: int) -> Iterator[list[Row]]:
        """The events behind a position of the log up to another one, page by page."""
        while position < end:
            # Whoever goes through them is not told to begin anew where the store comes back.
            rows = retrying.store_call(partial(self._page, position, min(PAGE, end - position)))
            if not rows:
                return
            yield rows
            position = rows[-1].position

    def is_touched(self, prefixes: Sequence[str], *, since: int) -> bool:
        """Whether a stream whose name begins so has an event behind a position of the log."""
        with self.talking():
            return self._log.is_touched(prefixes, after_position=since)

    def _page(self, position: int, limit: int) -> list[Row]:
        with self.talking():
            return self._log.read_log(after_position=position, limit=limit)

    def chunk_rows(self, run: RunId, partition: str) -> list[Row]:
        """The events of the chunks of a partition as they are stored, chunk by chunk."""
        with self.talking():
            return list(self._log.read_prefix(f"{run.chunks}{partition}/"))

    def event(self, stream: str, version: int) -> Row:
        """One event of a stream, which is there, as it is stored."""
        with self.talking():
            return self._log.read_stream(stream, after_version=version - 1)[0]

    def versions(self, streams: Sequence[str]) -> dict[str, int]:
        """The versions of streams; those without events are left out."""
        with self.talking():
            return self._log.versions(streams)

    def holds(self, sealed: Sealed) -> bool:
        """Whether the store has this very commit: its ends tell, for all or none is there.

        Every commit of ours begins or ends with an event that names the worker, the attempt or the
        actor. One of the ends alone is not enough: two workers who begin with the same reversal
        say the same of its run.
        """
        events = sealed.events
        return all(self._holds(events, index) for index in {0, len(events) - 1})

    def _holds(self, events: NewEvents, index: int) -> bool:
        with self.talking():
            rows = self._log.read_stream(
                events.streams[index], after_version=events.versions[index] - 1
            )
        stored = (rows[0].topic, rows[0].state) if rows else None
        return stored == (events.topics[index], events.states[index])

    @property
    def keys(self) -> KeyStore:
        """Of the personal fields; what is asked of it is asked in ``talking``."""
        return self._store.keys

    def append(
        self,
        sealed: Sealed,
        expect: Mapping[str, int],
        connection: sa.Connection | None = None,
    ) -> None:
        """Append a commit with its views.

        Raises:
            StreamConflictError, ExpectationFailedError: somebody was faster; nothing is written.
            StoreUnavailableError: it may or may not be written; the streams tell.
            StoreError: the database refuses, and will again: disk full, read-only.
        """
        with self.talking():
            self._store.append(
                sealed.events,
                changes=sealed.changes,
                expect=expect,
                connection=connection,
            )

    def append_once(self, sealed: Sealed) -> None:
        """Append a commit that nobody else can make, also when its acknowledgement is lost.

        Raises:
            StreamConflictError: somebody was faster.
            StoreUnavailableError: the store stayed away for longer than our patience.
        """

        def append() -> None:
            try:
                self.append(sealed, {})
            except StreamConflictError:
                if not self.holds(sealed):
                    raise

        retrying.store_call(append)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection in a transaction of its own, for a job that writes rows.

        ``append`` with this connection commits it; left without that, it is rolled back.
        """
        with self.talking(), writer(self._store.engine).connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def locked(self) -> Iterator[sa.Connection]:
        """The same, with the append lock: what is read meanwhile is what the commit stands on."""
        with self.transaction() as connection:
            self._log.lock(connection)
            yield connection

    def refuses(self, connection: sa.Connection) -> bool:
        """Whether the connection's transaction takes nothing more, because of an error in it."""
        return is_aborted(connection)

    def take_lease(self, name: str, holder: str, seconds: float) -> None:
        """Write down who holds the run now."""
        with self.talking():
            leases.take(self._log, name, holder, seconds)

    def take_over_lease(self, name: str, holder: str, seconds: float, instead_of: str) -> bool:
        """Hold it where nobody does but, at most, a holder who is gone; False otherwise."""
        with self.talking():
            return leases.take_over(self._log, name, holder, seconds, instead_of)

    def renew_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Prolong it; False where another holder has it."""
        with self.talking():
            return leases.renew(self._log, name, holder, seconds)

    def give_lease_back(self, name: str, holder: str) -> None:
        """End it."""
        with self.talking():
            leases.give_back(self._log, name, holder)

    def lease(self, name: str) -> leases.Lease | None:
        """Who holds it."""
        with self.talking():
            return leases.read(self._log, name)

    def session_lock(self, name: str) -> leases.SessionLock:
        """A lock that goes with the connection of whoever holds it; use it in ``talking``."""
        return leases.SessionLock(self._store.engine, name)

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Database errors as what they mean for the runner."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            translated = translate(error, place(self._store.engine))
            if translated is error:
                raise
            raise translated from error
