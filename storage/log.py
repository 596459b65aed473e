"""The event log: one way to append, and the reads that everything else is made from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import sqlalchemy as sa

from ..domain.errors import ExpectationFailedError
from ..domain.seal import EMPTY_CHAIN, NewEvents, commit_leaf, event_leaves, merkle_root
from .dialect import Commit, Head, LogDialect, Row
from .engine import lock_timeout_seconds, writer
from .schema import LogTables, log_tables
from .sqlite import SQLiteLog

__all__ = ["Commit", "EventLog", "NewEvents", "Project", "Row"]

Project: TypeAlias = Callable[[sa.Connection, Commit], None]
"""Writes the views that belong to a commit, under the append lock, in its transaction."""

PAGE: Final = 1000
"""Rows or names handled by one statement when a read may be of any size."""


class EventLog:
    """One application's log in a store; "" is the store's own.

    Safe to share between threads. Reads see committed events only, and every prefix of the log
    they see is whole: positions are given out under one lock, which is held until the commit.
    """

    def __init__(self, engine: sa.Engine, application: str = "") -> None:
        self.engine = engine
        self._writer = writer(engine)
        self.tables: LogTables = log_tables(application)
        self._database: LogDialect = _dialect(engine, self.tables)

    def append(
        self,
        events: NewEvents,
        *,
        expect: Mapping[str, int] = {},
        project: Project | None = None,
        connection: sa.Connection | None = None,
    ) -> Commit:
        """Append events as one commit, all or nothing.

        Args:
            events: at least one; versions of a stream in order.
            expect: streams that must still stand at a version (0: no event), checked under
                the lock; for streams that the decision read and does not write.
            project: called under the lock after the inserts, before COMMIT.
            connection: a connection of ``writer(engine)`` with a transaction begun, whose own
                writes are to commit with the events; append ends that transaction.

        Raises:
            StreamConflictError: a stream already holds one of the versions.
            ExpectationFailedError: a stream of ``expect`` stands elsewhere.
            StoreBusyError: another writer kept the lock for too long.

        Whatever is raised, nothing was written, unless the connection broke during COMMIT
        itself: then the stream tells (see read_stream).
        """
        if not events:
            raise ValueError("a commit holds at least one event")
        root = merkle_root(event_leaves(events))
        with self._transaction(connection) as current:
            try:
                return self._append(current, events, root, expect, project)
            except sa.exc.DBAPIError as error:
                explained = self._database.explain(current, error, events)
                if explained is None:
                    raise
                raise explained from error

    def lock(self, connection: sa.Connection) -> None:
        """Take the append lock, until the connection's transaction ends: nobody appends meanwhile.

        Args:
            connection: of ``writer(engine)``, its transaction begun; ``append`` takes it.

        Raises:
            StoreBusyError: another writer kept the lock for too long.
        """
        try:
            self._database.lock(connection)
        except sa.exc.DBAPIError as error:
            explained = self._database.explain(connection, error, NewEvents([], [], [], []))
            if explained is None:
                raise
            raise explained from error

    def read_stream(self, stream: str, *, after_version: int = 0) -> list[Row]:
        """A stream's events in order, from the version after the one named."""
        events = self.tables.events.c
        return self._read(
            self._select()
            .where(events.stream == stream, events.version > after_version)
            .order_by(events.version)
        )

    def read_streams(self, streams: Sequence[str]) -> dict[str, list[Row]]:
        """The events of many streams; names without events are left out."""
        found: dict[str, list[Row]] = {}
        with self.engine.connect() as connection:
            for start in range(0, len(streams), PAGE):
                names = streams[start : start + PAGE]
                for row in self._database.read_streams(connection, names):
                    found.setdefault(row.stream, []).append(row)
        return found

    def is_touched(self, prefixes: Sequence[str], *, after_position: int) -> bool:
        """Whether a stream whose name begins so has an event behind a position."""
        stream, position = self.tables.events.c.stream, self.tables.events.c.position
        named = [sa.func.substr(stream, 1, len(prefix)) == prefix for prefix in prefixes]
        select = sa.select(sa.literal(1)).where(position > after_position, sa.or_(*named))
        with self.engine.connect() as connection:
            return connection.execute(select.limit(1)).first() is not None

    def last_stream(self, prefix: str) -> str | None:
        """The last of the streams whose name begins with prefix, bytewise; None without any."""
        stream = self.tables.events.c.stream
        last = sa.select(stream).where(stream >= prefix).order_by(stream.desc()).limit(1)
        end = _after(prefix)
        with self.engine.connect() as connection:
            return connection.execute(last if end is None else last.where(stream < end)).scalar()

    def versions(self, streams: Sequence[str]) -> dict[str, int]:
        """The versions of streams; names without events are left out."""
        with self.engine.connect() as connection:
            return self._database.versions(connection, streams)

    def read_prefix(self, prefix: str) -> Iterator[Row]:
        """Events of the streams whose name begins with prefix, by stream (bytewise) and version.

        Reads page by page, each by itself: no transaction stays open between two rows.
        """
        events = self.tables.events.c
        key = sa.tuple_(events.stream, events.version)
        page = self._select().order_by(events.stream, events.version).limit(PAGE)
        end = _after(prefix)
        if end is not None:
            page = page.where(events.stream < end)
        rows = self._read(page.where(events.stream >= prefix))
        while rows:
            yield from rows
            last = rows[-1]
            rows = self._read(page.where(key > (last.stream, last.version)))

    def read_log(self, *, after_position: int = 0, limit: int = PAGE) -> list[Row]:
        """Up to limit events in order of position, from the one after the position named."""
        position = self.tables.events.c.position
        return self._read(
            self._select().where(position > after_position).order_by(position).limit(limit)
        )

    def commits(self, *, after_number: int = 0, limit: int = PAGE) -> list[Commit]:
        """Up to limit commits in order, from the one after the number named."""
        number = self.tables.commits.c.number
        select = sa.select(self.tables.commits).where(number > after_number)
        with self.engine.connect() as connection:
            rows = connection.execute(select.order_by(number).limit(limit))
            return [Commit(*row) for row in rows]

    def head(self) -> Commit | None:
        """The last commit, or None for an empty log."""
        return self._head().commit

    def now(self) -> int:
        """The database's clock, in microseconds since 1970-01-01 UTC."""
        with self.engine.connect() as connection:
            return self._database.now(connection)

    def _head(self) -> Head:
        with self.engine.connect() as connection:
            return self._database.head(connection)

    @contextmanager
    def _transaction(self, connection: sa.Connection | None) -> Iterator[sa.Connection]:
        if connection is None:
            with self._writer.begin() as own:
                yield own
            return
        if not connection.in_transaction():
            raise ValueError("the connection given to append has no transaction begun")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def _append(
        self,
        connection: sa.Connection,
        events: NewEvents,
        root: bytes,
        expect: Mapping[str, int],
        project: Project | None,
    ) -> Commit:
        database = self._database
        database.lock(connection)
        commit = _next(database.head(connection), len(events), root)
        if expect:
            _check(expect, database.versions(connection, list(expect)))
        database.insert(connection, commit, events)
        if project is not None:
            project(connection, commit)
        return commit

    def _select(self) -> sa.Select[int, str, int, str, bytes]:
        events = self.tables.events.c
        return sa.select(events.position, events.stream, events.version, events.topic, events.state)

    def _read(self, select: sa.Select[int, str, int, str, bytes]) -> list[Row]:
        with self.engine.connect() as connection:
            # Fetched at once: row by row it takes half as long again.
            return list(map(Row._make, connection.execute(select).all()))


def _dialect(engine: sa.Engine, tables: LogTables) -> LogDialect:
    if engine.dialect.name == "sqlite":
        return SQLiteLog(tables)
    # psycopg is an extra, and imported where PostgreSQL is used.
    from .postgresql import PostgreSQLLog

    return PostgreSQLLog(tables, lock_timeout_seconds(engine))


def _next(head: Head, count: int, root: bytes) -> Commit:
    """The commit after the head: positions without gaps, time that never runs backwards."""
    last = head.commit
    number = 1 if last is None else last.number + 1
    first = 1 if last is None else last.last_position + 1
    recorded_at = head.now if last is None else max(last.recorded_at, head.now)
    previous = EMPTY_CHAIN if last is None else last.chain_hash
    chain = commit_leaf(number, first, count, recorded_at, root, previous)
    return Commit(number, first, count, recorded_at, root, chain)


def _check(expect: Mapping[str, int], versions: Mapping[str, int]) -> None:
    for stream, expected in expect.items():
        actual = versions.get(stream, 0)
        if actual != expected:
            raise ExpectationFailedError(stream, expected, actual)


def _after(prefix: str) -> str | None:
    """The smallest string after all that begin with prefix, in the order of UTF-8's bytes.

    None where there is none: the prefix is empty, or consists of the very last character.
    """
    stem = prefix.rstrip(chr(sys.maxunicode))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    # Surrogates are no characters, and cannot be encoded.
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)
