"""Reversals. Times are microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from ...domain.dead_letter import of_reversal
from ...domain.errors import NotFoundError
from ...domain.suggest import did_you_mean
from ..store import Store
from ..views.generation import live_views
from ..views.tables import ViewTables
from .rows import columns_for, read


class ReversalRow(Struct, frozen=True):
    """A reversal.

    Attributes:
        reversal: its id.
        job: of the run.
        run: the run's name, without its job.
        state: requested, approved, rejected, running, stopped, failed or completed.
        scope: JSON; which postings of the run.
        form: black or red.
        date: the posting date that was named, ISO; None where none was.
        code: the reason's code.
        text: the reason in words.
        digest: the plan's.
        records: how many postings it is to take back.
        blocked: how many of its scope it cannot take back, and leaves alone.
        reversed: how many are taken back, over all attempts.
        failed: how many are set aside and wait for a person.
        approvals: how many others must agree.
        approved: how many have.
        requested_by: an actor's name, as in the next ones.
        decided_by: who agreed last, or rejected it.
        executed_by: who began the last attempt.
        attempt: the last attempt's number; None before the first.
        worker: ``host:pid`` of the last attempt.
        started_at: of the last attempt.
        ended_at: of the last attempt, or of the rejection; None while it runs.
        error: a stable code, where the last attempt failed.
        message: why it stopped, failed or was rejected.
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
    store: Store,
    *,
    run: str | None = None,
    job: str | None = None,
    state: str | None = None,
) -> list[ReversalRow]:
    """Reversals, the one that was requested last first.

    Args:
        store: where they are.
        run: only of this run, ``<job>/<run>``.
        job: only of runs of this job.
        state: only in this state.
    """
    with live_views(store.engine) as (connection, views):
        table = views["reversals"].c
        select = _select(views).order_by(table.requested_at.desc(), table.reversal.desc())
        if run is not None:
            select = select.where(table.job + "/" + table.run == run)
        if job is not None:
            select = select.where(table.job == job)
        if state is not None:
            select = select.where(table.state == state)
        return read(connection, select, ReversalRow)


def reversal(store: Store, name: str) -> ReversalRow:
    """The reversal with this id.

    Raises:
        NotFoundError: there is none.
    """
    with live_views(store.engine) as (connection, views):
        chosen = _select(views).where(views["reversals"].c.reversal == name)
        found = read(connection, chosen, ReversalRow)
        if found:
            return found[0]
        known = connection.execute(sa.select(views["reversals"].c.reversal)).scalars().all()
    raise NotFoundError(
        f"there is no reversal {name!r}.{did_you_mean(name, known)} `storno reverse list` lists "
        "those there are."
    )


def _select(views: ViewTables) -> sa.Select[Any]:
    table = views["reversals"]
    letter = views["dead_letters"].c
    set_aside = sa.select(sa.func.count()).where(
        letter.run == sa.literal(of_reversal("")) + table.c.reversal, letter.state == "open"
    )
    return sa.select(*columns_for(ReversalRow, table), set_aside.scalar_subquery().label("failed"))
