"""Where the versions of a stream do not count from 1, in the order of the log.

Every event is asked for the one before it, by the index over streams and versions. Only for a log
with something wrong: ``roots`` sees whether they do.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from ..schema import LogTables
from .problems import MOST_PROBLEMS, Problem


def broken_streams(
    connection: sa.Connection, tables: LogTables, *, after_position: int
) -> Iterator[Problem]:
    """The first events behind a position whose stream has no event one version before them."""
    event, before = tables.events.alias("event"), tables.events.alias("before")
    of_stream = (before.c.stream == event.c.stream) & (before.c.version == event.c.version - 1)
    preceded = sa.exists().where(of_stream & (before.c.position < event.c.position))
    select = (
        sa.select(event.c.position, event.c.stream, event.c.version)
        .where(
            event.c.position > after_position,
            event.c.version != 1,
            (event.c.version < 1) | ~preceded,
        )
        .order_by(event.c.position)
        .limit(MOST_PROBLEMS)
    )
    for position, stream, version in connection.execute(select):
        yield Problem(
            field="version",
            message=f"{stream} has version {version} here, and no event of the version before "
            "it further up: one was taken out, put in, moved or numbered anew",
            commit=commit_of(connection, tables, position),
            position=position,
            stream=stream,
            version=version if isinstance(version, int) else None,
        )


def commit_of(connection: sa.Connection, tables: LogTables, position: int) -> int | None:
    """The number of the commit that holds a position, None for none."""
    commits = tables.commits.c
    select = sa.select(sa.func.max(commits.number)).where(commits.first_position <= position)
    number: int | None = connection.execute(select).scalar_one()
    return number
