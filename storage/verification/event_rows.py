"""The stored rows of the events, in order and as they are.

Rows are fetched a few at a time, so that they are hashed while the processor's cache still holds
them: measured, 200 are fastest in SQLite, and 1,000 cost a seventh more. A server's answer is
worth more of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

ROWS_AT_ONCE: Final = {"sqlite": 200, "postgresql": 5_000}

_UNPRECEDED: Final = """
SELECT 1 FROM {table} AS event
WHERE position BETWEEN {given} AND {given} AND version <> 1 AND (
    version < 1 OR NOT EXISTS (
        SELECT 1 FROM {table} AS before
        WHERE before.stream = event.stream AND before.version = event.version - 1
        AND before.position < event.position
    )
)
LIMIT 1
"""

StoredRow = tuple[Any, ...]
"""Position, stream, version, topic and state as they come from the driver, of whatever types."""


class EventRows:
    """The events that a connection sees.

    The driver's own cursor gives plain tuples, in four fifths of the time.

    Args:
        driver: a connection of the database's driver.
        database: sqlite or postgresql.
        table: the events' name.
    """

    def __init__(self, driver: Any, database: str, table: str) -> None:
        self._driver = driver
        self._is_file = database == "sqlite"
        self._at_once = ROWS_AT_ONCE[database]
        self._select = f"SELECT position, stream, version, topic, state FROM {table} WHERE"
        self._unpreceded = _UNPRECEDED.format(table=table, given="?" if self._is_file else "%s")

    def between(self, after: int | None, until: int) -> Iterator[list[StoredRow]]:
        """The rows behind a position up to another, a few at a time.

        Args:
            after: None begins with whatever comes first, be its position below 1.
            until: the last position.
        """
        return self._streamed(after, until) if self._is_file else self._paged(after, until)

    def are_preceded(self, first: int, last: int) -> bool:
        """Whether each event is its stream's first, or has the version before it further up.

        Args:
            first: the position of the first event that is looked at.
            last: of the last one.
        """
        with closing(self._driver.cursor()) as cursor:
            cursor.execute(self._unpreceded, (first, last))
            return cursor.fetchone() is None

    def _streamed(self, after: int | None, until: int) -> Iterator[list[StoredRow]]:
        behind = "" if after is None else f"position > {after:d} AND"
        with closing(self._driver.cursor()) as cursor:
            # Not as parameters, which have 64 bits: a row that was changed may add up to more.
            cursor.execute(f"{self._select} {behind} position <= {until:d} ORDER BY position")
            while rows := cursor.fetchmany(self._at_once):
                yield rows

    def _paged(self, after: int | None, until: int) -> Iterator[list[StoredRow]]:
        behind = "position > %s AND"
        with closing(self._driver.cursor(binary=True)) as cursor:
            while True:
                cursor.execute(
                    f"{self._select} {'' if after is None else behind} position <= %s "
                    f"ORDER BY position LIMIT {self._at_once}",
                    (until,) if after is None else (after, until),
                )
                rows = cursor.fetchall()
                if rows:
                    yield rows
                if len(rows) < self._at_once:
                    return
                after = rows[-1][0]
