"""Making a store, bringing its schema up to date, and refusing one that does not fit.

Every change of the schema, the first included, is one transaction in both databases: a process
that is killed in the middle leaves the store as it was, and running the command again completes
it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from ..domain.errors import ConflictError, SchemaVersionError, StoreError, StoreMissingError
from .engine import answer, create_engine, place, store_path, writer
from .schema import STORE_META

REVISION: Final = "0001"
"""The schema that this version of storno reads and writes: the last file in migrations/versions.
Revisions are numbered, so that an older one sorts before a newer."""

VERSION_TABLE: Final = "storno_schema"
"""Not Alembic's default name: the store may share a schema with an application that has that."""

_MIGRATION_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('storno migration', 0))"


def init(url: str | sa.URL) -> str:
    """Create a store with its schema and its id, in a new SQLite file or a PostgreSQL schema.

    Returns the store's id, 32 hexadecimal digits, which never changes.

    Raises:
        ConflictError: there is a store already.
        StoreError: the file is no SQLite database or cannot be made, or PostgreSQL's encoding is
            not UTF-8.
    """
    engine = create_engine(url)
    path = store_path(engine)
    if path is not None:
        _make_file(Path(path))
    with _disposed(engine), _changing(engine) as connection:
        if _revision(connection) is not None:
            raise ConflictError(
                f"There is a store at {place(engine)} already. Use it as it is, or name another "
                "place with --store."
            )
        _refuse_encoding(connection)
        _upgrade(connection)
        identity = uuid4().hex
        connection.execute(STORE_META.insert().values(key="store_id", value=identity))
        return identity


def migrate(url: str | sa.URL) -> tuple[str, str]:
    """Bring a store's schema up to date; returns the revisions before and after.

    Raises:
        StoreMissingError: there is no store.
        SchemaVersionError: the schema is newer than this version of storno.
    """
    engine = create_engine(url)
    with _disposed(engine), _changing(engine) as connection:
        before = _existing(engine, connection)
        _refuse_newer(engine, before)
        if before < REVISION:
            _upgrade(connection)
        return before, REVISION


def check(engine: sa.Engine) -> None:
    """Make sure that the store is there and has the schema this version works on.

    Raises:
        StoreMissingError: there is no store; says how to make one.
        SchemaVersionError: the schema is older or newer; says what to do.
        StoreError: the database cannot be reached or read.
    """
    with _reading(engine) as connection:
        found = _existing(engine, connection)
    _refuse_newer(engine, found)
    if found < REVISION:
        raise SchemaVersionError(
            f"The store at {place(engine)} has schema {found}; this version of storno works on "
            f"{REVISION}. Back it up (`storno db backup FILE`), then run `storno db migrate`."
        )


def store_id(engine: sa.Engine) -> str:
    """The id that `init` gave the store."""
    with engine.connect() as connection:
        select = sa.select(STORE_META.c.value).where(STORE_META.c.key == "store_id")
        identity: str = connection.execute(select).scalar_one()
        return identity


def _existing(engine: sa.Engine, connection: sa.Connection) -> str:
    found = _revision(connection)
    if found is None:
        raise StoreMissingError(
            f"There is no store at {place(engine)} yet. `storno db init` makes one; or name "
            "another with --store."
        )
    return found


def _refuse_newer(engine: sa.Engine, found: str) -> None:
    if found > REVISION:
        raise SchemaVersionError(
            f"The store at {place(engine)} has schema {found}, which this version of storno does "
            f"not know (it knows {REVISION}). Upgrade storno: pip install --upgrade storno"
        )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column("version_num", sa.Text))
    return connection.execute(sa.select(table.c.version_num)).scalar_one_or_none()


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    command.upgrade(config, "head")


@contextmanager
def _changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction for all of the changes, and one process at a time."""
    with _explained(engine), writer(engine).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(_MIGRATION_LOCK)
        yield connection


@contextmanager
def _reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    with _explained(engine), engine.connect() as connection:
        yield connection


@contextmanager
def _explained(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except sa.exc.DatabaseError as error:
        path = store_path(engine)
        check = (
            "the address, that the database runs, and that it lets this user in"
            if path is None
            else "that the file is a store, and that this user may write it and the folder it is in"
        )
        if path is not None and not os.access(Path(path).parent, os.W_OK):
            check += (
                ". SQLite writes beside the file also to read it. To look at a store whose folder "
                "you may not write, copy the file to a folder of yours while nobody works on it, "
                "and name the copy with --store"
            )
        raise StoreError(
            f"The store at {place(engine)} cannot be used: {answer(error)}. Check {check}."
        ) from error


@contextmanager
def _disposed(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def _make_file(path: Path) -> None:
    """An empty file, which is an empty SQLite database; one that exists is left as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise StoreError(
            f"No store can be made at {path}: {error.strerror}. Name a place where this user may "
            "write."
        ) from error


def _refuse_encoding(connection: sa.Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StoreError(
            f"The database's encoding is {encoding}, and a store needs UTF8. Create the database "
            "with: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )
