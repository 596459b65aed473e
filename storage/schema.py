"""The store's fixed tables, and the triggers that keep the log append-only.

Every log is a pair of tables, ``events`` and ``commits``; the store's own has these names, other
applications' logs carry a prefix. The views' tables belong to the package ``views``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import sqlalchemy as sa

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that compares byte for byte in both databases."""

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits; in SQLite the type whose primary key is the row's own number."""


class LogTables(NamedTuple):
    """The two tables of one log."""

    events: sa.Table
    commits: sa.Table


@lru_cache
def log_tables(application: str = "") -> LogTables:
    """The tables of an application's log; "" is the store's own."""
    metadata = sa.MetaData()
    prefix = table_prefix(application)
    return LogTables(_events(metadata, prefix), _commits(metadata, prefix))


def table_prefix(application: str) -> str:
    """What an application's tables begin with; distinct names give distinct prefixes."""
    if not application:
        return ""
    safe = re.sub("[^a-z0-9_]", "_", application.lower())[:32]
    if safe != application:
        safe = f"{safe}_{sha256(application.encode()).hexdigest()[:8]}"
    return f"{safe}_"


def _events(metadata: sa.MetaData, prefix: str) -> sa.Table:
    return sa.Table(
        f"{prefix}events",
        metadata,
        sa.Column("position", BIG, primary_key=True, autoincrement=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("stream", "version", name=f"{prefix}events_stream_version"),
    )


def _commits(metadata: sa.MetaData, prefix: str) -> sa.Table:
    return sa.Table(
        f"{prefix}commits",
        metadata,
        sa.Column("number", BIG, primary_key=True, autoincrement=False),
        sa.Column("first_position", BIG, nullable=False, unique=True),
        sa.Column("count", sa.Integer, nullable=False),
        # Microseconds since 1970-01-01 UTC.
        sa.Column("recorded_at", BIG, nullable=False),
        sa.Column("merkle_root", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )


STORE = sa.MetaData()
"""The mutable tables beside the log."""

STORE_META = sa.Table(
    "store_meta",
    STORE,
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
)


@lru_cache
def tracking_table(application: str = "") -> sa.Table:
    """How far an application has followed other applications' logs; "" is the store's own."""
    return _tracking(sa.MetaData(), table_prefix(application))


def _tracking(metadata: sa.MetaData, prefix: str) -> sa.Table:
    return sa.Table(
        f"{prefix}tracking",
        metadata,
        sa.Column("application_name", TEXT, primary_key=True),
        sa.Column("notification_id", BIG, nullable=False),
    )


TRACKING = _tracking(STORE, "")

LEASES = sa.Table(
    "leases",
    STORE,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("holder", TEXT, nullable=False),
    # Both in microseconds since 1970-01-01 UTC, by the database's clock.
    sa.Column("renewed_at", BIG, nullable=False),
    sa.Column("expires_at", BIG, nullable=False),
)

VIEW_GENERATION = sa.Table(
    "view_generation",
    STORE,
    sa.Column("view", TEXT, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
)


def create_log(connection: sa.Connection, tables: LogTables) -> None:
    """Create a log's tables where they are missing, and its triggers."""
    tables.events.metadata.create_all(connection)
    for statement in append_only(tables, connection.dialect.name):
        connection.exec_driver_sql(statement)


def append_only(tables: LogTables, dialect: str) -> list[str]:
    """The statements that make UPDATE, DELETE and TRUNCATE on a log's tables fail."""
    events, commits = tables.events.name, tables.commits.name
    if dialect == "postgresql":
        return [_POSTGRESQL_FUNCTION, *_postgresql(events), *_postgresql(commits)]
    return [
        *_sqlite(events, "position", "stream = NEW.stream AND version = NEW.version"),
        *_sqlite(commits, "number", "first_position = NEW.first_position"),
    ]


_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION storno_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused';
END
$$
"""


def _postgresql(table: str) -> list[str]:
    return [
        f"""
        CREATE OR REPLACE TRIGGER {table}_append_only
        BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION storno_append_only()
        """
    ]


def taken_message(table: str) -> str:
    """What SQLite says when a row is inserted whose stream and version are there already."""
    return f"{table} is append-only: the row is taken"


def _sqlite(table: str, number: str, taken: str) -> list[str]:
    """Refuse changes, and every row but the next: INSERT OR REPLACE deletes what is in its way."""
    refusals = [
        f"""
        CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, '{table} is append-only: {verb} is refused'); END
        """
        for verb in ("UPDATE", "DELETE")
    ]
    following = f"(SELECT coalesce(max({number}), 0) + 1 FROM {table})"
    guard = f"""
        CREATE TRIGGER IF NOT EXISTS {table}_next_only BEFORE INSERT ON {table}
        WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) OR NEW.{number} <> {following}
        BEGIN SELECT CASE WHEN NEW.{number} <> {following}
            THEN RAISE(ABORT, '{table} is append-only: the next {number} is the last plus one')
            ELSE RAISE(ABORT, '{taken_message(table)}')
        END; END
        """
    return [*refusals, guard]
