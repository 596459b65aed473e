"""The log, and the mutable tables beside it.

A migration is history: it spells its tables out and imports nothing that may change after it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, and the triggers that keep the log append-only."""
    _create_log()
    _create_store()
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite("events", "position", "stream = NEW.stream AND version = NEW.version")
        _guard_sqlite("commits", "number", "first_position = NEW.first_position")


def _create_log() -> None:
    op.create_table(
        "events",
        sa.Column("position", BIG, primary_key=True, autoincrement=False),
        sa.Column("stream", TEXT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("stream", "version", name="events_stream_version"),
    )
    op.create_table(
        "commits",
        sa.Column("number", BIG, primary_key=True, autoincrement=False),
        sa.Column("first_position", BIG, nullable=False, unique=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("recorded_at", BIG, nullable=False),
        sa.Column("merkle_root", sa.LargeBinary, nullable=False),
        sa.Column("chain_hash", sa.LargeBinary, nullable=False),
    )


def _create_store() -> None:
    op.create_table(
        "store_meta",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
    )
    op.create_table(
        "tracking",
        sa.Column("application_name", TEXT, primary_key=True),
        sa.Column("notification_id", BIG, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("renewed_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
    )
    op.create_table(
        "view_generation",
        sa.Column("view", TEXT, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
    )


def _guard_postgresql() -> None:
    op.execute(
        """
        CREATE OR REPLACE FUNCTION storno_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION USING
                ERRCODE = 'restrict_violation',
                MESSAGE = TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused';
        END
        $$
        """
    )
    for table in ("events", "commits"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_append_only
            BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION storno_append_only()
            """
        )


def _guard_sqlite(table: str, number: str, taken: str) -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is append-only: {verb} is refused'); END
            """
        )
    following = f"(SELECT coalesce(max({number}), 0) + 1 FROM {table})"
    op.execute(
        f"""
        CREATE TRIGGER {table}_next_only BEFORE INSERT ON {table}
        WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) OR NEW.{number} <> {following}
        BEGIN SELECT CASE WHEN NEW.{number} <> {following}
            THEN RAISE(ABORT, '{table} is append-only: the next {number} is the last plus one')
            ELSE RAISE(ABORT, '{table} is append-only: the row is taken')
        END; END
        """
    )
