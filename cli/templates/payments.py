"""Payments to suppliers: an expense against creditors."""

from __future__ import annotations

from random import Random

from .base import SEED, Template, csv_text

JOBS = '''
"""Payments to suppliers, one run a month."""

import datetime as dt
from decimal import Decimal

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Month(Parameters):
    """The month to run, such as 2026-01."""

    month: str


class Payment(Record):
    """A line of input/payments-MONTH.csv."""

    number: str
    supplier: str
    account: str
    date: dt.date
    amount: Decimal
    currency: str


@job(key="number", source=csv_source("input/payments-{month}.csv"), parameters=Month)
def payments(payment: Payment) -> Entry:
    """Post a payment: the expense, and what the supplier is owed."""
    return Entry(
        [
            debit(f"expense:{payment.account}", payment.amount, payment.currency),
            credit(f"creditors:{payment.supplier}", payment.amount, payment.currency),
        ],
        effective=payment.date,
        text=f"Payment {payment.number}",
    )
'''

SUPPLIERS = ("Abacus Ltd", "Brook & Sons", "City Water", "Dale Energy", "Elm Stationers")
ACCOUNTS = ("energy", "rent", "repairs", "stationery", "travel", "water")


def sample() -> dict[str, str]:
    """240 payments of a month, three of them faulty."""
    random = Random(SEED)  # noqa: S311 - a sample, not a secret
    rows = [
        [
            f"P{number:05d}",
            random.choice(SUPPLIERS),
            random.choice(ACCOUNTS),
            f"2026-01-{1 + number * 31 // 240:02d}",
            f"{random.randrange(1_000, 500_000) / 100:.2f}",
            "GBP",
        ]
        for number in range(240)
    ]
    rows[57][4] = "1,234.50"
    rows[118][3] = "2026-01-32"
    rows[199] = [*rows[41][:4], "99.00", "GBP"]
    header = ("number", "supplier", "account", "date", "amount", "currency")
    return {"input/payments-2026-01.csv": csv_text(header, rows)}


TEMPLATE = Template(
    summary="Payments to suppliers",
    jobs=JOBS,
    run="run payments --param month=2026-01",
    job="payments",
    account="expense:rent",
    lesson="""
Three of the 240 payments fail, and the other 237 are posted: an amount with a thousands separator,
a day that does not exist, and a payment number that was used before with other content. Each is a
dead letter that says what is wrong with it.
""",
    sample=sample,
)
