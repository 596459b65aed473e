"""The demo's project: a job, and months of payments with the faults that real ones have."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

SETTINGS = """\
store = "sqlite:///storno.db"
jobs = ["jobs.py"]

[chart]
accounts = ["creditors", "expense:*"]

[reversals]
approvals = 1
"""

JOBS = '''\
"""Payments to suppliers, one run a month."""

import datetime as dt
import os
import signal
from decimal import Decimal

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Month(Parameters):
    month: str


class Payment(Record):
    number: str
    supplier: str
    account: str
    date: dt.date
    amount: Decimal
    currency: str


@job(key="number", source=csv_source("payments-{month}.csv"), parameters=Month, chunk_size=500)
def payments(payment: Payment) -> Entry:
    """Post a payment: the expense, and what the supplier is owed."""
    if payment.number == os.environ.get("PULL_THE_PLUG_AT"):
        os.kill(os.getpid(), signal.SIGKILL)  # as a power cut would: nobody gets to clean up
    return Entry(
        [
            debit(payment.account, payment.amount, payment.currency),
            credit("creditors", payment.amount, payment.currency),
        ],
        effective=payment.date,
        text=f"Payment {payment.number} to {payment.supplier}",
    )
'''

REPAIRED = "A"
"""What the key of the record ends with that can be repaired by its amount alone."""
REPAIRED_AMOUNT = "1234.50"

HEADER = ("number", "supplier", "account", "date", "amount", "currency")
ACCOUNTS = ("energy", "insurance", "rent", "repairs", "stationery", "travel", "wages", "water")
SUPPLIERS = ("Abacus Ltd", "Brook & Sons", "City Water", "Dale Energy", "Elm Stationers")


@dataclass(slots=True)
class Month:
    """A month's payments, and what a run of them has to come to.

    Attributes:
        text: the CSV file.
        rows: how many records it has.
        faults: error code to how many records have it.
        repeated: records that are there twice, to the letter.
        posted: account to the sum of what is posted to it, each payment once.
        good: the rows that can be posted.
    """

    text: str = ""
    rows: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    posted: dict[str, Decimal] = field(default_factory=dict)
    good: list[list[str]] = field(default_factory=list)

    def post(self, account: str, amount: str) -> None:
        """One more payment is to be posted."""
        self.posted[account] = self.posted.get(account, Decimal(0)) + Decimal(amount)

    def on(self, day: str) -> list[list[str]]:
        """The good rows of a day."""
        return [row for row in self.good if row[3] == day]


def make_month(name: str, count: int, *, faulty: bool) -> Month:
    """A month of payments, the same at every call.

    Args:
        name: such as ``2026-01``.
        count: how many payments.
        faulty: whether some of them are as real ones are.
    """
    random = Random(f"storno demo {name}")  # noqa: S311 - a sample, not a secret
    prefix = f"P{name.replace('-', '')}-"
    good = [
        [
            f"{prefix}{number:06d}",
            random.choice(SUPPLIERS),
            f"expense:{random.choice(ACCOUNTS)}",
            f"{name}-{1 + number * 28 // count:02d}",
            f"{random.randrange(1_000, 900_000) / 100:.2f}",
            "EUR",
        ]
        for number in range(count)
    ]
    month = Month(good=good)
    for row in good:
        month.post(row[2], row[4])
    rows = _with_faults(month, good, prefix, name) if faulty else good
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    month.text, month.rows = file.getvalue(), len(rows)
    return month


def _with_faults(month: Month, good: list[list[str]], prefix: str, name: str) -> list[list[str]]:
    """The good rows, and among them what nobody can post."""
    day = f"{name}-15"
    bad: dict[str, list[list[str]]] = {
        "invalid-record": [
            [f"{prefix}{REPAIRED}", "Brook & Sons", "expense:rent", day, "1,234.50", "EUR"],
            [f"{prefix}B", "City Water", "expense:water", f"{name}-32", "88.10", "EUR"],
            [f"{prefix}C", "Dale Energy", "expense:energy", day, "", "EUR"],
        ],
        "invalid-amount": [[f"{prefix}D", "Abacus Ltd", "expense:travel", day, "10.005", "EUR"]],
        "unknown-currency": [[f"{prefix}E", "Abacus Ltd", "expense:travel", day, "12.00", "ERU"]],
        "unknown-account": [[f"{prefix}F", "Abacus Ltd", "expnse:travel", day, "12.00", "EUR"]],
        "key-conflict": [[*good[100][:4], "0.01", "EUR"]],
    }
    rows = list(good)
    for place, row in enumerate(row for same in bad.values() for row in same):
        rows.insert(1_000 + 400 * place, row)
    repeated = [good[7], good[8]]
    month.faults = {error: len(same) for error, same in bad.items()}
    month.repeated = len(repeated)
    return [*rows, *repeated]
