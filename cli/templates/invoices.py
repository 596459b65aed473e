"""Invoices to customers: receivables against revenue and tax."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from .base import SEED, Template, csv_text

JOBS = '''
"""Invoices to customers, one run a month."""

import datetime as dt
from decimal import Decimal

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Month(Parameters):
    """The month to run, such as 2026-01."""

    month: str


class Invoice(Record):
    """A line of input/invoices-MONTH.csv."""

    number: str
    customer: str
    date: dt.date
    net: Decimal
    tax: Decimal
    gross: Decimal
    currency: str


@job(key="number", source=csv_source("input/invoices-{month}.csv"), parameters=Month)
def invoices(invoice: Invoice) -> Entry:
    """Post an invoice. It only balances where net and tax make up the gross amount."""
    return Entry(
        [
            debit(f"receivables:{invoice.customer}", invoice.gross, invoice.currency),
            credit("revenue", invoice.net, invoice.currency),
            credit("tax:vat", invoice.tax, invoice.currency),
        ],
        effective=invoice.date,
        text=f"Invoice {invoice.number}",
    )
'''

CUSTOMERS = ("Anders AB", "Bianchi SpA", "Claes BV", "Dubois SA", "Eder GmbH")
VAT_PERCENT = 19


def _row(number: int, random: Random) -> list[str]:
    net = Decimal(random.randrange(5_000, 900_000)).scaleb(-2)
    tax = (net * VAT_PERCENT / 100).quantize(Decimal("0.01"))
    date = f"2026-01-{1 + number * 31 // 300:02d}"
    amounts = (f"{net:.2f}", f"{tax:.2f}", f"{net + tax:.2f}")
    return [f"INV-{1001 + number}", random.choice(CUSTOMERS), date, *amounts, "EUR"]


def sample() -> dict[str, str]:
    """300 invoices of a month, three of them faulty."""
    random = Random(SEED)  # noqa: S311 - a sample, not a secret
    rows = [_row(number, random) for number in range(300)]
    rows[23][5] = f"{Decimal(rows[23][5]) + Decimal('0.01'):.2f}"
    rows[140][6] = "EURO"
    rows[222][0] = ""
    header = ("number", "customer", "date", "net", "tax", "gross", "currency")
    return {"input/invoices-2026-01.csv": csv_text(header, rows)}


TEMPLATE = Template(
    summary="Invoices to customers",
    jobs=JOBS,
    run="run invoices --param month=2026-01",
    job="invoices",
    account="tax:vat",
    lesson="""
Three of the 300 invoices fail, and the other 297 are posted: one whose net and tax are a cent short
of its gross amount (its entry does not balance), one in a currency that does not exist, and one
without a number. Each is a dead letter that says what is wrong with it.
""",
    sample=sample,
)
