"""What commits move in the ledger, as the values of rows of the view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from ...projections.changes import Movements, Sums
from .tables import COLUMNS, MOVEMENTS

SAFE_LINES: Final = 9_000
"""So many lines at the cap of 10^15 minor units each still sum up within 64 bits."""

FEWEST_IN_GROUP: Final = 32
"""With fewer rows, a statement of their own costs more than to bind all values of each."""

MOVEMENT_WIDTH: Final = len(COLUMNS[MOVEMENTS])


class Group(NamedTuple):
    """Rows of one commit under one heading.

    Attributes:
        shared: commit number, book, currency, exponent, posting date, effective date.
        own: what they do not share, column by column: accounts, debits, credits and lines.
    """

    shared: tuple[int, str, str, int, str, str]
    own: tuple[list[str], list[int], list[int], list[int]]


class MovementValues(Struct):
    """The rows of one commit or several.

    Attributes:
        groups: rows that have much in common.
        single: the values of all others, one row after the other, in the order of the columns.
    """

    groups: list[Group] = field(default_factory=list)
    single: list[Any] = field(default_factory=list)

    def add(self, number: int, movements: Movements) -> None:
        """Add what a commit moves.

        Args:
            number: the commit's.
            movements: the commit's; not changed.
        """
        dates: dict[dt.date, str] = {}
        extend = self.single.extend
        for heading, sums in movements.items():
            book, currency, exponent, posting, effective = heading
            post = dates.get(posting) or dates.setdefault(posting, posting.isoformat())
            effect = dates.get(effective) or dates.setdefault(effective, effective.isoformat())
            if len(sums.lines) >= FEWEST_IN_GROUP:
                shared = (number, book, currency, exponent, post, effect)
                self.groups.append(Group(shared, _columns(sums)))
                continue
            for account, *own in _rows(sums):
                extend((number, book, account, currency, exponent, post, effect, *own))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Every row, in the order of the columns."""
        for (number, book, *rest), own in self.groups:
            for account, *amounts in zip(*own, strict=True):
                yield (number, book, account, *rest, *amounts)
        yield from _by(MOVEMENT_WIDTH, self.single)

    def number(self, commit: int) -> None:
        """Put in the number of the commit that all of the rows are of."""
        self.groups = [Group((commit, *shared[1:]), own) for shared, own in self.groups]
        self.single[::MOVEMENT_WIDTH] = [commit] * (len(self.single) // MOVEMENT_WIDTH)

    def columns(self) -> list[list[Any]]:
        """The same values column by column."""
        columns = [self.single[place::MOVEMENT_WIDTH] for place in range(MOVEMENT_WIDTH)]
        for shared, (accounts, *amounts) in self.groups:
            number, book, *rest = ([each] * len(accounts) for each in shared)
            of_group: list[list[Any]] = [number, book, accounts, *rest, *amounts]
            for column, more in zip(columns, of_group, strict=True):
                column.extend(more)
        return columns


def _columns(sums: Sums) -> tuple[list[str], list[int], list[int], list[int]]:
    if _are_safe(sums):
        return list(sums.places), sums.debits, sums.credits, sums.lines
    accounts, debits, credits_, lines = map(list, zip(*_in_parts(sums), strict=True))
    return accounts, debits, credits_, lines


def _rows(sums: Sums) -> Iterator[tuple[Any, ...]]:
    return sums.rows() if _are_safe(sums) else _in_parts(sums)


def _are_safe(sums: Sums) -> bool:
    return max(sums.lines) <= SAFE_LINES


def _in_parts(sums: Sums) -> Iterator[tuple[Any, ...]]:
    """Account, debit, credit and lines, in several rows where the sums may not fit 64 bits."""
    for account, *amounts in sums.rows():
        *_, lines = amounts
        count = -(-lines // SAFE_LINES)
        for part in range(count):
            yield (account, *(_part(amount, part, count) for amount in amounts))


def _part(amount: int, part: int, count: int) -> int:
    return amount * (part + 1) // count - amount * part // count


def _by(width: int, flat: list[Any]) -> Iterator[tuple[Any, ...]]:
    """What stands one row after the other, row by row."""
    values = iter(flat)
    return zip(*[values] * width, strict=True)
