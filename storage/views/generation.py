"""Which set of view tables is live: one row, read under the append lock and moved under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from ...domain.errors import SchemaVersionError
from ..engine import writer
from ..log import EventLog
from ..schema import VIEW_GENERATION, log_tables
from .tables import VIEW_SCHEMA_VERSION, ViewTables, generation_of, generation_tables

VIEWS = f"views.v{VIEW_SCHEMA_VERSION}"
"""The name of the row. The version is in it, so that code of another version finds none."""

MOST_TRIES: Final = 5
"""How often a reader begins, if every time the views are swapped and dropped under it."""

_SELECT = f"SELECT generation FROM {VIEW_GENERATION.name} WHERE view = '{VIEWS}'"


def create_first(connection: sa.Connection) -> None:
    """Create the views of a store that has no events yet, in the caller's transaction."""
    tables = generation_tables(1)
    tables.create(connection)
    point_to(connection, 1)


def ensure(log: EventLog) -> None:
    """Make sure that there are views which this version can read and write.

    A store without events that never had views gets them.

    Raises:
        SchemaVersionError: the views were made by another version of storno.
    """
    with log.engine.connect() as connection:
        if find_generation(connection) is not None:
            return
    with append_lock(log) as connection:
        if _is_new(connection):
            create_first(connection)
        live_generation(connection)


def _is_new(connection: sa.Connection) -> bool:
    return not has_views(connection) and _is_empty(connection, log_tables().events)


def has_views(connection: sa.Connection) -> bool:
    """Whether there are views, of whatever version."""
    return not _is_empty(connection, VIEW_GENERATION)


def _is_empty(connection: sa.Connection, table: sa.Table) -> bool:
    one = sa.select(sa.literal(1)).select_from(table).limit(1)
    return connection.execute(one).first() is None


@contextmanager
def append_lock(log: EventLog) -> Iterator[sa.Connection]:
    """A transaction during which nobody appends; commits at the end."""
    with writer(log.engine).begin() as connection:
        log._database.lock(connection)
        yield connection


def live_generation(connection: sa.Connection) -> int:
    """The number of the live generation.

    Raises:
        SchemaVersionError: the views were made by another version of storno.
    """
    generation = find_generation(connection)
    if generation is None:
        raise SchemaVersionError(
            "The store's views were made by another version of storno. Run `storno db migrate` "
            "with the newest version that uses the store: it makes them anew from the events."
        )
    return generation


def find_generation(connection: sa.Connection) -> int | None:
    """The number of the live generation; None where its tables are of another version."""
    row = connection.exec_driver_sql(_SELECT).first()
    return None if row is None else int(row[0])


def live_tables(connection: sa.Connection) -> ViewTables:
    """The tables of the live generation."""
    return generation_tables(live_generation(connection))


def point_to(connection: sa.Connection, generation: int) -> None:
    """Make a generation the live one; the caller holds the append lock."""
    connection.execute(VIEW_GENERATION.delete())
    connection.execute(VIEW_GENERATION.insert().values(view=VIEWS, generation=generation))


def all_generations(connection: sa.Connection) -> set[int]:
    """Every generation of which there is a table, live or left over."""
    names = sa.inspect(connection).get_table_names()
    return {number for name in names if (number := generation_of(name)) is not None}


@contextmanager
def live_views(engine: sa.Engine) -> Iterator[tuple[sa.Connection, ViewTables]]:
    """One state of the store to read: the connection, and the views that are live in it."""
    connection, tables = _open(engine)
    with connection:
        yield connection, tables


def _open(engine: sa.Engine) -> tuple[sa.Connection, ViewTables]:
    """Begin to read, and begin anew where the views were swapped and dropped in between."""
    tries = MOST_TRIES
    while True:
        connection = snapshot(engine)
        try:
            tables = live_tables(connection)
            _hold(connection, tables)
        except BaseException as error:
            connection.close()
            tries -= 1
            if not tries or not isinstance(error, sa.exc.ProgrammingError):
                raise
        else:
            return connection, tables


def snapshot(engine: sa.Engine) -> sa.Connection:
    """A connection whose transaction sees one state of the store, however long it reads."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    return engine.connect()


def _hold(connection: sa.Connection, tables: ViewTables) -> None:
    """Keep PostgreSQL's tables from being dropped while we read; SQLite's snapshot has them."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(tables.metadata.tables)
        connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
