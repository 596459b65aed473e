"""Reversals: what was asked for, who agreed, how far they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ...domain.dead_letter import of_reversal
from ...domain.errors import NotFoundError
from ..store import Store
from ..views.generation import live_views
from ..views.tables import ViewTables
from .rows import columns_for, read


@dataclass(frozen=True, slots=True)
class ReversalRow:
    """A reversal.

    Attributes:
        run: the run's own name, behind its job's.
        scope: JSON; which postings of the run.
        form: black or red.
        date: the posting date of all of it, ISO, where one was named.
        code, text: the reason.
        digest: the plan's.
        records: how many postings it was to take back.
        blocked: how many could not be, when it was requested.
        reversed: how many are taken back.
        failed: how many are set aside and wait for a person.
        approvals: how many others must agree; ``approved`` have.
        decided_by, decided_at: who approved or rejected it last.
        requested_at, started_at, ended_at: microseconds since 1970-01-01 UTC.
    """

    reversal: str
    job: str
    run: str
    state: str
    scope: str
    form: str
    date: str | None
    code: str
    text: str
    digest: str
    records: int
    blocked: int
    reversed: int
    failed: int
    approvals: int
    approved: int
    requested_by: str
    requested_at: int
    decided_by: str | None
    decided_at: int | None
    executed_by: str | None
    attempt: int | None
    worker: str | None
    started_at: int | None
    ended_at: int | None
    error: str | None
    message: str | None


def reversals(
    store: Store, *, run: str | None = None, job: str | None = None, state: str | None = None
) -> list[ReversalRow]:
    """Reversals, the last requested first.

    Args:
        store: where they are.
        run: only of this run, ``<job>/<run>``.
        job: only of this job.
        state: only in this state.
    """
    with live_views(store.engine) as (connection, views):
        table = views["reversals"]
        select = _select(views).order_by(table.c.reversal.desc())
        if run is not None:
            select = select.where(table.c.job + "/" + table.c.run == run)
        if job is not None:
            select = select.where(table.c.job == job)
        if state is not None:
            select = select.where(table.c.state == state)
        return read(connection, select, ReversalRow)


def reversal(store: Store, name: str) -> ReversalRow:
    """The reversal of this name.

    Raises:
        NotFoundError: there is none.
    """
    with live_views(store.engine) as (connection, views):
        table = views["reversals"]
        select = _select(views).where(table.c.reversal == name)
        found = read(connection, select, ReversalRow)
    if not found:
        raise NotFoundError(f"there is no reversal {name!r}: see 'storno reverse list'.")
    return found[0]


def _select(views: ViewTables) -> sa.Select[Any]:
    table, letter = views["reversals"], views["dead_letters"].c
    waiting = sa.select(sa.func.count()).where(
        letter.run == of_reversal("") + table.c.reversal, letter.state == "open"
    )
    failed = waiting.correlate(table).scalar_subquery().label("failed")
    return sa.select(*columns_for(ReversalRow, table), failed)
