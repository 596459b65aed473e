"""A query's key, between the database and an offset."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ...domain.errors import SourceError
from .base import Offset, offset_part

_READ: dict[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
}
"""How keys of the types that JSON does not have are read again, by the type's name."""


def key_offset(key: Any, row: int) -> Offset:
    """The offset behind the row with a key, the ``row``-th of the query, from 1."""
    kind = type(key).__name__
    if kind in ("int", "str"):
        return {"after": key, "row": row}
    if kind in _READ:
        return {"after": str(key), "type": kind, "row": row}
    raise SourceError(
        f"The key {key!r} is a {kind}: page by a column of whole numbers, text, dates or UUIDs."
    )


def offset_key(offset: Offset) -> Any:
    """The key that an offset holds."""
    after = offset_part(offset, "after")
    return _READ[str(offset["type"])](str(after)) if "type" in offset else after


def key_type(key: Any) -> sa.types.TypeEngine[Any] | None:
    """The SQL type to compare a key as, None for what SQLAlchemy makes of the value."""
    if isinstance(key, datetime):
        return sa.DateTime(timezone=key.tzinfo is not None)
    # Text is sent without a type: the column may be an enumeration, which no text compares with.
    return sa.types.NullType() if isinstance(key, str) else None
