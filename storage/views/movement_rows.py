"""What commits move in the ledger, as the values of rows of the view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct, field

from ...projections.changes import Movements
from .tables import COLUMNS, MOVEMENTS

SAFE_LINES: Final = 9_000
"""So many lines at the cap of 10^15 minor units each still sum up within 64 bits."""

FEWEST_IN_GROUP: Final = 32
"""With fewer rows, a statement of their own costs more than to bind all values of each."""

MOVEMENT_WIDTH: Final = len(COLUMNS[MOVEMENTS])

OWN_WIDTH: Final = 4
"""How many values the rows of a group do not share."""


class Group(NamedTuple):
    """Rows of one commit under one heading.

    Attributes:
        shared: commit number, book, currency, exponent, posting date, effective date.
        values: account, debit, credit and lines of each row, one row after the other.
    """

    shared: tuple[int, str, str, int, str, str]
    values: list[Any]


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
            movements: the commit's.
        """
        dates: dict[dt.date, str] = {}
        extend = self.single.extend
        for heading, accounts in movements.items():
            book, currency, exponent, posting, effective = heading
            post = dates.get(posting) or dates.setdefault(posting, posting.isoformat())
            effect = dates.get(effective) or dates.setdefault(effective, effective.isoformat())
            if len(accounts) >= FEWEST_IN_GROUP:
                shared = (number, book, currency, exponent, post, effect)
                self.groups.append(Group(shared, _side_by_side(accounts)))
                continue
            for account, sums in accounts.items():
                for part in (sums,) if sums[2] <= SAFE_LINES else _parts(sums):
                    extend((number, book, account, currency, exponent, post, effect, *part))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Every row, in the order of the columns."""
        for (number, book, *rest), values in self.groups:
            for account, *sums in _by(OWN_WIDTH, values):
                yield (number, book, account, *rest, *sums)
        yield from _by(MOVEMENT_WIDTH, self.single)

    def number(self, commit: int) -> None:
        """Put in the number of the commit that all of the rows are of."""
        self.groups = [Group((commit, *shared[1:]), values) for shared, values in self.groups]
        self.single[::MOVEMENT_WIDTH] = [commit] * (len(self.single) // MOVEMENT_WIDTH)

    def columns(self) -> list[list[Any]]:
        """The same values column by column."""
        columns = [self.single[place::MOVEMENT_WIDTH] for place in range(MOVEMENT_WIDTH)]
        for (number, book, *rest), values in self.groups:
            accounts, *sums = (values[place::OWN_WIDTH] for place in range(OWN_WIDTH))
            shared = ([each] * len(accounts) for each in (number, book, *rest))
            of_group = (next(shared), next(shared), accounts, *shared, *sums)
            for column, more in zip(columns, of_group, strict=True):
                column.extend(more)
        return columns


def _side_by_side(accounts: Mapping[str, Sequence[int]]) -> list[Any]:
    """The values that the rows of a group do not share: column by column, which is quick."""
    debits, credits_, lines = zip(*accounts.values(), strict=True)
    if max(lines) > SAFE_LINES:
        return [
            value
            for account, sums in accounts.items()
            for part in _parts(sums)
            for value in (account, *part)
        ]
    values: list[Any] = [None] * (OWN_WIDTH * len(accounts))
    values[0::OWN_WIDTH] = accounts
    values[1::OWN_WIDTH] = debits
    values[2::OWN_WIDTH] = credits_
    values[3::OWN_WIDTH] = lines
    return values


def _parts(sums: Sequence[int]) -> Iterator[Sequence[int]]:
    """Sums that may not fit 64 bits, as one or several that do."""
    count = -(-sums[2] // SAFE_LINES)
    for part in range(count):
        yield tuple(amount * (part + 1) // count - amount * part // count for amount in sums)


def _by(width: int, flat: list[Any]) -> Iterator[tuple[Any, ...]]:
    """What stands one row after the other, row by row."""
    values = iter(flat)
    return zip(*[values] * width, strict=True)
