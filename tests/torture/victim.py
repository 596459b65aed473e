"""The process that is killed: runs one job, and tells the driver what it was told is committed.

``python -m tests.torture.victim URL FOLDER RUN``, or ``speak`` in a process that was forked.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import dataclass
from decimal import Decimal
from hashlib import pbkdf2_hmac
from multiprocessing.connection import Connection
from pathlib import Path

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
from storno.cli.errors import exit_code
from storno.domain.events import Counts
from storno.domain.ids import RunId
from storno.execution import committer
from storno.execution.identity import resolve_actor
from storno.execution.results import Silent
from storno.storage.engine import create_engine

LEASE_SECONDS = 1.0
LOCK_SECONDS = 3.0
"""How long it waits for a lock: whoever holds it may have been stopped in its tracks."""

EFFORT = 1_200
"""Rounds of hashing for each record of a slow run, 0.3 ms where this was written: so the run lasts
until it has a process that commits, on a slow machine as on a fast one."""

committer.WORTH_A_PROCESS = 200

WORDS = ("attempt", "read", "state")
"""What it says begins with one of these; the rest is complaint."""


class Input(Parameters):
    run: str


class Invoice(Record):
    number: str
    account: str
    date: dt.date
    amount: Decimal


@dataclass
class Pace:
    """What each record takes beside what storno does with it, in rounds of hashing."""

    effort: int = 0


PACE = Pace()


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
    if PACE.effort:
        pbkdf2_hmac("sha256", invoice.number.encode(), b"", PACE.effort)
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
    """Run the job to its end, or to ours; gives the exit code."""
    try:
        Store.open(url).close()  # makes the views, if nobody has
        result = run_job(
            Store(create_engine(url, lock_timeout_seconds=LOCK_SECONDS)),
            invoices,
            {"run": run},
            resolve_actor("torture"),
            observer=Telling(),
            base=Path(folder),
        )
    except StornoError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return exit_code(error)
    print(f"state {result.state}", flush=True)
    return 0 if result.state == "completed" else 1


def speak(mouth: Connection, url: str, folder: str, run: str, effort: int) -> None:
    """The same where stdout and stderr are what the driver listens to."""
    for each in (sys.stdout, sys.stderr):
        os.dup2(mouth.fileno(), each.fileno())
    PACE.effort = effort
    sys.exit(main(url, folder, run))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
