"""Runs, their attempts and their chunks. Times are microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from ...domain.errors import NotFoundError
from ...projections.dead_letters import KEYED, RETRIED, REVERSED
from ..store import Store
from ..views.generation import live_views
from ..views.tables import ViewTables
from .rows import begins_with, columns_for, read


class RunRow(Struct, frozen=True):
    """A run.

    Attributes:
        run: ``<job>/<name>``.
        position: how far the source has been read, in the unit of ``size``.
        parameters: JSON.
        source: JSON.
        stop_reason: why it was asked to stop, as long as it has not.
        reversed: how many of its postings were taken back, in the pass under way.
        reversal: the last that took them back.
        chunks_total: its chunks that were ever claimed, in the pass under way.
    """

    run: str
    job: str
    name: str
    state: str
    attempt: int
    read: int
    succeeded: int
    skipped: int
    failed: int
    discarded: int
    reversed: int
    reversal: str | None
    chunks_total: int
    chunks_completed: int
    chunks_failed: int
    position: int | None
    size: int | None
    started_at: int
    updated_at: int | None
    ended_at: int | None
    error: str | None
    message: str | None
    stop_reason: str | None
    book: str
    parameters: str
    source: str
    worker: str
    actor: str


class AttemptRow(Struct, frozen=True):
    """An attempt at a run; ``why`` is start, resume, takeover or again."""

    run: str
    attempt: int
    state: str
    why: str
    read: int
    succeeded: int
    skipped: int
    failed: int
    discarded: int
    chunks_completed: int
    chunks_failed: int
    started_at: int
    ended_at: int | None
    error: str | None
    message: str | None
    worker: str
    actor: str
    code: str


class ChunkRow(Struct, frozen=True):
    """A chunk: its last claim, and its outcome.

    Attributes:
        status: processing, completed, failed, or released (a claim given back).
        first_offset: JSON; where its first record begins in the source.
        next_offset: JSON; where the record after its last one begins.
        first_ordinal: the number of its first record in the partition, from 0.
    """

    run: str
    partition: str
    number: int
    status: str
    attempt: int
    claims: int
    worker: str
    read: int
    succeeded: int
    skipped: int
    failed: int
    discarded: int
    first_offset: str
    next_offset: str | None
    first_ordinal: int
    started_at: int | None
    completed_at: int | None
    error: str | None
    message: str | None
    commit_number: int | None


def runs(
    store: Store,
    *,
    start: str = "",
    job: str | None = None,
    state: str | None = None,
    states: Collection[str] | None = None,
    since: int | None = None,
    limit: int | None = None,
) -> list[RunRow]:
    """Runs, the one that was started last first.

    Args:
        store: where they are.
        start: what their names, ``<job>/<run>``, begin with.
        job: only of this job.
        state: only in this state.
        states: only in one of these states.
        since: only those started at or after this time, in microseconds.
        limit: at most so many.
    """
    with live_views(store.engine) as (connection, views):
        table = views["runs"].c
        select = _select_runs(views).order_by(table.started_at.desc(), table.run.desc())
        if start:
            select = select.where(begins_with(table.run, start))
        if job is not None:
            select = select.where(table.job == job)
        if state is not None:
            select = select.where(table.state == state)
        if states is not None:
            select = select.where(table.state.in_(states))
        if since is not None:
            select = select.where(table.started_at >= since)
        return read(connection, select.limit(limit), RunRow)


def run(store: Store, name: str) -> RunRow:
    """The run called ``<job>/<run>``, whole.

    Raises:
        NotFoundError: there is none.
    """
    with live_views(store.engine) as (connection, views):
        found = read(connection, _select_runs(views).where(views["runs"].c.run == name), RunRow)
    if not found:
        raise NotFoundError(f"there is no run {name}: `storno runs` lists those there are.")
    return found[0]


def attempts(store: Store, run: str | None = None, *, job: str | None = None) -> list[AttemptRow]:
    """The attempts at a run, or at all runs of a job, in order."""
    with live_views(store.engine) as (connection, views):
        table = views["attempts"]
        select = sa.select(*columns_for(AttemptRow, table)).order_by(table.c.run, table.c.attempt)
        if run is not None:
            select = select.where(table.c.run == run)
        if job is not None:
            select = select.where(begins_with(table.c.run, f"{job}/"))
        return read(connection, select, AttemptRow)


def chunks(store: Store, run: str) -> list[ChunkRow]:
    """The chunks of a run, by partition and number; those of chosen keys are among them."""
    with live_views(store.engine) as (connection, views):
        table = views["checkpoint"]
        select = sa.select(*columns_for(ChunkRow, table)).where(table.c.run == run)
        return read(connection, select.order_by(table.c.partition, table.c.number), ChunkRow)


def _select_runs(views: ViewTables) -> sa.Select[Any]:
    table = views["runs"]
    chunk = views["checkpoint"].c
    of_pass = sa.and_(
        chunk.run == table.c.run,
        chunk.number >= table.c.first_chunk,
        *(sa.not_(begins_with(chunk.partition, aside)) for aside in (KEYED, RETRIED, REVERSED)),
    )
    count = sa.select(sa.func.count()).where(of_pass)
    return sa.select(
        *columns_for(RunRow, table),
        count.scalar_subquery().label("chunks_total"),
        count.where(chunk.status == "completed").scalar_subquery().label("chunks_completed"),
        count.where(chunk.status == "failed").scalar_subquery().label("chunks_failed"),
    )
