"""The parts of a report about amounts: what was posted, what was taken back, what stands."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from ..domain.money import format_minor
from .html import Html, table, tag

if TYPE_CHECKING:
    from ..storage.queries import RunBalance

ACCOUNTS_SHOWN: Final = 2_000
"""Accounts that are listed one by one; the others are added up."""

Sums = tuple[int, int, int, int]
"""Debits and credits posted, debits and credits taken back, in minor units."""

Unit = TypeVar("Unit", bound=Hashable)

_POSTED: Final = ("debit", "credit")
_TAKEN_BACK: Final = ("debit taken back", "credit taken back")

DENSE: Final = 15
"""Characters of an amount from which on the columns need smaller letters on paper."""


def currency_table(balances: Sequence[RunBalance]) -> Html:
    """Debits and credits per book and currency: control totals, which agree."""
    sums = _summed(balances, lambda row: (row.book, row.currency, row.exponent))
    rows = [((book, currency), each, places) for (book, currency, places), each in sums.items()]
    return _table(("book", "currency"), rows)


def account_table(balances: Sequence[RunBalance]) -> Html:
    """Debits and credits per account and currency."""
    several = len({row.book for row in balances}) > 1
    sums = _summed(balances, lambda row: (row.book, row.account, row.currency, row.exponent))
    units = list(sums)[:ACCOUNTS_SHOWN]
    rows = [
        ((f"{account} (book {book})" if several else account, currency), sums[unit], places)
        for unit in units
        for book, account, currency, places in [unit]
    ]
    listed = set(units)
    others = [row for row in balances
              if (row.book, row.account, row.currency, row.exponent) not in listed]  # fmt: skip
    left = _summed(others, lambda row: (row.currency, row.exponent))
    more = f"the other {len(sums) - len(listed):,} together"
    rows += [((more, currency), each, places) for (currency, places), each in left.items()]
    return _table(("account", "currency"), rows)


def _table(head: tuple[str, str], rows: Sequence[tuple[tuple[str, str], Sums, int]]) -> Html:
    """Amounts behind two words each; what was taken back only where something was."""
    if not rows:
        return tag("p", "Nothing was posted.", class_="quiet")
    taken_back = any(any(sums[2:]) for _, sums, _ in rows)
    names = (*_POSTED, *_TAKEN_BACK, "balance") if taken_back else (*_POSTED, "balance")
    lines = [(*words, *_amounts(sums, places, taken_back=taken_back))
             for words, sums, places in rows]  # fmt: skip
    longest = max(len(amount) for line in lines for amount in line[2:])
    return table(
        (*head, *names),
        lines,
        numbers=range(2, 2 + len(names)),
        short=(1,),
        dense=longest >= DENSE,
    )


def _summed(balances: Iterable[RunBalance], unit: Callable[[RunBalance], Unit]) -> dict[Unit, Sums]:
    found: dict[Unit, Sums] = {}
    for row in balances:
        sums = found.get(unit(row), (0, 0, 0, 0))
        own = (0, 0, row.debit, row.credit) if row.taken_back else (row.debit, row.credit, 0, 0)
        found[unit(row)] = (
            sums[0] + own[0], sums[1] + own[1], sums[2] + own[2], sums[3] + own[3],
        )  # fmt: skip
    return found


def _amounts(sums: Sums, places: int, *, taken_back: bool) -> list[str]:
    """The sums, empty where nothing moved, and what stands: debits less credits, of both."""
    balance = sums[0] - sums[1] + sums[2] - sums[3]
    shown = [_amount(each, places) if each else "" for each in sums[: 4 if taken_back else 2]]
    return [*shown, _amount(balance, places)]


def _amount(minor: int, places: int) -> str:
    whole, point, decimals = format_minor(abs(minor), places).partition(".")
    return f"{'-' if minor < 0 else ''}{int(whole):,}{point}{decimals}"
