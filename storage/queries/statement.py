"""An account's statement: every posted line, found by way of movements, commits and events."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace

from ...domain.codec import decode
from ...domain.events import RecordReversed, RecordSucceeded
from ...domain.ids import key_of
from ..log import Row
from ..schema import log_tables
from ..store import Store
from ..views.past import books
from ..views.replay import Progress
from ..views.tables import MOVEMENTS
from .ledger import between, exact_sum, joined

COMMITS_REMEMBERED: Final = 64
"""A commit's lines may be of many dates; they are kept until the dates around are through."""


MOVING: Final = ("storno.RecordSucceeded.", "storno.RecordReversed.")
"""What the topics of events begin with that move the ledger."""

Unit = tuple[str, int]
"""A currency and its exponent."""

Chosen = Sequence[sa.ColumnElement[bool]]


class AccountLine(Struct, frozen=True):
    """A posted line.

    Attributes:
        position: its event's place in the log.
        commit_number: its event's commit.
        recorded_at: when, microseconds since 1970-01-01 UTC.
        effective: the business date, ISO.
        posting: the date that decides its period, ISO.
        job: the job's name.
        key: the record's business key.
        run: ``<job>/<run>``.
        text: the entry's.
        reversal: the reversal that the line is of; None where the record was posted.
        debit: minor units; 0 on the other side.
        credit: minor units; 0 on the other side.
        balance: debits minus credits in the currency, up to and with this line.
    """

    position: int
    commit_number: int
    recorded_at: int
    effective: str
    posting: str
    job: str
    key: str
    run: str
    text: str
    reversal: str | None
    currency: str
    exponent: int
    debit: int
    credit: int
    balance: int


class _Commit(Struct, frozen=True):
    number: int
    first_position: int
    count: int
    recorded_at: int


def account_lines(
    store: Store,
    account: str,
    *,
    book: str = "main",
    first: dt.date | None = None,
    last: dt.date | None = None,
    as_of: int | None = None,
    progress: Progress | None = None,
) -> Iterator[AccountLine]:
    """The lines of an account by effective date, then in the order they were recorded.

    The balance takes up what is effective before ``first``. Reads a commit at a time, in
    transactions of its own each: what is recorded after the first line came is left out.

    Args:
        store: where they are.
        account: its whole name.
        book: its book.
        first: from this effective date on.
        last: up to this effective date.
        as_of: only what was recorded up to this time, microseconds since 1970-01-01 UTC; by the
            events alone.
        progress: told how far through the events it is, where ``as_of`` is given.
    """
    with books(store.log, as_of, progress) as (connection, views):
        table = views[MOVEMENTS]
        chosen = (table.c.account == account, table.c.book == book)
        opening = _opening(connection, table, chosen, first) if first else {}
        commits = _commits(connection, table, (*chosen, *between(table.c, first, last)))

    @lru_cache(maxsize=COMMITS_REMEMBERED)
    def lines_of(commit: _Commit) -> list[AccountLine]:
        return list(_lines(store, commit, account, book))

    return _in_order(opening, commits, lines_of)


def _in_order(
    opening: dict[Unit, int],
    commits: list[tuple[str, _Commit]],
    lines_of: Callable[[_Commit], list[AccountLine]],
) -> Iterator[AccountLine]:
    balances = defaultdict(int, opening)
    for effective, commit in commits:
        for line in lines_of(commit):
            if line.effective == effective:
                unit = (line.currency, line.exponent)
                balances[unit] += line.debit - line.credit
                yield replace(line, balance=balances[unit])


def _opening(
    connection: sa.Connection, movements: sa.Table, chosen: Chosen, first: dt.date
) -> dict[Unit, int]:
    """The balances of what is effective before a day."""
    table = movements.c
    unit = (table.currency, table.exponent)
    rows = connection.execute(
        sa.select(*unit, *exact_sum(table.debit), *exact_sum(table.credit))
        .where(*chosen, table.effective < first.isoformat())
        .group_by(*unit)
    )
    return {
        (currency, places): joined(*sums[:2]) - joined(*sums[2:])
        for currency, places, *sums in rows
    }


def _commits(
    connection: sa.Connection, movements: sa.Table, chosen: Chosen
) -> list[tuple[str, _Commit]]:
    """The effective dates in order, each with the commits that hold lines of it."""
    commits = log_tables().commits
    number, *rest = (commits.c[name] for name in _Commit.__struct_fields__)
    effective = movements.c.effective
    rows = connection.execute(
        sa.select(effective, number, *rest)
        .join_from(movements, commits, number == movements.c.commit_number)
        .where(*chosen)
        .distinct()
        .order_by(effective, number)
    )
    return [(date, _Commit(*commit)) for date, *commit in rows]


def _lines(store: Store, commit: _Commit, account: str, book: str) -> Iterator[AccountLine]:
    """The account's lines in one commit, without their balance."""
    written = msgspec.json.encode(account)  # as it stands in the events that name it
    rows = store.log.read_log(after_position=commit.first_position - 1, limit=commit.count)
    for row in rows:
        if row.topic.startswith(MOVING) and written in row.state:
            event = decode(row.topic, row.state)
            if isinstance(event, RecordSucceeded | RecordReversed):
                yield from _event_lines(row, event, commit, account, book)


def _event_lines(
    row: Row,
    event: RecordSucceeded | RecordReversed,
    commit: _Commit,
    account: str,
    book: str,
) -> Iterator[AccountLine]:
    _, job, name = row.stream.split("/", 2)
    for entry in event.entries:
        for line in entry.lines:
            if line.account == account and entry.book == book:
                yield AccountLine(
                    position=row.position,
                    commit_number=commit.number,
                    recorded_at=commit.recorded_at,
                    effective=entry.effective.isoformat(),
                    posting=entry.posting.isoformat(),
                    job=job,
                    key=key_of(row.stream, event.key) or name,
                    run=f"{job}/{event.run}",
                    text=entry.text,
                    reversal=event.reversal if isinstance(event, RecordReversed) else None,
                    currency=line.currency,
                    exponent=line.exponent,
                    debit=line.minor if line.side == "D" else 0,
                    credit=line.minor if line.side == "C" else 0,
                    balance=0,
                )
