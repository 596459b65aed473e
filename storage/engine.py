"""Engines for the two databases, with every setting that the store's promises rest on.

A plain connection reads: on SQLite its transactions see one snapshot, stop nobody and cannot
write. ``writer(engine)`` is the same pool of connections whose transactions may write; on SQLite
they take the write lock when they begin, because a transaction that first reads and then writes
fails at once when somebody else wrote in between, whatever the time-out.
"""

from __future__ import annotations

import os
from typing import Final

import sqlalchemy as sa

from ..domain.errors import UsageError
from . import postgresql_engine, sqlite_engine

LOCK_TIMEOUT_SECONDS: Final = 30.0
"""How long a writer waits for the store's lock before it gives up, in seconds."""

WRITES: Final = "storno_writes"
SYNCS_LATER: Final = "storno_syncs_later"
LOCK_TIMEOUT: Final = "storno_lock_timeout_seconds"


def create_engine(
    url: str | sa.URL, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS
) -> sa.Engine:
    """An engine for a store; connects to nothing yet.

    Args:
        url: ``sqlite:///path`` (a file; relative paths start at the working directory) or
            ``postgresql://...`` (psycopg 3 is used).
        lock_timeout_seconds: how long a writer waits for another before StoreBusyError.

    Raises:
        UsageError: the URL cannot be read, or names a database that storno does not use.
        UnsoundSQLiteError: the SQLite library can corrupt a store; see sqlite_engine.py.

    Connecting raises StoreMissingError where the SQLite file does not exist; nothing but
    ``migrate.init`` creates one.
    """
    parsed = _parse(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = sqlite_engine.create(
            parsed, lock_timeout_seconds, writes_option=WRITES, later_option=SYNCS_LATER
        )
    elif backend == "postgresql":
        engine = postgresql_engine.create(parsed, later_option=SYNCS_LATER)
    else:
        raise UsageError(
            f"A store cannot live in {backend}. Use sqlite:///path/to/file or postgresql://..."
        )
    engine.update_execution_options(**{LOCK_TIMEOUT: lock_timeout_seconds})
    return engine


def writer(engine: sa.Engine) -> sa.Engine:
    """The same engine and pool, whose transactions may write.

    ``with writer(engine).begin() as connection`` commits at the end and rolls back on an
    exception. On SQLite beginning raises StoreBusyError when the lock is not to be had in time.
    """
    return engine.execution_options(**{WRITES: True})


def filler(engine: sa.Engine) -> sa.Engine:
    """A ``writer`` whose commits wait for no disk: for much that nobody sees yet.

    They last once a later commit of a ``writer`` does, which syncs all that stands in the
    database's log before it. Until then a crash of the machine, not of a process, may lose the
    last of them.
    """
    return writer(engine).execution_options(**{SYNCS_LATER: True})


def is_aborted(connection: sa.Connection) -> bool:
    """Whether an error ended the connection's transaction for all but a rollback; asks nobody.

    Only PostgreSQL does that; in SQLite a statement fails alone.
    """
    if connection.dialect.name == "sqlite":
        return False
    return postgresql_engine.is_aborted(connection)


def lock_timeout_seconds(engine: sa.Engine) -> float:
    """How long the engine's writers wait for the store's lock."""
    seconds: float = engine.get_execution_options().get(LOCK_TIMEOUT, LOCK_TIMEOUT_SECONDS)
    return seconds


def store_path(engine: sa.Engine) -> str | None:
    """The file of a SQLite store, absolute; None for PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    return os.path.abspath(engine.url.database or "")


def answer(error: sa.exc.DBAPIError) -> str:
    """What the database said, in one line, to be gone on with: without a full stop."""
    return " ".join(str(error.orig).split()).rstrip(".")


def place(engine: sa.Engine) -> str:
    """Where the store is, as people are told: a path, or a URL without its password."""
    return store_path(engine) or engine.url.render_as_string(hide_password=True)


def _parse(url: str | sa.URL) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError(
            f"{url!r} is no database URL. "
            "Write sqlite:///path/to/file or postgresql://user@host/database."
        ) from error
