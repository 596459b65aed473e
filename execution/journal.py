"""The one module that wires the store to the rest of execution.

A journal reads aggregates, appends sealed events with their views, and knows what is worth
another try when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..domain import chunk as chunks
from ..domain import period as periods
from ..domain import reversal as reversals
from ..domain import run as runs
from ..domain.chunk import ChunkState
from ..domain.codec import decode
from ..domain.errors import (
    StoreBusyError,
    StoreError,
    StoreUnavailableError,
    StreamConflictError,
)
from ..domain.ids import ChunkId, RunId
from ..domain.period import PERIODS, Calendar, Period, PeriodState
from ..domain.reversal import ReversalState
from ..domain.run import RunState
from ..storage import leases
from ..storage.checkpointing import Checkpointer
from ..storage.engine import is_aborted, place, writer
from ..storage.sqlite_engine import is_busy
from ..storage.store import Store
from . import retrying
from .sealing import Sealed

if TYPE_CHECKING:
    from ..domain.record import RecordState

__all__ = ["Checkpointer", "Journal", "Store", "translate"]

# Deadlock, serialization failure, and the ways PostgreSQL says that it goes down or comes up.
_TRANSIENT_STATES = ("40001", "40P01", "57P01", "57P02", "57P03", "53300", "08")


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
        with self.talking():
            rows = self._log.read_stream(run.stream)
        return runs.fold([decode(row.topic, row.state) for row in rows])

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

        with self.talking():
            found = self._log.read_streams(list(dict.fromkeys(streams)))
        states = {}
        for stream, rows in found.items():
            state = records.NEW
            for row in rows:
                state = records.evolve(state, decode(row.topic, row.state))
            states[stream] = state
        return states

    def calendar(self) -> Calendar:
        """Which months of which books are closed."""
        states: dict[Period, PeriodState] = {}
        with self.talking():
            for row in self._log.read_prefix(PERIODS):
                period = Period.of_stream(row.stream)
                event = decode(row.topic, row.state)
                states[period] = periods.evolve(states.get(period, PeriodState()), event)
        return Calendar(states)

    def reversal(self, reversal: str) -> ReversalState:
        """Where a reversal stands."""
        with self.talking():
            rows = self._log.read_stream(reversals.stream_of(reversal))
        return reversals.fold([decode(row.topic, row.state) for row in rows])

    def version(self, stream: str) -> int:
        """The version of a stream's last event; 0 where it has none."""
        with self.talking():
            return self._log.version(stream)

    def holds(self, sealed: Sealed) -> bool:
        """Whether the store has this very commit: its last event tells, for all or none is there.

        Every commit of ours ends with an event that names the run's attempt.
        """
        events = sealed.events
        with self.talking():
            rows = self._log.read_stream(events.streams[-1], after_version=events.versions[-1] - 1)
        last = (events.topics[-1], events.states[-1])
        return bool(rows) and (rows[0].topic, rows[0].state) == last

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

    def refuses(self, connection: sa.Connection) -> bool:
        """Whether the connection's transaction takes nothing more, because of an error in it."""
        return is_aborted(connection)

    def take_lease(self, name: str, holder: str, seconds: float) -> None:
        """Write down who holds the run now."""
        with self.talking():
            leases.take(self._log, name, holder, seconds)

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


def translate(error: sa.exc.DBAPIError, where: str = "") -> StoreError | sa.exc.DBAPIError:
    """A lost connection, deadlock or serialization failure; anything else as it is.

    Args:
        where: the place of the store, for the message.
    """
    message = " ".join(str(error.orig).split()).rstrip(".")
    store = f"the store at {where}" if where else "the database"
    if _may_pass(error):
        return StoreUnavailableError(
            f"{store} does not answer: {message}. Resume the run once it does."
        )
    if is_busy(error):
        return StoreBusyError(
            f"{store} is locked by another process: {message}. Wait for it, or stop it, then "
            "resume the run."
        )
    if isinstance(error, _OF_THE_STORE) or type(error) is sa.exc.DatabaseError:
        return StoreError(
            f"{store} cannot be written or read: {message}. What was committed is safe: mend the "
            "cause (storno doctor looks at the store and its disk), then resume the run."
        )
    return error


_OF_THE_STORE = (sa.exc.OperationalError, sa.exc.InternalError)
"""What is wrong with the database: a full disk, a read-only server. The other classes are what is
wrong with a statement."""


def _may_pass(error: sa.exc.DBAPIError) -> bool:
    """Whether the same may work on another connection, or later."""
    if error.connection_invalidated:
        return True
    original: Any = error.orig
    state = getattr(original, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_TRANSIENT_STATES)
    # Where no connection can be made there is no statement, and no code of the server's.
    connecting = error.statement is None and isinstance(error, sa.exc.OperationalError)
    return connecting and type(original).__module__.startswith("psycopg")
