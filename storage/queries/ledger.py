"""Balances and movements, as sums over the ledger's movements. Amounts are in minor units.

SQLite's sum() fails when it overflows 64 bits. An amount may come close to them by itself, so
amounts are summed in two parts, which stay within 64 bits for a thousand million movements, and
are put together here, where numbers have no end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import sqlalchemy as sa

from ..schema import log_tables
from ..store import Store
from ..views.generation import live_views
from ..views.past import books
from ..views.replay import Progress
from ..views.tables import MOVEMENTS

PART: Final = 10**9

_COMMITS = log_tables().commits.c


@dataclass(frozen=True, slots=True)
class Balance:
    """What was posted to an account in one currency; its balance is debit minus credit."""

    book: str
    account: str
    currency: str
    exponent: int
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class Movement:
    """What one commit moved on an account, in one currency and at one pair of dates (ISO)."""

    commit_number: int
    recorded_at: int
    effective: str
    posting: str
    currency: str
    exponent: int
    debit: int
    credit: int
    lines: int


def balances(
    store: Store,
    *,
    book: str | None = None,
    account: str | None = None,
    currency: str | None = None,
    effective_to: dt.date | None = None,
    posting_to: dt.date | None = None,
    as_of: int | None = None,
    progress: Progress | None = None,
) -> list[Balance]:
    """Balances by book, account and currency, in that order.

    Args:
        store: where they are.
        book: only of this book.
        account: only of this account, or of those that match a shell pattern (``expense:*``).
        currency: only in this currency.
        effective_to: only what is effective up to this day.
        posting_to: only what has a posting date up to this day.
        as_of: only what was recorded up to this time, microseconds since 1970-01-01 UTC; by the
            events alone, of which a million take some seconds.
        progress: told how far through the events it is, where ``as_of`` is given.
    """
    with books(store.log, as_of, progress) as (connection, views):
        table = views[MOVEMENTS].c
        unit = (table.book, table.account, table.currency, table.exponent)
        select = sa.select(*unit, *exact_sum(table.debit), *exact_sum(table.credit))
        select = select.group_by(*unit).order_by(*unit)
        if book is not None:
            select = select.where(table.book == book)
        if account is not None and not _is_pattern(account):
            select = select.where(table.account == account)
        if currency is not None:
            select = select.where(table.currency == currency)
        if effective_to is not None:
            select = select.where(table.effective <= effective_to.isoformat())
        if posting_to is not None:
            select = select.where(table.posting <= posting_to.isoformat())
        rows = connection.execute(select).all()
    matches = _matcher(account)
    return [_balance(row) for row in rows if matches(row[1])]


def _balance(row: Sequence[Any]) -> Balance:
    book, account, currency, exponent, *sums = row
    return Balance(book, account, currency, exponent, joined(*sums[:2]), joined(*sums[2:]))


def account_movements(
    store: Store,
    account: str,
    *,
    book: str = "main",
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> list[Movement]:
    """What moved an account, by effective date and commit.

    Args:
        store: where they are.
        account: its whole name.
        book: its book.
        first: from this effective date on.
        last: up to this effective date.
    """
    with live_views(store.engine) as (connection, views):
        table = views[MOVEMENTS].c
        rest = ("effective", "posting", "currency", "exponent", "debit", "credit", "lines")
        select = (
            sa.select(table.commit_number, _COMMITS.recorded_at, *(table[name] for name in rest))
            .join_from(
                views[MOVEMENTS], log_tables().commits, _COMMITS.number == table.commit_number
            )
            .where(table.account == account, table.book == book, *between(table, first, last))
            .order_by(table.effective, table.commit_number, table.posting, table.currency)
        )
        return [Movement(*row) for row in connection.execute(select)]


def exact_sum(column: sa.ColumnElement[int]) -> tuple[sa.ColumnElement[Any], ...]:
    """Two sums that ``joined`` makes one of, whatever its size."""
    return (sa.func.sum(column.op("/")(PART)), sa.func.sum(column % PART))


def joined(thousand_millions: Any, rest: Any) -> int:
    """The sum of which these are the parts; both databases cut quotients towards zero."""
    return int(thousand_millions) * PART + int(rest)


def between(
    table: Any, first: dt.date | None, last: dt.date | None
) -> list[sa.ColumnElement[bool]]:
    """The condition on effective dates."""
    chosen: list[sa.ColumnElement[bool]] = []
    if first is not None:
        chosen.append(table.effective >= first.isoformat())
    if last is not None:
        chosen.append(table.effective <= last.isoformat())
    return chosen


def _is_pattern(account: str) -> bool:
    return any(sign in account for sign in "*?[")


def _matcher(account: str | None) -> Callable[[str], bool]:
    if account is None or not _is_pattern(account):
        return lambda _: True
    return lambda name: name == account or fnmatchcase(name, account)
