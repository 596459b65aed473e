"""Balances and movements, as sums over the ledger's movements. Amounts are in minor units.

SQLite's sum() fails when it overflows 64 bits. An amount may come close to them by itself, so
amounts are summed in two parts, which stay within 64 bits for a thousand million movements, and
are put together here, where numbers have no end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from operator import eq, le
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ..schema import log_tables
from ..store import Store
from ..views.generation import live_views
from ..views.past import movements_at
from ..views.replay import Progress
from ..views.tables import COLUMNS, MOVEMENTS

PART: Final = 10**9

_PLACES: Final = {column: place for place, column in enumerate(COLUMNS[MOVEMENTS])}

_COMMITS = log_tables().commits.c


class Balance(Struct, frozen=True):
    """What was posted to an account in one currency; its balance is debit minus credit."""

    book: str
    account: str
    currency: str
    exponent: int
    debit: int
    credit: int


class Movement(Struct, frozen=True):
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
    name = None if account is None or _is_pattern(account) else account
    equal = _given(book=book, account=name, currency=currency)
    until = _given(effective=effective_to, posting=posting_to)
    if as_of is None:
        found = _live(store, equal, until)
    else:
        found = _by_events(store, equal, until, as_of, progress)
    matches = _matcher(account)
    return [balance for balance in found if matches(balance.account)]


def _given(**chosen: str | dt.date | None) -> dict[str, str]:
    """What is not None, as it stands in the columns."""
    return {column: str(value) for column, value in chosen.items() if value is not None}


def _live(store: Store, equal: Mapping[str, str], until: Mapping[str, str]) -> list[Balance]:
    """Balances by the live views of rows with these values, and with no later dates."""
    with live_views(store.engine) as (connection, views):
        table = views[MOVEMENTS].c
        unit = (table.book, table.account, table.currency, table.exponent)
        select = sa.select(*unit, *exact_sum(table.debit), *exact_sum(table.credit)).where(
            *(table[column] == value for column, value in equal.items()),
            *(table[column] <= value for column, value in until.items()),
        )
        rows = connection.execute(select.group_by(*unit).order_by(*unit)).all()
    return list(map(_balance, rows))


def _balance(row: Sequence[Any]) -> Balance:
    book, account, currency, exponent, *sums = row
    return Balance(book, account, currency, exponent, joined(*sums[:2]), joined(*sums[2:]))


def _by_events(
    store: Store,
    equal: Mapping[str, str],
    until: Mapping[str, str],
    as_of: int,
    progress: Progress | None,
) -> list[Balance]:
    """The same by the events up to a time; a sum for each balance is all that is kept."""
    wanted: list[tuple[int, Callable[[Any, Any], bool], str]]
    wanted = [(_PLACES[column], eq, value) for column, value in equal.items()]
    wanted += [(_PLACES[column], le, value) for column, value in until.items()]
    sums: dict[tuple[Any, ...], list[int]] = {}
    for movements in movements_at(store.log, as_of, progress):
        for row in movements.rows():
            if wanted and not all(holds(row[place], value) for place, holds, value in wanted):
                continue
            unit, debit, credit = row[1:5], row[7], row[8]
            found = sums.get(unit)
            if found is None:
                sums[unit] = [debit, credit]
            else:
                found[0] += debit
                found[1] += credit
    return [Balance(*unit, *sums[unit]) for unit in sorted(sums)]


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
