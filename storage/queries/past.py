"""All views as they stood at a moment, from the events alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.errors import NotFoundError
from ...projections.changes import KEYS
from ..store import Store
from ..views.past import reached, views_at
from ..views.replay import Progress, Reach
from ..views.tables import COLUMNS, ViewTables

ROWS_AT_ONCE: Final = 1_000


class Past(Struct, frozen=True):
    """The views at a moment; to be read while ``past`` is open."""

    at: Reach
    _connection: sa.Connection
    _tables: ViewTables

    def counts(self) -> dict[str, int]:
        """The number of rows of every view, by its name."""
        return {view: self._count(view) for view in COLUMNS}

    def rows(self, view: str) -> Iterator[dict[str, Any]]:
        """A view's rows by the names of their columns, in the order of their keys.

        Movements, which have no key, by commit, account and dates.
        """
        table = self._tables[view]
        key = KEYS.get(view) or tuple(COLUMNS[view])
        select = sa.select(table).order_by(*(table.c[name] for name in key))
        rows = self._connection.execute(select, execution_options={"yield_per": ROWS_AT_ONCE})
        return (dict(row) for row in rows.mappings())

    def _count(self, view: str) -> int:
        select = sa.select(sa.func.count()).select_from(self._tables[view])
        return self._connection.execute(select).scalar_one()


def moment_of(store: Store, *, as_of: int | None = None, position: int | None = None) -> Reach:
    """How far the store's log went: now, at a time, or with an event.

    Args:
        store: whose log.
        as_of: microseconds since 1970-01-01 UTC.
        position: an event's, from 1; 0 is before the first. The commit that holds it is meant
            whole, as nobody ever saw a part of it.

    Raises:
        NotFoundError: there is no event at the position.
    """
    now = reached(store.log)
    if position is not None and not 0 <= position <= now.position:
        raise NotFoundError(
            f"there is no event at position {position}: the last one is at {now.position}."
        )
    return reached(store.log, as_of=as_of, position=position)


@contextmanager
def past(store: Store, at: Reach, progress: Progress | None = None) -> Iterator[Past]:
    """All views as they stood at a moment.

    Args:
        store: whose events.
        at: what ``moment_of`` gave.
        progress: told after every batch of events.
    """
    with views_at(store.log, at, progress) as (connection, tables):
        yield Past(at, connection, tables)
