"""Leases: who works on what, until when. Mutable, outside the log and outside rebuilds.

A lease is for the holder that lives but hangs; a dead one is noticed by other means: on one
machine by its process, across machines by the session lock that PostgreSQL drops with its
connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import sqlalchemy as sa

from .engine import writer
from .log import EventLog
from .schema import LEASES

MICROSECONDS = 1_000_000


class Lease(NamedTuple):
    """A lease as it stands.

    Attributes:
        holder: who took it.
        renewed_at: when it was taken or prolonged, in microseconds by the database's clock.
        expired: whether its time ran out, by the same clock.
    """

    holder: str
    renewed_at: int
    expired: bool


def take(log: EventLog, name: str, holder: str, seconds: float) -> None:
    """Write down that the holder has the lease now; who may take it is decided by events."""
    now = log.now()
    values = {
        "name": name,
        "holder": holder,
        "renewed_at": now,
        "expires_at": now + int(seconds * MICROSECONDS),
    }
    # Both databases know this form, and SQLAlchemy's own would load both of its dialects.
    statement = sa.text(
        "INSERT INTO leases (name, holder, renewed_at, expires_at) "
        "VALUES (:name, :holder, :renewed_at, :expires_at) "
        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
        "renewed_at = excluded.renewed_at, expires_at = excluded.expires_at"
    )
    with _writing(log) as connection:
        connection.execute(statement, values)


def take_over(log: EventLog, name: str, holder: str, seconds: float, instead_of: str) -> bool:
    """Take the lease where it is free, or still that of a holder who is known to be gone.

    Args:
        instead_of: the holder that was seen and may be replaced; empty where there was none.

    Returns:
        False where somebody else was faster.
    """
    now = log.now()
    values = {
        "name": name,
        "holder": holder,
        "renewed_at": now,
        "expires_at": now + int(seconds * MICROSECONDS),
        "instead_of": instead_of,
    }
    statement = sa.text(
        "INSERT INTO leases (name, holder, renewed_at, expires_at) "
        "VALUES (:name, :holder, :renewed_at, :expires_at) "
        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
        "renewed_at = excluded.renewed_at, expires_at = excluded.expires_at "
        "WHERE leases.holder IN (:instead_of, :holder)"
    )
    with _writing(log) as connection:
        taken = connection.execute(statement, values)
    return taken.rowcount == 1


def renew(log: EventLog, name: str, holder: str, seconds: float) -> bool:
    """Prolong the lease; False where another holder has it by now."""
    now = log.now()
    with _writing(log) as connection:
        renewed = connection.execute(
            sa.update(LEASES)
            .where(LEASES.c.name == name, LEASES.c.holder == holder)
            .values(renewed_at=now, expires_at=now + int(seconds * MICROSECONDS))
        )
    return renewed.rowcount == 1


def give_back(log: EventLog, name: str, holder: str) -> None:
    """End the lease, if the holder still has it."""
    with _writing(log) as connection:
        connection.execute(
            sa.delete(LEASES).where(LEASES.c.name == name, LEASES.c.holder == holder)
        )


def read(log: EventLog, name: str) -> Lease | None:
    """The lease, or None where nobody has it."""
    with log.engine.connect() as connection:
        row = connection.execute(
            sa.select(LEASES.c.holder, LEASES.c.renewed_at, LEASES.c.expires_at).where(
                LEASES.c.name == name
            )
        ).one_or_none()
    return None if row is None else Lease(row.holder, row.renewed_at, row.expires_at < log.now())


@contextmanager
def _writing(log: EventLog) -> Iterator[sa.Connection]:
    """A connection for one statement, which PostgreSQL commits by itself.

    A holder that hangs between a statement and its COMMIT would keep whoever takes over from
    writing the same row.
    """
    if log.engine.dialect.name == "sqlite":
        with writer(log.engine).begin() as connection:
            yield connection
        return
    with log.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


_KEY = "hashtextextended('storno holder ' || current_schema() || '/' || :name, 0)"

_ACQUIRE = sa.text(f"SELECT pg_try_advisory_lock({_KEY})")

# Looking is not taking: a lock that is taken for a moment to see whether it is free would be held
# when its owner wants it back.
_HOLDER = sa.text(f"""
SELECT coalesce(nullif(activity.application_name, ''), 'server process ' || held.pid)
FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32 | held.objid::bigint) = {_KEY}
""")

_SERVER_STARTED = sa.text(
    "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint"
)


class SessionLock:
    """A PostgreSQL advisory lock that lives as long as its own connection; nothing on SQLite.

    Its name carries the run's attempt, so that whoever takes a run over from a holder that hangs
    has a lock of its own.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: sa.Connection | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; False where another session has it."""
        if self._is_sqlite:
            return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken: bool = connection.execute(_ACQUIRE, {"name": self._name}).scalar_one()
        except BaseException:
            connection.close()
            raise
        if taken:
            self._connection = connection
        else:
            connection.close()
        return taken

    def keep(self) -> bool:
        """Have the lock, on a new connection where the old one was lost; False where another has.

        A server that restarts, or an administrator who ends the session, drops the lock without
        the holder's knowing.
        """
        if self._connection is not None:
            try:
                self._connection.execute(sa.select(1))
                return True
            except sa.exc.DBAPIError:
                self.release()
        return self.acquire()

    def release(self) -> None:
        """Give the lock back, by closing its connection: that waits for nobody."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.DBAPIError):
                connection.invalidate()
            connection.close()

    def holder(self) -> str | None:
        """The name of the session that has the lock; None where nobody has, or on SQLite."""
        if self._is_sqlite:
            return None
        with self._engine.connect() as connection:
            return connection.execute(_HOLDER, {"name": self._name}).scalars().first()

    def stands(self, since: int) -> bool | None:
        """Whether somebody has the lock.

        None where that says nothing: on SQLite, and where the server was started after ``since``
        (microseconds): then every lock of before is gone, and not only those of the dead.
        """
        if self._is_sqlite:
            return None
        if self.holder() is not None:
            return True
        with self._engine.connect() as connection:
            started: int = connection.execute(_SERVER_STARTED).scalar_one()
        return None if started > since else False

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"
