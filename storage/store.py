"""The store as a run uses it: the log, and the views that every commit writes with its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import sqlalchemy as sa

from ..domain.subject import KeyStore
from ..projections.changes import Changes
from . import migrate
from .engine import create_engine
from .keys import SqlKeys, beside
from .log import Commit, EventLog, NewEvents
from .views import generation, writer


class Store:
    """An open store. Safe to share between threads; not to be taken into a forked process.

    Attributes:
        url: the address, with its password: enough to open the store from another process.
        dialect: the database.
        engine: the connections.
        log: the events; appending to it directly leaves the views behind.
        store_id: 32 hexadecimal digits, given once by ``migrate.init``.
        keys: of the personal fields.
    """

    def __init__(self, engine: sa.Engine, keys: str | KeyStore | None = None) -> None:
        self.url: str = engine.url.render_as_string(hide_password=False)
        self.dialect = cast('Literal["sqlite", "postgresql"]', engine.dialect.name)
        self.engine = engine
        self.log = EventLog(engine)
        self.store_id = migrate.store_id(engine)
        keys = beside(engine) if keys is None else keys
        self.keys: KeyStore = SqlKeys(keys) if isinstance(keys, str) else keys

    @classmethod
    def open(cls, url: str | sa.URL, *, keys: str | KeyStore | None = None) -> Store:
        """Open the store at a URL.

        Args:
            keys: where the keys of personal fields are: a URL, or a vault; where not given, in a
                file beside a SQLite store, named like it with ``.keys``, or in a table of their
                own in PostgreSQL.

        Raises:
            UsageError: the URL names no database that storno uses.
            StoreMissingError: there is no store.
            SchemaVersionError: its schema or its views are of another version of storno.
            StoreError: it cannot be reached or read.
        """
        engine = create_engine(url)
        try:
            migrate.check(engine)
            store = cls(engine, keys)
            generation.ensure(store.log)
        except BaseException:
            engine.dispose()
            raise
        return store

    def append(
        self,
        events: NewEvents,
        *,
        changes: Changes,
        expect: Mapping[str, int] = {},
        connection: sa.Connection | None = None,
    ) -> Commit:
        """Append events and write the views in one commit.

        Args:
            events: at least one; versions of a stream in order.
            changes: what ``project`` makes of the events, all of them.
            expect: streams that must still stand at a version (0: no event).
            connection: of ``writer(engine)``, its transaction begun: what it wrote commits with
                the events.

        Raises:
            StreamConflictError: a stream already holds one of the versions.
            ExpectationFailedError: a stream of ``expect`` stands elsewhere.
            StoreBusyError: another writer kept the lock for too long.
            SchemaVersionError: a newer version of storno has taken over the views.
        """
        prepared = writer.prepare(self.dialect, changes)

        def write_views(current: sa.Connection, commit: Commit) -> None:
            tables = generation.live_tables(current)
            writer.write(current, tables, prepared, commit)

        return self.log.append(events, expect=expect, project=write_views, connection=connection)

    def close(self) -> None:
        """Give up the connections."""
        self.engine.dispose()
        self.keys.close()
