"""The job that the benchmark measures, as a user would write it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Invoice(Record):
    """One row of the file."""

    invoice_number: Annotated[str, Field(min_length=1)]
    supplier: str
    expense_account: str
    date: dt.date
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    amount: Annotated[Decimal, Field(decimal_places=2)]
    text: str


class Delivery(Parameters):
    """A month's file; the month alone names the run."""

    identifying: ClassVar[tuple[str, ...]] = ("month",)
    month: str
    source: str


@job(key="invoice_number", source=csv_source("{source}"), parameters=Delivery)
def invoices(invoice: Invoice) -> Entry:
    """Expense against the creditors."""
    return Entry(
        [
            debit(f"expense:{invoice.expense_account}", invoice.amount, invoice.currency),
            credit("creditors", invoice.amount, invoice.currency),
        ],
        effective=invoice.date,
        text=invoice.text,
    )
