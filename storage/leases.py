"""Leases: who works on what, until when. Mutable, outside the log and outside rebuilds.

A lease is for the holder that lives but hangs; a dead one is noticed by other means: on one
machine by its process, across machines by the session lock that PostgreSQL drops with its
connection.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from .engine import writer
from .log import EventLog
from .schema import LEASES

MICROSECONDS = 1_000_000


class Lease(NamedTuple):
    """A lease as it stands.

    Attributes:
        holder: who took it.
        expired: whether its time ran out, by the database's clock.
    """

    holder: str
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
    dialect = sqlite if log.engine.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(LEASES).values(values)
    statement = statement.on_conflict_do_update(
        index_elements=[LEASES.c.name],
        set_={column: statement.excluded[column] for column in values if column != "name"},
    )
    with writer(log.engine).begin() as connection:
        connection.execute(statement)


def renew(log: EventLog, name: str, holder: str, seconds: float) -> bool:
    """Prolong the lease; False where another holder has it by now."""
    now = log.now()
    with writer(log.engine).begin() as connection:
        renewed = connection.execute(
            sa.update(LEASES)
            .where(LEASES.c.name == name, LEASES.c.holder == holder)
            .values(renewed_at=now, expires_at=now + int(seconds * MICROSECONDS))
        )
    return renewed.rowcount == 1


def give_back(log: EventLog, name: str, holder: str) -> None:
    """End the lease, if the holder still has it."""
    with writer(log.engine).begin() as connection:
        connection.execute(
            sa.delete(LEASES).where(LEASES.c.name == name, LEASES.c.holder == holder)
        )


def read(log: EventLog, name: str) -> Lease | None:
    """The lease, or None where nobody has it."""
    with log.engine.connect() as connection:
        row = connection.execute(
            sa.select(LEASES.c.holder, LEASES.c.expires_at).where(LEASES.c.name == name)
        ).one_or_none()
    return None if row is None else Lease(row.holder, row.expires_at < log.now())


_KEY = sa.text("hashtextextended('storno holder ' || current_schema() || '/' || :name, 0)")


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
        if self._engine.dialect.name == "sqlite":
            return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(self._call("pg_try_advisory_lock")).scalar_one():
            connection.close()
            return False
        self._connection = connection
        return True

    def release(self) -> None:
        """Give the lock back; a broken connection has done so already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.DBAPIError):
                connection.execute(self._call("pg_advisory_unlock"))
            connection.invalidate()
            connection.close()

    def is_free(self) -> bool | None:
        """Whether no session has the lock; None on SQLite, where nobody can tell."""
        if self._engine.dialect.name == "sqlite":
            return None
        if free := self.acquire():
            self.release()
        return free

    def _call(self, function: str) -> sa.TextClause:
        return sa.text(f"SELECT {function}({_KEY.text})").bindparams(name=self._name)
