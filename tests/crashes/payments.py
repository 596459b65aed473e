"""The job that the tests run by the real command line.

The variable CRASH holds a ``Case`` as JSON: how the job is defined, and what happens to its
process.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from storno import Context, Entry, Parameters, Record, Retry, credit, csv_source, debit, job
from storno.execution import identity, retrying, reversing

from .mishaps import Mishap, arrange

VARIABLE = "CRASH"
ROWS = sa.table("rows_of_the_job", sa.column("number", sa.Text))


@dataclass(kw_only=True)
class Case:
    """How the job is defined, and what happens to its process.

    Attributes:
        lease_seconds, chunk_size: of the job.
        writes: whether it writes rows of its own.
        host: the machine that its process seems to run on; None for this one.
        patience_seconds: how long a store that does not answer is tried again.
        batch: how many records a reversal takes back in one commit.
        mishap: what happens, if anything.
    """

    lease_seconds: float = 60.0
    chunk_size: int = 10
    writes: bool = False
    host: str | None = None
    patience_seconds: float | None = None
    batch: int | None = None
    mishap: Mishap | None = None

    @property
    def text(self) -> str:
        """For the environment."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls) -> Case:
        """From the environment."""
        values = json.loads(os.environ.get(VARIABLE, "{}"))
        mishap = values.pop("mishap", None)
        return cls(**values, mishap=mishap and Mishap(**mishap))


class Input(Parameters):
    """Which file is read; names the run."""

    run: str


class Payment(Record):
    number: str
    amount: Decimal
    account: str = "expense:rent"
    currency: str = "EUR"
    date: dt.date = dt.date(2026, 1, 15)


CASE = Case.read()
if CASE.host is not None:  # what this machine would say of itself, if it were another
    for module, name, says in (
        (socket, "gethostname", CASE.host),
        (identity, "_boot_id", f"boot of {CASE.host}:1"),
    ):
        setattr(module, name, lambda says=says: says)
if CASE.patience_seconds is not None:
    retrying.STORE_PATIENCE_SECONDS = CASE.patience_seconds
if CASE.batch is not None:
    reversing.__dict__["BATCH"] = CASE.batch  # the name under which it uses the one of postings
called = arrange(CASE.mishap, Path.cwd()) if CASE.mishap else lambda: None


@job(
    key="number",
    source=csv_source("{run}.csv"),
    parameters=Input,
    chunk_size=CASE.chunk_size,
    lease_seconds=CASE.lease_seconds,
    retry=Retry(first_delay_seconds=0.05),
    record_seconds=None,
    writes=CASE.writes,
)
def payments(payment: Payment, context: Context) -> Entry:
    """Post a payment, and write it down in a table of the job's own."""
    if CASE.writes:
        context.connection.execute(sa.insert(ROWS).values(number=payment.number))
    called()
    return entry_of(payment)


def entry_of(payment: Payment) -> Entry:
    """The entry that a payment comes to."""
    return Entry(
        [
            debit(payment.account, payment.amount, payment.currency),
            credit("creditors", payment.amount, payment.currency),
        ],
        effective=payment.date,
    )
