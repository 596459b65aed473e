"""Dead letters: records that failed for good."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.codec import decode
from ...domain.events import RecordCorrected
from ...domain.ids import record_stream
from ..store import Store
from ..views.generation import live_views
from .rows import columns_for, read

WAITING: Final = ("open", "corrected")
"""The states of dead letters that are still to be settled."""


class DeadLetterPlace(Struct, frozen=True):
    """Which record of a run failed, without what is known of it: there may be very many."""

    run: str
    partition: str
    ordinal: int
    job: str
    key: str | None
    state: str
    error: str
    stream: str
    moved_to: str | None


class DeadLetterRow(Struct, frozen=True):
    """A record of a run that failed.

    Attributes:
        run: ``<job>/<run>``; ``reversal/<id>`` for what a reversal could not take back.
        ordinal: the record's number in the partition, from 0.
        key: its business key; None where it had no usable one.
        state: open, corrected, discarded or resolved.
        error: a stable code, or the exception's class.
        tries: how often it was tried, over all attempts.
        payload: JSON; what is known of the record.
        location: where it stands in the input, for a person.
        posted_version: of the posting in its stream that a key conflict is with.
        chunk: ``<partition>/<number>`` of the chunk it failed in.
        recorded_at: microseconds since 1970-01-01 UTC.
        moved_to: the key it has since its correction, where that is another one.
        settled_by: who corrected or discarded it, and settled_at when, with their reason.
    """

    run: str
    partition: str
    ordinal: int
    job: str
    key: str | None
    state: str
    error: str
    message: str
    tries: int
    payload: str
    location: str
    stream: str
    version: int
    posted_version: int | None
    chunk: str
    attempt: int
    recorded_at: int
    commit_number: int
    moved_to: str | None
    settled_by: str | None
    settled_at: int | None
    reason: str | None


class DeadLetterGroup(Struct, frozen=True):
    """Dead letters of one job with one error; ``message`` is one of theirs."""

    job: str
    error: str
    count: int
    message: str


def dead_letters(
    store: Store,
    *,
    run: str | None = None,
    job: str | None = None,
    error: str | None = None,
    key: str | None = None,
    states: Collection[str] | None = WAITING,
) -> list[DeadLetterRow]:
    """Dead letters, by run and by place in the input.

    Args:
        store: where they are.
        run: only of this run, ``<job>/<run>``.
        job: only of this job.
        error: only with this code.
        key: only of this business key, or, with a job, of the end of such a stream's name.
        states: only in these states; None for all.
    """
    with live_views(store.engine) as (connection, views):
        table = views["dead_letters"]
        select = sa.select(*columns_for(DeadLetterRow, table))
        chosen = _chosen(table, run=run, job=job, error=error, key=key, states=states)
        order = (table.c.run, table.c.partition, table.c.ordinal)
        return read(connection, select.where(*chosen).order_by(*order), DeadLetterRow)


def first_dead_letters(store: Store, run: str, limit: int) -> list[DeadLetterRow]:
    """The first of a run's dead letters in the order of the input, whatever their state."""
    with live_views(store.engine) as (connection, views):
        table = views["dead_letters"]
        select = sa.select(*columns_for(DeadLetterRow, table)).where(table.c.run == run)
        order = (table.c.partition, table.c.ordinal)
        return read(connection, select.order_by(*order).limit(limit), DeadLetterRow)


def dead_letter_groups(
    store: Store,
    *,
    run: str | None = None,
    job: str | None = None,
    error: str | None = None,
    key: str | None = None,
    states: Collection[str] | None = WAITING,
) -> list[DeadLetterGroup]:
    """How many dead letters there are by job and error, the most first; chosen as above."""
    with live_views(store.engine) as (connection, views):
        table = views["dead_letters"]
        count = sa.func.count().label("count")
        message = sa.func.min(table.c.message).label("message")
        select = (
            sa.select(table.c.job, table.c.error, count, message)
            .where(*_chosen(table, run=run, job=job, error=error, key=key, states=states))
            .group_by(table.c.job, table.c.error)
            .order_by(count.desc(), table.c.job, table.c.error)
        )
        return read(connection, select, DeadLetterGroup)


def dead_letter_places(
    store: Store,
    *,
    run: str | None = None,
    job: str | None = None,
    error: str | None = None,
    key: str | None = None,
    states: Collection[str] | None = WAITING,
    between: tuple[int, int] | None = None,
) -> list[DeadLetterPlace]:
    """Which records failed, by run and by place in the input; chosen as above.

    Args:
        between: only with an ordinal from the first to the second.
    """
    with live_views(store.engine) as (connection, views):
        table = views["dead_letters"]
        select = sa.select(*columns_for(DeadLetterPlace, table))
        chosen = _chosen(table, run=run, job=job, error=error, key=key, states=states)
        if between is not None:
            chosen.append(table.c.ordinal.between(*between))
        order = (table.c.run, table.c.partition, table.c.ordinal)
        return read(connection, select.where(*chosen).order_by(*order), DeadLetterPlace)


def place_of(row: DeadLetterRow) -> DeadLetterPlace:
    """Where a dead letter is."""
    names = DeadLetterPlace.__struct_fields__
    return DeadLetterPlace(**{name: getattr(row, name) for name in names})


def dead_letters_once_of(store: Store, job: str, key: str) -> list[DeadLetterRow]:
    """Dead letters that had this key until it was corrected to the one they have now."""
    rows = (row for stream in _streams(job, key) for row in store.log.read_stream(stream))
    events = (decode(row.topic, row.state) for row in rows)
    places = {
        (f"{job}/{event.run}", event.partition, event.ordinal)
        for event in events
        if isinstance(event, RecordCorrected)
    }
    with live_views(store.engine) as (connection, views):
        table = views["dead_letters"]
        select = sa.select(*columns_for(DeadLetterRow, table)).where(
            sa.or_(
                sa.false(),
                *(
                    sa.and_(
                        table.c.run == run,
                        table.c.partition == partition,
                        table.c.ordinal == ordinal,
                    )
                    for run, partition, ordinal in places
                ),
            )
        )
        order = (table.c.run, table.c.partition, table.c.ordinal)
        return read(connection, select.order_by(*order), DeadLetterRow)


def _chosen(
    table: sa.Table,
    *,
    job: str | None,
    key: str | None,
    states: Collection[str] | None,
    **equal: str | None,
) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = [
        table.c[name] == value for name, value in equal.items() if value is not None
    ]
    if states is not None:
        chosen.append(table.c.state.in_(states))
    if job is not None:
        chosen.append(table.c.job == job)
    if key is not None:
        chosen.append(_has_key(table.c, job, key))
    return chosen


def _has_key(table: Any, job: str | None, key: str) -> sa.ColumnElement[bool]:
    if job is None:
        by_key: sa.ColumnElement[bool] = table.key == key
        return by_key
    in_streams: sa.ColumnElement[bool] = table.stream.in_(_streams(job, key))
    return in_streams


def _streams(job: str, key: str) -> tuple[str, str]:
    """Where a record may live that is called so; it may have no key."""
    return record_stream(job, key), f"record/{job}/{key}"
