"""The log, and the mutable tables beside it."""

from __future__ import annotations

from alembic import op

from storno.storage.schema import STORE, create_log, log_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the triggers that keep the log append-only."""
    connection = op.get_bind()
    create_log(connection, log_tables())
    STORE.create_all(connection)
