"""A council's published payments over 500 pounds, one run a month."""

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from storno import Context, Entry, Parameters, Record, credit, csv_source, debit, job

COLUMNS = {
    "Body": "body",
    "Name of Body": "body_name",
    "Date": "date",
    "Transaction Number": "transaction_number",
    "Invoice Number": "invoice_number",
    "Amount": "amount",
    "Supplier Name": "supplier_name",
    "Supplier ID": "supplier_id",
    "Vat Reg No": "vat_registration",
    "Expense Area": "expense_area",
    "Expense Type": "expense_type",
    "Expense Code": "expense_code",
    "Creditor Type": "creditor_type",
}


def first_of_month(value: object) -> str:
    """The first day of a month written as 2020-01, or as in the names of the files, 202001."""
    found = re.fullmatch(r"(\d{4})-?(\d\d)(-01)?", str(value))
    if found is None:
        raise ValueError("write the month as 2020-01")
    return f"{found[1]}-{found[2]}-01"


Month = Annotated[
    dt.date,
    BeforeValidator(first_of_month),
    PlainSerializer(lambda day: f"{day:%Y-%m}", when_used="json"),
]


class Published(Parameters):
    """Which file to read. The month alone names the run, wherever the files are."""

    identifying = ("month",)
    month: Month
    folder: str = "../../../shared/data/devon-spend/2019-20"


class Payment(Record):
    """A row with all its columns, as published."""

    body: str
    body_name: str
    date: dt.date
    transaction_number: str
    invoice_number: str
    amount: Decimal
    supplier_name: str
    supplier_id: str
    vat_registration: str
    expense_area: str
    expense_type: str
    expense_code: str
    creditor_type: str


@job(
    key="transaction_number",
    source=csv_source("{folder}/DCCSpendingOver500_{month:%Y%m}.csv", aliases=COLUMNS),
    parameters=Published,
    rounding="half-up",
)
def payments(payment: Payment, context: Context) -> Entry:
    """Post a payment, or a credit note, to the month whose file it stands in."""
    month = context.parameters.month
    return Entry(
        [
            debit(f"expense:{payment.expense_code}", payment.amount, "GBP"),
            credit("creditors", payment.amount, "GBP"),
        ],
        effective=payment.date,
        posting=payment.date if payment.date.replace(day=1) == month else month,
        text=f"{payment.supplier_name}: {payment.expense_type}",
    )
