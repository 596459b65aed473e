"""From a statement to typed rows."""

from __future__ import annotations

from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct

RowType = TypeVar("RowType", bound=Struct)


def columns_for(row: type[Struct], table: sa.Table) -> list[sa.Column[Any]]:
    """The table's columns that the row has a field for, in the order of the fields."""
    return [table.c[name] for name in row.__struct_fields__ if name in table.c]


def read(connection: sa.Connection, select: sa.Select[Any], row: type[RowType]) -> list[RowType]:
    """The rows that a statement gives; its columns are the fields of ``row``."""
    return [row(**found) for found in connection.execute(select).mappings()]


def begins_with(column: sa.ColumnElement[str], start: str) -> sa.ColumnElement[bool]:
    """Whether text begins so, letter by letter: SQLite's LIKE takes capitals for small letters."""
    return sa.func.substr(column, 1, len(start)) == start
