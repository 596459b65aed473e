"""Connections to a store: the driver, the SQLite and the durability settings all legs share."""

from __future__ import annotations

from typing import Any

import pysqlite3.dbapi2 as sqlite
import sqlalchemy as sa

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-8192",
    "PRAGMA wal_autocheckpoint=16000",
)
"""What Storno sets on its own connections; the other legs get the same. A test compares them."""


def sqlite_path(url: str) -> str:
    """The file behind an SQLite URL."""
    return url.removeprefix("sqlite:///")


def is_sqlite(url: str) -> bool:
    """Whether the store is an SQLite file."""
    return url.startswith("sqlite:")


def sqlalchemy_url(url: str) -> str:
    """The URL with the driver that every leg uses."""
    return url if is_sqlite(url) else url.replace("postgresql:", "postgresql+psycopg:", 1)


def engine(url: str) -> sa.Engine:
    """An engine with the durability settings of :data:`SQLITE_PRAGMAS`."""
    if not is_sqlite(url):
        return sa.create_engine(sqlalchemy_url(url))
    made = sa.create_engine(url, module=sqlite)
    sa.event.listen(made, "connect", lambda connection, _: apply_pragmas(connection))
    return made


def apply_pragmas(connection: Any) -> None:
    """Set :data:`SQLITE_PRAGMAS` on a DB-API connection."""
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
