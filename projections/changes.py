"""What one commit changes in the views, as plain data.

``storage.views`` writes it in a handful of statements, inline in the commit and in a rebuild
alike; ``apply`` does the same to dictionaries, which is the definition that tests hold the
statements against. Times and commit numbers are not known before the commit: a change names the
columns that take them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
from typing_extensions import override

from ..domain.events import Event

Row = dict[str, Any]
Keyed = tuple[Any, ...]


class Recorded(NamedTuple):
    """An event and where it stands."""

    stream: str
    version: int
    event: Event


Heading = tuple[str, str, int, dt.date, dt.date]
"""Book, currency, its exponent, posting date, effective date: what many lines of a commit share."""


class Sums(msgspec.Struct, eq=False):
    """What accounts are moved by, column by column, each account at its place.

    Numbers in lists, not a list for each account: most accounts of a commit are moved by one line,
    and to make a list for it, have the garbage collector look through it and take it apart into
    columns again took a tenth of the time that a rebuild computes.

    Attributes:
        places: account to its place in the lists; in the order of the places.
        debits: minor units.
        credits: minor units.
        lines: how many lines were added up.
    """

    places: dict[str, int] = {}
    debits: list[int] = []
    credits: list[int] = []
    lines: list[int] = []

    def rows(self) -> Iterator[tuple[str, int, int, int]]:
        """Account, debit, credit and number of lines, one account after the other."""
        return zip(self.places, self.debits, self.credits, self.lines, strict=True)

    def copy(self) -> Sums:
        """The same, to go on from."""
        return Sums(self.places.copy(), self.debits.copy(), self.credits.copy(), self.lines.copy())

    @override
    def __eq__(self, other: object) -> bool:
        """Whether the same accounts are moved by the same, in whatever order they came."""
        return isinstance(other, Sums) and sorted(self.rows()) == sorted(other.rows())

    __hash__ = None  # type: ignore[assignment]


Movements = dict[Heading, Sums]
"""Heading to what its accounts are moved by."""

Movement = tuple[str, str, str, int, dt.date, dt.date]
"""Book, account, currency, its exponent, posting date, effective date: what a sum is kept for."""


class Upsert(msgspec.Struct, tag=True):
    """One row, made where it is not there yet.

    Attributes:
        table: a view with a key.
        key: the values of its key's columns.
        put: columns that take a value.
        add: columns that are raised by a number.
        times: columns that take the commit's time.
        commits: columns that take the commit's number.
    """

    table: str
    key: Keyed
    put: Row = {}
    add: dict[str, int] = {}
    times: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()


class Resolved(msgspec.Struct, frozen=True, tag=True):
    """Dead letters of these records are settled, except those of some."""

    run: str
    partition: str
    first_ordinal: int
    last_ordinal: int
    except_for: frozenset[int]


class Released(msgspec.Struct, frozen=True, tag=True):
    """Claims of this run, or of this partition of any run, without an outcome are given back."""

    of: Literal["run", "partition"]
    name: str


Change = Upsert | Resolved | Released

KEYS: dict[str, tuple[str, ...]] = {
    "runs": ("run",),
    "attempts": ("run", "attempt"),
    "checkpoint": ("run", "partition", "number"),
    "dead_letters": ("run", "partition", "ordinal"),
    "reversals": ("reversal",),
    "periods": ("book", "period"),
}

COUNTS = ("read", "succeeded", "skipped", "failed", "discarded")


class Changes(msgspec.Struct):
    """Everything that one commit changes, in order."""

    rows: list[Change] = []
    movements: Movements = {}


@dataclass(slots=True)
class Tables:
    """The views as dictionaries: table to key to row, and the movements with their commits."""

    rows: dict[str, dict[Keyed, Row]] = field(default_factory=lambda: {table: {} for table in KEYS})
    movements: list[tuple[int, Movement, tuple[int, ...]]] = field(default_factory=list)


def apply(tables: Tables, changes: Changes, number: int, recorded_at: int) -> None:
    """Apply what a commit changes.

    Args:
        number: the commit's number.
        recorded_at: its time, microseconds since 1970 UTC.
    """
    for change in changes.rows:
        match change:
            case Upsert():
                _upsert(tables.rows[change.table], change, number, recorded_at)
            case Resolved():
                _resolve(tables.rows["dead_letters"].values(), change)
            case Released():
                _release(tables.rows["checkpoint"].values(), change)
    tables.movements.extend(
        (number, (book, account, currency, exponent, posting, effective), tuple(amounts))
        for (book, currency, exponent, posting, effective), sums in changes.movements.items()
        for account, *amounts in sums.rows()
    )


def _upsert(rows: dict[Keyed, Row], change: Upsert, number: int, recorded_at: int) -> None:
    row = rows.setdefault(change.key, dict(zip(KEYS[change.table], change.key, strict=True)))
    row.update(change.put)
    row.update(dict.fromkeys(change.times, recorded_at))
    row.update(dict.fromkeys(change.commits, number))
    for column, amount in change.add.items():
        row[column] = row.get(column, 0) + amount


def _resolve(rows: Iterable[Row], change: Resolved) -> None:
    for row in rows:
        if (
            row["run"] == change.run
            and row["partition"] == change.partition
            and change.first_ordinal <= row["ordinal"] <= change.last_ordinal
            and row["ordinal"] not in change.except_for
        ):
            row["state"] = "resolved"


def _release(rows: Iterable[Row], change: Released) -> None:
    for row in rows:
        if row[change.of] == change.name and row["status"] == "processing":
            row["status"] = "released"
