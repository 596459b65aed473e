"""Connections to PostgreSQL by psycopg 3."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from ..domain.errors import UsageError


def create(url: sa.URL, *, later_option: str | None = None) -> sa.Engine:
    """An engine on PostgreSQL, whatever driver the URL names: READ COMMITTED, psycopg 3.

    Args:
        url: of the database.
        later_option: the execution option with which commits wait for no disk.
    """
    if find_spec("psycopg") is None:
        raise UsageError(
            "PostgreSQL needs the package psycopg, which is not installed. "
            "Install it with: pip install 'storno[postgres]'"
        )
    from .binary_arrays import register

    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        # The append reads the head in a statement after the lock's; under REPEATABLE READ that
        # statement would still see the head of before the wait.
        isolation_level="READ COMMITTED",
        # A server that was restarted is noticed before the connection is handed out.
        pool_pre_ping=True,
        pool_use_lifo=True,
        connect_args={"client_encoding": "utf8"} | _application_name(url),
    )
    event.listen(engine, "connect", lambda connection, _entry: register(connection))

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if later_option is not None and connection.get_execution_options().get(later_option):
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")

    return engine


def is_aborted(connection: sa.Connection) -> bool:
    """Whether the server takes nothing but a rollback from the connection's transaction."""
    from psycopg.pq import TransactionStatus

    driver: Any = connection.connection.driver_connection
    return bool(driver.info.transaction_status == TransactionStatus.INERROR)


def _application_name(url: sa.URL) -> dict[str, str]:
    """Who holds a lock is read from here; PostgreSQL cuts the name at 63 bytes."""
    if "application_name" in url.query:
        return {}
    return {"application_name": f"storno {os.getpid()}@{socket.gethostname()}"[:63]}
