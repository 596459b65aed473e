"""Waiting for new commits, and following a log as they come.

PostgreSQL wakes its listeners (LISTEN and NOTIFY). SQLite cannot, and is asked for its data
version, a few microseconds without I/O that say whether another connection has committed.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import Any, Final, Protocol

import sqlalchemy as sa
from eventsourcing import persistence as es
from typing_extensions import override

from .log import EventLog

POLL_SECONDS: Final = 0.02
"""How often SQLite is asked."""

KEEPALIVE_SECONDS: Final = 30.0
"""How often a silent PostgreSQL connection is tried, so that a dead one is noticed."""


class CommitSignal(Protocol):
    """Wakes a reader when something may have been committed."""

    def wait(self) -> None:
        """Block until a commit may have happened since the last call, or ``interrupt``."""

    def interrupt(self) -> None:
        """Make the present and every later ``wait`` return at once; safe from any thread."""

    def close(self) -> None:
        """Give the connection back; after the last ``wait``."""


def commit_signal(log: EventLog) -> CommitSignal:
    """A signal for the log's database; commits from before this call may go unnoticed."""
    if log.engine.dialect.name == "sqlite":
        return SQLiteSignal(log.engine)
    return PostgreSQLSignal(log)


class SQLiteSignal(CommitSignal):
    """Polls the data version, on a connection that does nothing else."""

    def __init__(self, engine: sa.Engine) -> None:
        self._driver = _own_connection(engine)
        self._interrupted = Event()
        self._seen = self._data_version()

    @override
    def wait(self) -> None:
        while not self._interrupted.is_set():
            version = self._data_version()
            if version != self._seen:
                self._seen = version
                return
            self._interrupted.wait(POLL_SECONDS)

    @override
    def interrupt(self) -> None:
        self._interrupted.set()

    @override
    def close(self) -> None:
        self._driver.close()

    def _data_version(self) -> int:
        version: int = self._driver.execute("PRAGMA data_version").fetchone()[0]
        return version


class PostgreSQLSignal(CommitSignal):
    """Listens on the log's channel, on a connection that does nothing else."""

    def __init__(self, log: EventLog) -> None:
        from .postgresql import channel

        self._lock = Lock()
        self._closed = False
        self._reader, self._writer = os.pipe()
        self._driver = driver = _own_connection(log.engine)
        driver.autocommit = True
        name = driver.execute(f"SELECT {channel(log.tables.events.name)}").fetchone()[0]
        driver.execute(f'LISTEN "{name}"')

    @override
    def wait(self) -> None:
        while True:
            ready, _, _ = select.select([self._driver, self._reader], [], [], KEEPALIVE_SECONDS)
            if self._reader in ready:
                return
            if not ready:
                self._driver.execute("SELECT")
            if list(self._driver.notifies(timeout=0)):
                return

    @override
    def interrupt(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._writer, b"!")

    @override
    def close(self) -> None:
        self._driver.close()
        # A number that is closed is soon another file's: nobody may write to it any more.
        with self._lock:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)


def _own_connection(engine: sa.Engine) -> Any:
    """A connection of the driver's, taken out of the pool for good."""
    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    pooled.detach()
    return driver


class LogSubscription(es.ListenNotifySubscription[es.ApplicationRecorder]):
    """Yields an application's notifications in order, and blocks for those to come."""

    def __init__(
        self,
        recorder: es.ApplicationRecorder,
        log: EventLog,
        gt: int | None = None,
        topics: Sequence[str] = (),
    ) -> None:
        self._signal = commit_signal(log)
        self._listener = Thread(target=self._listen, daemon=True)
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._listener.start()

    @override
    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listener.join()

    @override
    def stop(self) -> None:
        super().stop()
        self._signal.interrupt()

    def _listen(self) -> None:
        try:
            while not self._has_been_stopped:
                self._signal.wait()
                self._has_been_notified.set()
        except BaseException as error:  # noqa: BLE001 - the reader's thread raises it
            if self._thread_error is None:
                self._thread_error = error
            self.stop()
        finally:
            self._signal.close()
