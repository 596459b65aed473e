"""Moving SQLite's write-ahead log into the database file beside the commits, not in one of them.

Else every commit that fills the log waits a tenth of a second until 64 MB are in the file and on
the disk. What the checkpoints here leave over, the next such commit still moves itself.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from typing import Final, Self

import sqlalchemy as sa

BYTES: Final = 8 * 1024 * 1024
"""So much is written between two checkpoints, more or less."""


class Checkpointer:
    """Checkpoints in a thread of its own while it is entered; does nothing on PostgreSQL."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._written = 0
        self._due = Event()
        self._ended = False
        self._thread = Thread(target=self._work, name="storno-checkpoint", daemon=True)

    def __enter__(self) -> Self:
        if self._engine.dialect.name == "sqlite":
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()

    def wrote(self, count: int) -> None:
        """Count bytes that were committed."""
        self._written += count
        if self._written >= BYTES:
            self._written = 0
            self._due.set()

    def _work(self) -> None:
        while self._due.wait() and not self._ended:
            self._due.clear()
            # Another process is at it, or the disk is full: then a commit meets it, and says so.
            with suppress(sa.exc.DBAPIError), self._engine.connect() as connection:
                cursor = connection.connection.cursor()  # SQLAlchemy's would begin to read
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                cursor.close()
