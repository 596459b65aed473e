"""The floor: the event rows of a Storno run inserted again, and nothing else.

No reading, no validation, no hashing, no views, no triggers: only the rows, their unique index and
a commit for every 1,000 of them. Fetching the rows from the run's store is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite

from .connect import apply_pragmas, is_sqlite, sqlite_path
from .task import CHUNK, Task
from .timing import Stopwatch

Row = tuple[int, str, int, str, bytes]
Insert = Callable[[list[Row]], None]

_SQLITE_TABLE = (
    "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL,"
    " version INTEGER NOT NULL, topic TEXT NOT NULL, state BLOB NOT NULL)"
)
_POSTGRES_TABLE = (
    'CREATE TABLE events (position BIGINT PRIMARY KEY, stream TEXT COLLATE "C" NOT NULL,'
    " version INTEGER NOT NULL, topic TEXT NOT NULL, state BYTEA NOT NULL)"
)
_INDEX = "CREATE UNIQUE INDEX events_stream_version ON events (stream, version)"
_UNNEST = (
    "INSERT INTO events (position, stream, version, topic, state) SELECT * FROM"
    " unnest(%b::bigint[], %b::text[], %b::integer[], %b::text[], %b::bytea[])"
)


def run(task: Task) -> tuple[float, float]:
    """Insert the rows of ``task.source`` into an empty table."""
    insert = _sqlite_insert(task.url) if is_sqlite(task.url) else _postgres_insert(task.url)
    watch = Stopwatch()
    for rows in _rows(task.source):
        with watch:
            insert(rows)
    return watch.reading


def _rows(source: str) -> Iterator[list[Row]]:
    connection = sqlite.connect(f"file:{source}?mode=ro", uri=True)
    cursor = connection.execute(
        "SELECT position, stream, version, topic, state FROM events ORDER BY position"
    )
    while rows := cursor.fetchmany(CHUNK):
        yield rows
    connection.close()


def _sqlite_insert(url: str) -> Insert:
    connection = sqlite.connect(sqlite_path(url), isolation_level=None)
    apply_pragmas(connection)
    connection.execute(_SQLITE_TABLE)
    connection.execute(_INDEX)

    def insert(rows: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")

    return insert


def _postgres_insert(url: str) -> Insert:
    connection: psycopg.Connection[Any] = psycopg.connect(url)
    connection.execute(_POSTGRES_TABLE)
    connection.execute(_INDEX)
    connection.commit()

    def insert(rows: list[Row]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(_UNNEST, columns)
        connection.commit()

    return insert


def expected(task: Task) -> Mapping[str, int]:
    """Every row of the run's store."""
    connection = sqlite.connect(f"file:{task.source}?mode=ro", uri=True)
    (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    (states,) = connection.execute("SELECT sum(length(state)) FROM events").fetchone()
    connection.close()
    return {
        "SELECT count(*) FROM events": events,
        "SELECT sum(length(state)) FROM events": states,
    }
