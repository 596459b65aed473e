"""The stored rows of the commits, in order and as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa

from ..schema import LogTables

ROWS_AT_ONCE: Final = 1_000


class StoredCommits:
    """The commits that a connection sees; their values may be of any type."""

    def __init__(self, connection: sa.Connection, tables: LogTables) -> None:
        self._connection = connection
        self._tables = tables

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows, by number."""
        number = self._tables.commits.c.number
        select = sa.select(self._tables.commits).order_by(number).limit(ROWS_AT_ONCE)
        rows = self._fetch(select)
        while rows:
            yield from rows
            rows = self._fetch(select.where(number > rows[-1][0]))

    def row(self, number: int) -> tuple[Any, ...] | None:
        """One row, None where it is not there."""
        select = sa.select(self._tables.commits).where(self._tables.commits.c.number == number)
        return next(iter(self._fetch(select)), None)

    def last_number(self) -> int:
        """The last commit's number, 0 where there is none."""
        return self._last(self._tables.commits.c.number)

    def last_position(self) -> int:
        """The last event's position, 0 where there is none, or something else stands in its place.

        It need not belong to a commit.
        """
        return self._last(self._tables.events.c.position)

    def _fetch(self, select: sa.Select[Any]) -> list[tuple[Any, ...]]:
        # The driver's own cursor: a column's type would choke on a value of another one.
        cursor: Any = self._connection.execute(select).cursor
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _last(self, column: sa.ColumnElement[int]) -> int:
        last: Any = self._connection.execute(sa.select(sa.func.max(column))).scalar_one()
        return last if isinstance(last, int) else 0
