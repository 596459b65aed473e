"""Accounting periods: what was closed, and what a month's postings came from."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from msgspec import Struct

from ...domain.dead_letter import of_reversal
from ...domain.period import Period
from ...projections.dead_letters import REVERSED
from ..store import Store
from ..views.generation import live_views
from ..views.tables import MOVEMENTS, ViewTables
from .rows import columns_for, read

_UNRESOLVED = ("open", "corrected")
"""States of dead letters that wait for somebody; a corrected one has not been tried again yet."""


class PeriodRow(Struct, frozen=True):
    """A month of a book that was ever closed.

    Attributes:
        period: ``YYYY-MM``.
        state: closed or open.
        actor: who closed it, or opened it again.
        reason: why; may be empty where it was closed.
        forced: what stood in the way where it was closed all the same; None where it is open.
        digest: of its trial balance; see ``domain.period.balance_digest``. None where it is open.
        changed_at: microseconds since 1970-01-01 UTC.
    """

    book: str
    period: str
    state: str
    version: int
    actor: str
    reason: str
    forced: str | None
    digest: str | None
    changed_at: int


class PostedInto(Struct, frozen=True):
    """A run that posted into a month.

    Attributes:
        run: ``<job>/<run>``.
        unresolved: its dead letters, and those of reversals of it, that wait for somebody.
    """

    run: str
    unresolved: int


def periods(store: Store, *, book: str | None = None, state: str | None = None) -> list[PeriodRow]:
    """The months that were ever closed, by book and month.

    Args:
        store: where they are.
        book: only of this book.
        state: only those that are ``closed``, or ``open`` again.
    """
    with live_views(store.engine) as (connection, views):
        table = views["periods"]
        select = sa.select(*columns_for(PeriodRow, table)).order_by(table.c.book, table.c.period)
        if book is not None:
            select = select.where(table.c.book == book)
        if state is not None:
            select = select.where(table.c.state == state)
        return read(connection, select, PeriodRow)


def posted_into(store: Store, period: Period) -> list[PostedInto]:
    """The runs whose postings, or whose reversals, are in a month, by name."""
    with live_views(store.engine) as (connection, views):
        runs = connection.execute(_runs_of(views, period)).scalars().all()
        reversals = _reversals_of(connection, views, runs)
        unresolved = _unresolved(connection, views)
    return [
        PostedInto(run, sum(unresolved.get(name, 0) for name in (run, *reversals.get(run, ()))))
        for run in runs
    ]


def earlier_open_months(store: Store, period: Period) -> list[str]:
    """The months before this one, ``YYYY-MM``, that the book has postings in and that are open."""
    with live_views(store.engine) as (connection, views):
        table = views[MOVEMENTS].c
        month = sa.func.substr(table.posting, 1, 7)
        before = (table.book == period.book, table.posting < period.first_day.isoformat())
        posted = connection.execute(sa.select(month).where(*before).distinct()).scalars().all()
    closed = {row.period for row in periods(store, book=period.book, state="closed")}
    return sorted(set(posted) - closed)


def _runs_of(views: ViewTables, period: Period) -> sa.Select[str]:
    """Every posting is committed with the outcome of its chunk: the commit's number tells whose."""
    movement, chunk = views[MOVEMENTS].c, views["checkpoint"].c
    commits = sa.select(movement.commit_number).where(
        movement.book == period.book,
        movement.posting >= period.first_day.isoformat(),
        movement.posting <= period.last_day.isoformat(),
    )
    return sa.select(chunk.run).where(chunk.commit_number.in_(commits)).distinct().order_by("run")


def _reversals_of(
    connection: sa.Connection, views: ViewTables, runs: Collection[str]
) -> dict[str, list[str]]:
    """Run to what stands for its reversals among the dead letters."""
    chunk = views["checkpoint"].c
    is_reversal = sa.func.substr(chunk.partition, 1, len(REVERSED)) == REVERSED
    select = sa.select(chunk.run, chunk.partition).where(is_reversal).distinct()
    chosen, found = set(runs), dict[str, list[str]]()
    for run, partition in connection.execute(select):
        if run in chosen:
            found.setdefault(run, []).append(of_reversal(partition.removeprefix(REVERSED)))
    return found


def _unresolved(connection: sa.Connection, views: ViewTables) -> dict[str, int]:
    """Run, or reversal, to the number of dead letters that wait for somebody."""
    table = views["dead_letters"].c
    select = sa.select(table.run, sa.func.count()).where(table.state.in_(_UNRESOLVED))
    return dict(connection.execute(select.group_by(table.run)).all())
