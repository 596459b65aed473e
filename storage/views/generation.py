"""Which set of view tables is live: one row, read under the append lock and moved under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from ...domain.errors import SchemaVersionError
from ..engine import writer
from ..log import EventLog
from ..schema import VIEW_GENERATION, log_tables
from .tables import VIEW_SCHEMA_VERSION, ViewTables, generation_of, generation_tables

VIEWS = f"views.v{VIEW_SCHEMA_VERSION}"
"""The name of the row. The version is in it, so that code of another version finds none."""

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
    found = (
        connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in (VIEW_GENERATION, log_tables().events)
    )
    return not any(found)


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
