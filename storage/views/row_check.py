"""Compares views that have a key with others of the same columns, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ...projections.changes import KEYS
from .difference import MOST_DIFFERENCES, Difference, differences
from .tables import COLUMNS, ViewTables


def count_differing(
    connection: sa.Connection, view: str, live: ViewTables, rebuilt: ViewTables
) -> int:
    """How many rows differ, or are on one side alone."""
    key = ", ".join(KEYS[view])
    count: int = connection.exec_driver_sql(
        f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM ({_either(view, live, rebuilt)}) "
        "AS either) AS differing"
    ).scalar_one()
    return count


def first_differences(
    connection: sa.Connection, view: str, live: ViewTables, rebuilt: ViewTables
) -> Iterator[Difference]:
    """What differs in the first rows, in the order of their keys."""
    key = KEYS[view]
    rows = connection.exec_driver_sql(
        f"SELECT * FROM ({_either(view, live, rebuilt)}) AS either "
        f"ORDER BY {', '.join((*key, 'side'))} LIMIT {2 * MOST_DIFFERENCES}"
    )
    for _, pair in groupby(rows.mappings(), lambda row: tuple(row[name] for name in key)):
        sides: list[dict[str, Any] | None] = [None, None]
        for row in pair:
            sides[row["side"]] = {name: row[name] for name in COLUMNS[view]}
        yield from differences(view, key, *sides)


def _either(view: str, live: ViewTables, rebuilt: ViewTables) -> str:
    """The rows that only one side has, the live one's with side 0 and the other's with 1."""
    names = ", ".join(COLUMNS[view])
    sides = (live.name(view), rebuilt.name(view))
    parts = (
        f"SELECT {side} AS side, part.* FROM "
        f"(SELECT {names} FROM {sides[side]} EXCEPT SELECT {names} FROM {sides[1 - side]}) AS part"
        for side in (0, 1)
    )
    return " UNION ALL ".join(parts)
