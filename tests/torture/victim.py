"""The process that is killed: runs one job, and tells the driver what it was told is committed.

``python -m tests.torture.victim URL CSV RUN``
"""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal

from storno import (
    Entry,
    Parameters,
    Record,
    Retry,
    Store,
    StornoError,
    credit,
    csv_source,
    debit,
    job,
    run_job,
)
from storno.domain.events import Counts
from storno.domain.ids import RunId
from storno.execution.identity import resolve_actor
from storno.execution.results import Silent

LEASE_SECONDS = 2.0


class Input(Parameters):
    run: str


class Invoice(Record):
    number: str
    account: str
    date: dt.date
    amount: Decimal


@job(
    key="number",
    source=csv_source("{run}.csv"),
    parameters=Input,
    chunk_size=50,
    lease_seconds=LEASE_SECONDS,
    retry=Retry(retries=0),
    tolerance=100_000,
)
def invoices(invoice: Invoice) -> Entry:
    """Post an invoice."""
    return Entry(
        [
            debit(invoice.account, invoice.amount, "EUR"),
            credit("creditors", invoice.amount, "EUR"),
        ],
        effective=invoice.date,
    )


class Telling(Silent):
    """Tells the driver, line by line, what the store has acknowledged."""

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int
    ) -> None:
        del run, resumed, size, position
        print(f"attempt {attempt}", flush=True)

    def committed(self, counts: Counts, position: int | None) -> None:
        del position
        print(f"read {counts.read}", flush=True)


def main(url: str, folder: str, run: str) -> int:
    """Run the job to its end, or to ours."""
    from pathlib import Path

    try:
        result = run_job(
            Store.open(url),
            invoices,
            {"run": run},
            resolve_actor("torture"),
            observer=Telling(),
            base=Path(folder),
        )
    except StornoError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 7
    print(f"state {result.state}", flush=True)
    return 0 if result.state == "completed" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
