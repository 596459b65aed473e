"""Leases: a row each, which nobody keeps others from writing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from storno.storage import leases
from storno.storage.engine import create_engine
from storno.storage.log import EventLog
from storno.storage.migrate import init


def test_a_holder_that_stops_in_the_middle_keeps_no_row_locked(postgres_url: str) -> None:
    """Scenario 18: whoever takes over writes the same row, while the holder stands still."""
    init(postgres_url)
    holder, heir = EventLog(create_engine(postgres_url)), EventLog(create_engine(postgres_url))
    leases.take(holder, "run/a/1", "holder", 60)
    taken = []

    @event.listens_for(holder.engine, "after_cursor_execute")
    def stand_still(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE leases"):
            with heir.engine.begin() as other:
                other.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                other.execute(sa.text("UPDATE leases SET holder = 'heir'"))
            taken.append(statement)

    leases.renew(holder, "run/a/1", "holder", 60)
    assert len(taken) == 1
    assert not leases.renew(holder, "run/a/1", "holder", 60)
    lease = leases.read(heir, "run/a/1")
    assert lease is not None
    assert (lease.holder, lease.expired) == ("heir", False)
    holder.engine.dispose()
    heir.engine.dispose()
