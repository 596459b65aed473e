"""Databases for a test, empty or with a new store: a copy of one that was made once.

To make a store is a tenth of a second on PostgreSQL, and most tests want nothing of it but the
store. Its id is a copy's own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pysqlite3.dbapi2 as sqlite
import sqlalchemy as sa

from storno.storage.migrate import init

from .servers import Server


class Originals:
    """The stores that are copied: one for each database, made when it is first asked for.

    Args:
        folder: where that of SQLite is.
        servers: by the names of the databases.
    """

    def __init__(self, folder: Path, servers: Mapping[str, Server]) -> None:
        self.servers = servers
        self._file = folder / "original.db"
        self._made: set[str] = set()

    def file(self) -> Path:
        """The SQLite file."""
        if "sqlite" not in self._made:
            init(f"sqlite:///{self._file}")
            self._made.add("sqlite")
        return self._file

    def name(self, database: str) -> str:
        """The name of the database on a server."""
        name = f"original_{os.getpid()}"
        if database not in self._made:
            init(self.servers[database].create_database(name))
            self._made.add(database)
        return name


class Databases:
    """The databases of a test.

    Args:
        folder: where a SQLite file stands.
        originals: of the stores.
    """

    def __init__(self, folder: Path, originals: Originals) -> None:
        self._file = folder / "storno.db"
        self._originals = originals
        self._created: list[tuple[Server, str]] = []

    def empty(self, database: str) -> str:
        """The URL of an empty database: sqlite, postgresql, postgresql-installed."""
        return self._sqlite_url if database == "sqlite" else self._create(database, "template0")

    def with_store(self, database: str) -> str:
        """The URL of a new store."""
        if database == "sqlite":
            shutil.copyfile(self._originals.file(), self._file)
            url = self._sqlite_url
        else:
            url = self._create(database, self._originals.name(database))
        _identify(url)
        return url

    def drop(self) -> None:
        """Drop those on servers."""
        for server, name in self._created:
            server.drop_database(name)

    @property
    def _sqlite_url(self) -> str:
        return f"sqlite:///{self._file}"

    def _create(self, database: str, template: str) -> str:
        server = self._originals.servers[database]
        name = f"test_{os.getpid()}_{uuid4().hex[:12]}"
        self._created.append((server, name))
        return server.create_database(name, template)


def _identify(url: str) -> None:
    """Past SQLAlchemy, whose first connection of an engine takes as long as the copy."""
    parsed = sa.make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    driver: Any = sqlite if is_sqlite else psycopg  # the one has no stubs, the other wants literals
    with closing(driver.connect(parsed.database if is_sqlite else url)) as connection:
        connection.execute(f"UPDATE store_meta SET value = '{uuid4().hex}' WHERE key = 'store_id'")
        connection.commit()
