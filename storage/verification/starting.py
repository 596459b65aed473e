"""Whether a second process is worth its start, and how it reaches the store."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from ..engine import lock_timeout_seconds, store_path
from ..processes import can_share_work
from ..schema import LogTables
from .second import Place, SecondProcess

WORTH_A_PROCESS: Final = 100_000
"""Events that one process verifies in about twice the time in which a second one is there."""


def second_process(
    engine: sa.Engine, tables: LogTables, events: int, *, streams: bool
) -> SecondProcess | None:
    """A process that helps with so many events; None where it could not, or would not be worth it.

    Args:
        engine: of the store.
        tables: of the log.
        events: how many there are to read.
        streams: what ``roots`` takes.
    """
    if events < WORTH_A_PROCESS or not can_share_work():
        return None
    try:
        return SecondProcess(_place(engine, str(tables.events.name), streams=streams))
    except OSError:
        return None


def _place(engine: sa.Engine, table: str, *, streams: bool) -> Place:
    driver, database = engine.dialect.loaded_dbapi.__name__, engine.dialect.name
    address: list[str]
    options: dict[str, Any]
    path = store_path(engine)
    if path is not None:
        address, settings = [f"file:{quote(path)}?mode=rw"], ["PRAGMA query_only = 1"]
        options = {"uri": True, "isolation_level": None, "timeout": lock_timeout_seconds(engine)}
    else:
        address, settings = [], ["SET default_transaction_read_only = on"]
        _, given = engine.dialect.create_connect_args(engine.url)
        # Without what SQLAlchemy adds for itself, which is an object.
        words = {name: value for name, value in given.items() if isinstance(value, str | int)}
        options = words | {"client_encoding": "utf8", "autocommit": True}
    return Place(driver, database, address, options, settings, table, streams)
