"""DBOS: one workflow over the file, one durable step a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pysqlite3.dbapi2 as sqlite
from dbos import DBOS, DBOSConfig

from .connect import is_sqlite, sqlalchemy_url
from .reading import CREDITORS, Invoice, chunks
from .task import CHUNK, Task
from .timing import Stopwatch


@DBOS.step()
def post(invoice: Invoice) -> dict[str, Any]:
    """Return the entry of one invoice; DBOS records it as the step's output."""
    amount = invoice.minor_units
    return {
        "record": invoice.model_dump(mode="json"),
        "lines": [
            [f"expense:{invoice.expense_account}", "D", amount, invoice.currency],
            [CREDITORS, "C", amount, invoice.currency],
        ],
    }


@DBOS.workflow()
def post_all(source: str) -> int:
    """Post every invoice of the file, and return how many."""
    posted = 0
    for invoices in chunks(source, CHUNK):
        for invoice in invoices:
            post(invoice)
            posted += 1
    return posted


def run(task: Task) -> tuple[float, float]:
    """Run the workflow once."""
    config = DBOSConfig(
        name="bench",
        system_database_url=sqlalchemy_url(task.url),
        log_level="ERROR",
        # A step commits one small row: the page cache does not matter, the SQLite does.
        db_engine_kwargs={"module": sqlite} if is_sqlite(task.url) else {},
    )
    DBOS(config=config)
    DBOS.launch()
    watch = Stopwatch()
    with watch:
        post_all(task.source)
    DBOS.destroy()
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """One recorded step output a record."""
    table = "operation_outputs" if is_sqlite(task.url) else "dbos.operation_outputs"
    return {f"SELECT count(*) FROM {table}": task.records}
