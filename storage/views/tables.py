"""The tables of the views. Every rebuild fills a set of its own, a generation.

The columns are what ``storno.projections`` puts. All of them but the keys may be empty, because
the first change of a row need not know the rest; those that are raised by a number begin at 0.
Times are microseconds since 1970-01-01 UTC; dates are ISO text, which sorts as the dates do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ...projections.changes import COUNTS, KEYS
from ..schema import BIG, TEXT

VIEW_SCHEMA_VERSION: Final = 2
"""Raised with every change of these tables or of what the projections put into them: the views
that another version made are made anew by ``storno db migrate``."""


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    """A number that is raised, and 0 before."""


_TEXT, _NUMBER, _COUNT = Kind.TEXT, Kind.NUMBER, Kind.COUNT
_OUTCOMES: Final = dict.fromkeys(COUNTS, _COUNT)

COLUMNS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "runs": {
        "run": _TEXT,
        "job": _TEXT,
        "name": _TEXT,
        "state": _TEXT,
        "attempt": _NUMBER,
        **_OUTCOMES,
        "reversed": _COUNT,
        "reversal": _TEXT,
        "first_chunk": _NUMBER,
        "position": _NUMBER,
        "size": _NUMBER,
        "started_at": _NUMBER,
        "updated_at": _NUMBER,
        "ended_at": _NUMBER,
        "error": _TEXT,
        "message": _TEXT,
        "stop_reason": _TEXT,
        "book": _TEXT,
        "parameters": _TEXT,
        "source": _TEXT,
        "worker": _TEXT,
        "actor": _TEXT,
    },
    "attempts": {
        "run": _TEXT,
        "attempt": _NUMBER,
        "state": _TEXT,
        "why": _TEXT,
        **_OUTCOMES,
        "chunks_completed": _COUNT,
        "chunks_failed": _COUNT,
        "started_at": _NUMBER,
        "ended_at": _NUMBER,
        "error": _TEXT,
        "message": _TEXT,
        "worker": _TEXT,
        "actor": _TEXT,
        "code": _TEXT,
    },
    "checkpoint": {
        "run": _TEXT,
        "partition": _TEXT,
        "number": _NUMBER,
        "status": _TEXT,
        "attempt": _NUMBER,
        "claims": _COUNT,
        "worker": _TEXT,
        **_OUTCOMES,
        "first_offset": _TEXT,
        "next_offset": _TEXT,
        "first_ordinal": _NUMBER,
        "started_at": _NUMBER,
        "completed_at": _NUMBER,
        "error": _TEXT,
        "message": _TEXT,
        "commit_number": _NUMBER,
    },
    "dead_letters": {
        "run": _TEXT,
        "partition": _TEXT,
        "ordinal": _NUMBER,
        "job": _TEXT,
        "key": _TEXT,
        "state": _TEXT,
        "error": _TEXT,
        "message": _TEXT,
        "tries": _COUNT,
        "payload": _TEXT,
        "location": _TEXT,
        "stream": _TEXT,
        "version": _NUMBER,
        "posted_version": _NUMBER,
        "chunk": _TEXT,
        "attempt": _NUMBER,
        "recorded_at": _NUMBER,
        "commit_number": _NUMBER,
        "moved_to": _TEXT,
        "settled_by": _TEXT,
        "settled_at": _NUMBER,
        "reason": _TEXT,
    },
    "reversals": {
        "reversal": _TEXT,
        "job": _TEXT,
        "run": _TEXT,
        "state": _TEXT,
        "scope": _TEXT,
        "form": _TEXT,
        "date": _TEXT,
        "code": _TEXT,
        "text": _TEXT,
        "digest": _TEXT,
        "records": _NUMBER,
        "blocked": _NUMBER,
        "reversed": _COUNT,
        "approvals": _NUMBER,
        "approved": _COUNT,
        "requested_by": _TEXT,
        "requested_at": _NUMBER,
        "decided_by": _TEXT,
        "decided_at": _NUMBER,
        "executed_by": _TEXT,
        "attempt": _NUMBER,
        "worker": _TEXT,
        "started_at": _NUMBER,
        "ended_at": _NUMBER,
        "error": _TEXT,
        "message": _TEXT,
    },
    "periods": {
        "book": _TEXT,
        "period": _TEXT,
        "state": _TEXT,
        "version": _NUMBER,
        "actor": _TEXT,
        "reason": _TEXT,
        "forced": _TEXT,
        "digest": _TEXT,
        "changed_at": _NUMBER,
    },
    "movements": {
        "commit_number": _NUMBER,
        "book": _TEXT,
        "account": _TEXT,
        "currency": _TEXT,
        "exponent": _NUMBER,
        "posting": _TEXT,
        "effective": _TEXT,
        "debit": _NUMBER,
        "credit": _NUMBER,
        "lines": _NUMBER,
    },
}
"""View to column to what it holds, in the order of the table's columns."""

MOVEMENTS: Final = "movements"
"""The one view without a key: nothing but inserts, and no index to keep up."""

SCRATCH: Final = "scratch"

_INDEXED: Final[Mapping[str, tuple[str, ...]]] = {"dead_letters": ("stream",)}
_GENERATION: Final = re.compile(rf"(?:{'|'.join(COLUMNS)})_g(\d+)")


class ViewTables(Struct, frozen=True):
    """One set of tables: the live views, views that are being built, or temporary ones."""

    suffix: str
    metadata: sa.MetaData
    schema: str | None = None

    def __getitem__(self, view: str) -> sa.Table:
        return self.metadata.tables[self.name(view)]

    def name(self, view: str) -> str:
        """The view's table, as SQL names it."""
        name = view + self.suffix
        return name if self.schema is None else f"{self.schema}.{name}"

    def create(self, connection: sa.Connection) -> None:
        """Create the tables, which must not be there."""
        self.metadata.create_all(connection, checkfirst=False)


@lru_cache(maxsize=16)
def generation_tables(generation: int) -> ViewTables:
    """The tables of a generation, from 1."""
    return _view_tables(_suffix(generation))


@lru_cache(maxsize=1)
def temporary_tables() -> ViewTables:
    """Tables that only their connection sees, and that go when its transaction is rolled back."""
    return _view_tables("_check", temporary=True)


@lru_cache(maxsize=1)
def scratch_tables() -> ViewTables:
    """Tables in a database that SQLite has attached under the name ``SCRATCH``."""
    return _view_tables("_check", schema=SCRATCH)


def generation_names(generation: int) -> list[str]:
    """What the tables of a generation are called; to describe their columns as well takes long."""
    return [view + _suffix(generation) for view in COLUMNS]


def _suffix(generation: int) -> str:
    return f"_g{generation}"


def generation_of(table: str) -> int | None:
    """The generation that a table belongs to; None where it is no view's."""
    match = _GENERATION.fullmatch(table)
    return int(match[1]) if match else None


def _view_tables(suffix: str, *, temporary: bool = False, schema: str | None = None) -> ViewTables:
    metadata = sa.MetaData(schema=schema)
    for view, columns in COLUMNS.items():
        name = view + suffix
        sa.Table(
            name,
            metadata,
            *(_column(view, column, kind) for column, kind in columns.items()),
            *(sa.Index(f"{name}_{column}", column) for column in _INDEXED.get(view, ())),
            prefixes=["TEMPORARY"] if temporary else [],
            # A number stays a number and text stays text, whoever writes to the file.
            sqlite_strict=True,
        )
    return ViewTables(suffix, metadata, schema)


def _column(view: str, column: str, kind: Kind) -> sa.Column[Any]:
    is_key = column in KEYS.get(view, ())
    return sa.Column(
        column,
        TEXT if kind is Kind.TEXT else BIG,
        primary_key=is_key,
        autoincrement=False,
        nullable=not (is_key or kind is Kind.COUNT or view == MOVEMENTS),
        server_default=sa.text("0") if kind is Kind.COUNT else None,
    )
