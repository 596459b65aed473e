"""How much the views hold."""

from __future__ import annotations

import sqlalchemy as sa

from ..store import Store
from ..views.generation import live_views
from ..views.tables import COLUMNS


def view_rows(store: Store) -> dict[str, int]:
    """The number of rows of every view, by its name."""
    with live_views(store.engine) as (connection, views):
        counts = {
            name: connection.execute(sa.select(sa.func.count()).select_from(views[name]))
            for name in COLUMNS
        }
        return {name: counted.scalar_one() for name, counted in counts.items()}
