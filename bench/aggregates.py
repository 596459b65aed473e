"""The eventsourcing package's own aggregates, one event a record, a save a chunk.

Set up to be as fast as its interface allows: text ids in rising order instead of random UUIDs,
its database functions on PostgreSQL, one ``save`` of 1,000 aggregates.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pysqlite3
import sqlalchemy as sa

from .connect import apply_pragmas, is_sqlite, sqlite_path
from .reading import CREDITORS, chunks
from .reading import Invoice as Row
from .task import CHUNK, Task
from .timing import Stopwatch

# The package imports the standard library's sqlite3; every leg is to run on the same SQLite.
sys.modules["sqlite3"] = pysqlite3

from eventsourcing.application import Application  # noqa: E402
from eventsourcing.domain import (  # noqa: E402
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    event,
)
from eventsourcing.persistence import InfrastructureFactory  # noqa: E402
from eventsourcing.sqlite import (  # noqa: E402
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteFactory,
)
from eventsourcing.utils import Environment  # noqa: E402

Line = list[str | int]


class Invoice(BaseAggregate[str]):
    """An invoice, posted by its first event."""

    class Event(CanMutateAggregate[str]):
        """The base that the package asks for where ids are text."""

    @dataclass(frozen=True)
    class Posted(CanInitAggregate[str]):
        """The record and its two lines."""

        originator_id: str
        originator_version: int
        timestamp: datetime
        originator_topic: str
        number: str
        record: dict[str, str]
        lines: list[Line]

    @event(Posted)
    def __init__(self, number: str, record: dict[str, str], lines: list[Line]) -> None:
        self.number = number
        self.record = record
        self.lines = lines

    @staticmethod
    def create_id(number: str) -> str:
        return number


class _Pool(SQLiteConnectionPool):
    """The package's pool, with the same pragmas as the other legs."""

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        apply_pragmas(connection)
        return connection


class Invoices(Application[str]):
    """The application that saves the aggregates."""

    def construct_factory(self, env: Environment) -> InfrastructureFactory:
        factory = super().construct_factory(env)
        if isinstance(factory, SQLiteFactory):
            factory.datastore.close()
            factory.datastore.pool = _Pool(db_name=factory.datastore.pool.db_name)
        return factory


def run(task: Task) -> tuple[float, float]:
    """Create an aggregate for every invoice of the file and save them a chunk at a time."""
    application = Invoices(env=_environment(task.url))
    watch = Stopwatch()
    with watch:
        for rows in chunks(task.source, CHUNK):
            application.save(*[_posted(row) for row in rows])
    application.close()
    return watch.reading


def _posted(row: Row) -> Invoice:
    amount = row.minor_units
    return Invoice(
        number=f"record/invoices/{row.invoice_number}",
        record={
            "invoice_number": row.invoice_number,
            "supplier": row.supplier,
            "expense_account": row.expense_account,
            "date": row.date.isoformat(),
            "currency": row.currency,
            "amount": str(row.amount),
            "text": row.text,
        },
        lines=[
            [f"expense:{row.expense_account}", "D", amount, row.currency],
            [CREDITORS, "C", amount, row.currency],
        ],
    )


def _environment(url: str) -> dict[str, str]:
    if is_sqlite(url):
        return {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": sqlite_path(url),
            "ORIGINATOR_ID_TYPE": "text",
        }
    parts = sa.make_url(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts.database),
        "POSTGRES_HOST": str(parts.query["host"]),
        "POSTGRES_USER": str(parts.username),
        "POSTGRES_PASSWORD": parts.password or "none",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "yes",
        "ORIGINATOR_ID_TYPE": "text",
    }


def expected(task: Task) -> Mapping[str, int]:
    """One event a record."""
    table = "stored_events" if is_sqlite(task.url) else "invoices_events"
    return {
        f"SELECT count(*) FROM {table}": task.records,
        f"SELECT count(DISTINCT originator_id) FROM {table}": task.records,
    }
