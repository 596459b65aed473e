"""Connections to SQLite: which library, which settings, and how transactions begin."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

from ..domain.errors import StoreBusyError, StoreMissingError, UnsoundSQLiteError, UsageError

ALLOW_UNSOUND: Final = "STORNO_ALLOW_UNSOUND_SQLITE"
"""Environment variable: 1 uses a SQLite with the WAL-reset defect all the same."""

FIRST_UNSOUND: Final = (3, 7, 0)
FIRST_SOUND_AGAIN: Final = (3, 51, 3)

CACHE_KIB: Final = 8 * 1024
"""Page cache of each connection. Measured up to a million events: twice or four times as much gains
nothing, neither with names in order nor with scattered ones, and the run's process is to stay
under 200 MB. What it does not hold, the system's own cache does."""

WAL_PAGES: Final = 16_000
"""Pages (of 4 KiB) in the write-ahead log before a commit also checkpoints it: 64 MB."""

CACHED_STATEMENTS: Final = 128

_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Without it INSERT OR REPLACE deletes a row without firing the trigger that refuses it.
    "PRAGMA recursive_triggers = ON",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {WAL_PAGES}",
)


def library() -> ModuleType:
    """The driver in use: pysqlite3, which brings its own SQLite, else the standard library's."""
    try:
        return import_module("pysqlite3.dbapi2")
    except ImportError:
        return import_module("sqlite3")


def is_sound(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset race (in 3.7.0 to 3.51.2).

    Two connections that write and checkpoint at the same moment can corrupt the file; see
    https://sqlite.org/wal.html#walresetbug.
    """
    return not FIRST_UNSOUND <= version < FIRST_SOUND_AGAIN


def create(
    url: sa.URL, lock_timeout_seconds: float, *, writes_option: str, later_option: str
) -> sa.Engine:
    """An engine on a SQLite file whose transactions begin as engine.py says."""
    module = library()
    _refuse_unsound(module)
    path = _path_of(url)
    engine = sa.create_engine(
        url.set(drivername="sqlite", database=path),
        module=module,
        poolclass=sa.QueuePool,
        # The connection given back last is taken first: its page cache is warm, and idle ones
        # stay small.
        pool_use_lifo=True,
        connect_args={
            "check_same_thread": False,
            "cached_statements": CACHED_STATEMENTS,
            "timeout": lock_timeout_seconds,
            "isolation_level": None,
        },
    )
    _open_existing_files_only(engine, path)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "checkin", _end_transaction)
    _control_begin(engine, path, lock_timeout_seconds, writes_option, later_option)
    return engine


def _refuse_unsound(module: ModuleType) -> None:
    version: tuple[int, ...] = module.sqlite_version_info
    if is_sound(version) or os.environ.get(ALLOW_UNSOUND) == "1":
        return
    raise UnsoundSQLiteError(
        f"SQLite {module.sqlite_version} (from {module.__name__}) can corrupt a store that "
        "several connections use at once (fixed in 3.51.3). Install the package pysqlite3, or a "
        f"Python with a newer SQLite; {ALLOW_UNSOUND}=1 uses it at your own risk."
    )


def _path_of(url: sa.URL) -> str:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise UsageError(
            f"{url} names no file. A store is a file: write sqlite:///path/to/storno.db."
        )
    return os.path.abspath(url.database)


def _open_existing_files_only(engine: sa.Engine, path: str) -> None:
    """SQLite creates a missing file by itself; a mistyped path would become an empty store."""

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _entry: ConnectionPoolEntry, _args: Any, options: dict[str, Any]
    ) -> DBAPIConnection:
        if not Path(path).exists():
            raise StoreMissingError(
                f"There is no store at {path}. `storno db init` makes one; or name another "
                "with --store."
            )
        return dialect.connect(f"file:{quote(path)}?mode=rw", uri=True, **options)


def _configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
    for setting in _SETTINGS:
        connection.execute(setting)


def _end_transaction(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """SQLAlchemy takes a transaction whose COMMIT failed for ended; in SQLite it goes on."""
    if connection is not None and connection.in_transaction:
        connection.rollback()


def _control_begin(
    engine: sa.Engine,
    path: str,
    lock_timeout_seconds: float,
    writes_option: str,
    later_option: str,
) -> None:
    """Begin transactions ourselves, as SQLAlchemy's documentation of the dialect describes."""

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = bool(connection.get_execution_options().get(writes_option))
        # A reader that tries to write is a bug: it would fail under load alone, by surprise.
        if connection.info.get(writes_option) is not writes:
            connection.exec_driver_sql(f"PRAGMA query_only = {int(not writes)}")
            connection.info[writes_option] = writes
        later = bool(connection.get_execution_options().get(later_option))
        if connection.info.get(later_option, False) is not later:
            # With NORMAL no commit syncs the write-ahead log; the next with FULL syncs all of it.
            connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if later else 'FULL'}")
            connection.info[later_option] = later
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        except sa.exc.OperationalError as error:
            if is_busy(error):
                raise StoreBusyError(
                    f"Another process holds the write lock of {path}, and did not let go in "
                    f"{lock_timeout_seconds:g} seconds. Wait for it, or stop it (`lsof {path}` "
                    "names it), then try again."
                ) from error
            raise


def is_busy(error: sa.exc.DBAPIError) -> bool:
    """Whether SQLite says that another connection holds a lock."""
    return "database is locked" in str(error.orig)
