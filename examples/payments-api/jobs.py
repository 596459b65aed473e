"""Pay suppliers through a bank's API, and take it back the same way."""

import datetime as dt
from decimal import Decimal
from typing import Any

from client import TRANSIENT, ask

from storno import (
    Context,
    Effect,
    Entry,
    Parameters,
    Record,
    Retry,
    ReversalPolicy,
    credit,
    csv_source,
    debit,
    job,
)


class Month(Parameters):
    """Which month's payments."""

    month: str


class Payment(Record):
    """A line of payments-MONTH.csv."""

    number: str
    supplier: str
    iban: str
    date: dt.date
    amount: Decimal


@job(
    key="number",
    source=csv_source("payments-{month}.csv"),
    parameters=Month,
    effect=True,
    chunk_size=5,
    retry=Retry(on=TRANSIENT, retries=50, first_delay_seconds=0.05, cap_seconds=0.25),
    reversals=ReversalPolicy(approvals=1, reasons=("wrong-file", "fraud")),
)
def payouts(payment: Payment, context: Context) -> Effect:
    """Have the bank pay; post what it has paid."""
    order = {"number": payment.number, "iban": payment.iban, "amount": str(payment.amount)}
    receipt = ask("/payments", order, context.idempotency_key)
    lines = [
        debit(f"creditors:{payment.supplier}", payment.amount, "EUR"),
        credit("bank", payment.amount, "EUR"),
    ]
    return Effect(output=receipt, entries=[Entry(lines, effective=payment.date)])


@payouts.compensate
def refund(payment: Payment, receipt: dict[str, Any], context: Context) -> dict[str, Any]:
    """Have the bank pay back what it has paid; the entry is reversed by storno."""
    order = {"number": payment.number, "receipt": receipt["receipt"]}
    return ask("/refunds", order, context.idempotency_key)
