"""What a run posted and what was taken back of it, account by account. Amounts in minor units."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from ...projections.dead_letters import REVERSED
from ..store import Store
from ..views.generation import live_views
from ..views.tables import MOVEMENTS
from .ledger import exact_sum, joined
from .rows import begins_with


class RunBalance(Struct, frozen=True):
    """An account in one currency: what the run moved, or what reversals of it did."""

    book: str
    account: str
    currency: str
    exponent: int
    taken_back: bool
    debit: int
    credit: int


def run_balances(store: Store, run: str) -> list[RunBalance]:
    """By book, account, currency, what was posted before what was taken back.

    Every posting is committed with the outcome of its chunk, so the commits of the run's chunks
    hold its movements and no others.
    """
    with live_views(store.engine) as (connection, views):
        movement, chunk = views[MOVEMENTS].c, views["checkpoint"].c
        unit = (movement.book, movement.account, movement.currency, movement.exponent)
        taken_back = begins_with(chunk.partition, REVERSED).label("taken_back")
        select = (
            sa.select(*unit, taken_back, *exact_sum(movement.debit), *exact_sum(movement.credit))
            .join_from(
                views["checkpoint"],
                views[MOVEMENTS],
                movement.commit_number == chunk.commit_number,
            )
            .where(chunk.run == run, chunk.status == "completed")
            .group_by(*unit, taken_back)
            .order_by(*unit, taken_back)
        )
        return [
            RunBalance(
                book, account, currency, exponent, bool(back), joined(*sums[:2]), joined(*sums[2:])
            )
            for book, account, currency, exponent, back, *sums in connection.execute(select)
        ]
