"""Two runs, or two attempts, side by side: what they moved, and with which keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from ...domain.entry import PostedEntry
from ...domain.events import RecordReversed, RecordSucceeded
from ...domain.ids import key_of
from ...projections.dead_letters import REVERSED
from ..schema import log_tables
from ..soundness import event_at
from ..store import Store
from ..views.generation import live_views
from ..views.tables import MOVEMENTS, ViewTables
from .ledger import exact_sum, joined
from .rows import begins_with
from .scan import topics_of

ROWS_AT_ONCE: Final = 2_000

_LOG = log_tables()
_EVENTS = _LOG.events.c
_COMMITS = _LOG.commits.c


class Side(Struct, frozen=True):
    """What is compared.

    Attributes:
        run: ``<job>/<run>``.
        attempt: one of its attempts; None for the run as it stands.
    """

    run: str
    attempt: int | None = None


Unit = tuple[str, str, str, int]
"""Book, account, currency, and its exponent."""

Amounts = tuple[tuple[Unit, int], ...]
"""What a record moves, debits less credits in minor units, in the order of the units."""


class KeyDifference(Struct, frozen=True):
    """A record that one side posted and the other did not, or not with these amounts.

    Attributes:
        key: the business key; the end of the stream's name where it had none.
        first: what it moves on the first side; None where it is not there.
        second: the same on the second side.
    """

    key: str
    first: Amounts | None
    second: Amounts | None


def posted_totals(store: Store, side: Side) -> dict[Unit, tuple[int, int]]:
    """What a side debited and credited, in minor units.

    Of a run it is what it posted and what was taken back, so that the balance is what stands; of
    an attempt it is what that attempt posted.
    """
    with live_views(store.engine) as (connection, views):
        movement = views[MOVEMENTS].c
        unit = (movement.book, movement.account, movement.currency, movement.exponent)
        numbers = _commit_numbers(views, side)
        rows = connection.execute(
            sa.select(*unit, *exact_sum(movement.debit), *exact_sum(movement.credit))
            .where(movement.commit_number.in_(numbers))
            .group_by(*unit)
            .order_by(*unit)
        )
        return {
            (book, account, currency, places): (joined(*sums[:2]), joined(*sums[2:]))
            for book, account, currency, places, *sums in rows
        }


def key_differences(store: Store, first: Side, second: Side) -> Iterator[KeyDifference]:
    """The records in which two sides differ, in the order of their keys' names.

    The database sorts the postings of each side; they are read together, so that memory stays
    flat whatever the number of records.
    """
    sides = [_by_name(_postings(store, side)) for side in (first, second)]
    for name, one, other in _side_by_side(*sides):
        here, there = (None if each is None else each.amounts for each in (one, other))
        if here != there:
            found = one or other
            key = found.key if found and found.key is not None else name
            yield KeyDifference(key, here, there)


class _Record(Struct, frozen=True):
    """What stands of a record on one side."""

    key: str | None
    amounts: Amounts


def _commit_numbers(views: ViewTables, side: Side) -> sa.Select[Any]:
    """The commits that hold a side's postings: those of its completed chunks."""
    chunk = views["checkpoint"].c
    select = sa.select(chunk.commit_number).where(
        chunk.run == side.run, chunk.commit_number.is_not(None)
    )
    if side.attempt is None:
        return select
    of_reversal = begins_with(chunk.partition, REVERSED)
    return select.where(chunk.attempt == side.attempt, sa.not_(of_reversal))


def _postings(
    store: Store, side: Side
) -> Iterator[tuple[str, str, RecordSucceeded | RecordReversed]]:
    """A side's postings, and what took them back, by stream and version.

    The end of the stream's name, which two jobs have in common, the stream, and the event.
    """
    with live_views(store.engine) as (connection, views):
        commits = sa.select(_COMMITS.first_position, _COMMITS.count).where(
            _COMMITS.number.in_(_commit_numbers(views, side))
        )
        chosen = commits.subquery("chosen")
        is_inside = sa.and_(
            _EVENTS.position >= chosen.c.first_position,
            _EVENTS.position < chosen.c.first_position + chosen.c.count,
        )
        # What is sorted is kept small: the events themselves are read page by page, in its order.
        select = (
            sa.select(_EVENTS.position)
            .join_from(chosen, _LOG.events, is_inside)
            .where(_EVENTS.topic.in_(sorted(topics_of((RecordSucceeded, RecordReversed)))))
            .order_by(_EVENTS.stream, _EVENTS.version)
        )
        positions = connection.execute(select, execution_options={"yield_per": ROWS_AT_ONCE})
        for page in positions.scalars().partitions():
            for stream, event in _events(connection, page):
                yield stream.split("/", 2)[2], stream, event


def _events(
    connection: sa.Connection, positions: Sequence[int]
) -> Iterator[tuple[str, RecordSucceeded | RecordReversed]]:
    """Postings and what took them back, with their streams, in the order of the positions given."""
    rows = connection.execute(
        sa.select(_EVENTS.position, _EVENTS.stream, _EVENTS.topic, _EVENTS.state).where(
            _EVENTS.position.in_(positions)
        )
    )
    found = {position: (stream, topic, state) for position, stream, topic, state in rows}
    for position in positions:
        stream, topic, state = found[position]
        event = event_at(position, topic, state)
        assert isinstance(event, RecordSucceeded | RecordReversed)
        yield stream, event


def _by_name(
    postings: Iterable[tuple[str, str, RecordSucceeded | RecordReversed]],
) -> Iterator[tuple[str, _Record]]:
    """The records of which something stands, by the end of their streams' names."""
    for name, events in groupby(postings, key=lambda posting: posting[0]):
        *_, (_, stream, last) = events
        if isinstance(last, RecordSucceeded):
            yield name, _Record(key_of(stream, last.key), _amounts(last.entries))


def _amounts(entries: Iterable[PostedEntry]) -> Amounts:
    sums: Counter[Unit] = Counter()
    for entry in entries:
        for line in entry.lines:
            minor = line.minor if line.side == "D" else -line.minor
            sums[entry.book, line.account, line.currency, line.exponent] += minor
    return tuple(sorted(sums.items()))


def _side_by_side(
    first: Iterator[tuple[str, _Record]], second: Iterator[tuple[str, _Record]]
) -> Iterator[tuple[str, _Record | None, _Record | None]]:
    """Two sorted sequences as one: each name with what either side has of it."""
    one, other = next(first, None), next(second, None)
    while one or other:
        name = min(each[0] for each in (one, other) if each)
        here = one[1] if one and one[0] == name else None
        there = other[1] if other and other[0] == name else None
        yield name, here, there
        one = next(first, None) if here else one
        other = next(second, None) if there else other
