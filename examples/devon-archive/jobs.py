"""Fourteen years of a council's published payments, as their files came, one run a month."""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from storno import Entry, Parameters, Record, Tolerance, credit, csv_source, debit, job

COLUMNS = {
    "Body": "body",
    "Name of Body": "body_name",
    "Name of  Body": "body_name",
    "Date": "date",
    "Transaction Number": "transaction_number",
    "Invoice Number": "invoice_number",
    "Amount": "amount",
    "Supplier Name": "supplier_name",
    "Supplier ID": "supplier_id",
    "VAT Reg no": "vat_registration",
    "Vat Reg No": "vat_registration",
    "Expense Area": "expense_area",
    "Expense Type": "expense_type",
    "Expense Code": "expense_code",
    "Creditor Type": "creditor_type",
}

THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d*)?")
BRITISH_DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4})")


def without_thousands_commas(value: object) -> object:
    """1,424.00 as 1424.00; a comma anywhere else stays, and is refused: 12,50 may mean 12.50."""
    if isinstance(value, str) and THOUSANDS.fullmatch(value):
        return value.replace(",", "")
    return value


def day_first(value: object) -> object:
    """19/12/2011 as 2011-12-19; the other format, 2017-04-03 00:00:00, is pydantic's own."""
    if isinstance(value, str) and (found := BRITISH_DATE.fullmatch(value)):
        return f"{found[3]}-{found[2]}-{found[1]}"
    return value


class Published(Parameters):
    """Which file to read. The month alone names the run, wherever the files are."""

    identifying = ("month",)
    month: Annotated[str, StringConstraints(pattern=r"^20\d\d(0[1-9]|1[0-2])$")]
    folder: str = "months"


class Payment(Record):
    """A row with all its columns, as published."""

    body: str
    body_name: str
    date: Annotated[dt.date, BeforeValidator(day_first)]
    transaction_number: str
    invoice_number: str
    amount: Annotated[Decimal, BeforeValidator(without_thousands_commas)]
    supplier_name: str
    supplier_id: str
    vat_registration: str
    expense_area: str
    expense_type: str
    expense_code: str
    creditor_type: str


@job(
    key=("transaction_number", "expense_area"),
    source=csv_source(
        "{folder}/DCCSpendingOver500_{month}.csv",
        encoding=("utf-8-sig", "cp1252"),
        aliases=COLUMNS,
        skip_empty_rows=True,
    ),
    parameters=Published,
    rounding="half-up",
    tolerance=Tolerance(records=100, percent=30),
)
def archive(payment: Payment) -> Entry:
    """Post a payment, or a credit note, to the date it bears."""
    return Entry(
        [
            debit(f"expense:{payment.expense_code}", payment.amount, "GBP"),
            credit("creditors", payment.amount, "GBP"),
        ],
        effective=payment.date,
        text=f"{payment.supplier_name}: {payment.expense_type}",
    )
