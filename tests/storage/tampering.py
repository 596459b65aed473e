"""What somebody does who may do everything in the database: the triggers go first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from storno.storage.engine import writer


@contextmanager
def tampered(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection on which nothing is refused; what it changed stays changed."""
    with writer(engine).begin() as connection:
        if engine.dialect.name == "sqlite":
            found = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for trigger in connection.exec_driver_sql(found).scalars().all():
                connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        else:
            for table in ("events", "commits"):
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield connection
