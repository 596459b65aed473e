"""A month's pay: salaries against tax, insurance and what is paid out."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from .base import SEED, Template, csv_text

JOBS = '''
"""A month's pay, one run a month."""

import calendar
import datetime as dt
from decimal import Decimal

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Month(Parameters):
    """The month to run, such as 2026-01."""

    month: str


class Payslip(Record):
    """A line of input/payroll-MONTH.csv."""

    employee: str
    month: str
    department: str
    gross: Decimal
    tax: Decimal
    insurance: Decimal
    net: Decimal


# The month is part of the key: a key names one record for all time, and the same employee is paid
# every month. With the employee alone February's pay would clash with January's.
@job(
    key=("employee", "month"),
    source=csv_source("input/payroll-{month}.csv"),
    parameters=Month,
    tolerance=0,
)
def payroll(slip: Payslip) -> Entry:
    """Post a payslip. One that does not add up fails the run: nobody is paid by a wrong file."""
    year, month = map(int, slip.month.split("-"))
    last_day = dt.date(year, month, calendar.monthrange(year, month)[1])
    return Entry(
        [
            debit(f"salaries:{slip.department}", slip.gross, "EUR"),
            credit("payable:tax", slip.tax, "EUR"),
            credit("payable:insurance", slip.insurance, "EUR"),
            credit("payable:net-pay", slip.net, "EUR"),
        ],
        effective=last_day,
        text=f"Pay of {slip.employee}, {slip.month}",
    )
'''

DEPARTMENTS = ("finance", "sales", "warehouse")
MONTHS = ("2026-01", "2026-02")
CENT = Decimal("0.01")


def _row(employee: int, month: str, random: Random) -> list[str]:
    gross = Decimal(random.randrange(240_000, 720_000)).scaleb(-2)
    tax = (gross * 21 / 100).quantize(CENT)
    insurance = (gross * 20 / 100).quantize(CENT)
    amounts = (gross, tax, insurance, gross - tax - insurance)
    department = DEPARTMENTS[employee % len(DEPARTMENTS)]
    return [f"E{employee:04d}", month, department, *(f"{each:.2f}" for each in amounts)]


def _file(month: str) -> str:
    random = Random(SEED)  # noqa: S311 - a sample, not a secret
    header = ("employee", "month", "department", "gross", "tax", "insurance", "net")
    return csv_text(header, (_row(employee, month, random) for employee in range(1, 121)))


def sample() -> dict[str, str]:
    """120 payslips in each of two months, without a fault."""
    return {f"input/payroll-{month}.csv": _file(month) for month in MONTHS}


TEMPLATE = Template(
    summary="A month's pay",
    jobs=JOBS,
    run="run payroll --param month=2026-01",
    job="payroll",
    account="payable:net-pay",
    lesson="""
The 120 payslips are in order, and they have to be: `tolerance=0` fails the run at the first record
that fails. Change an amount in `input/payroll-2026-02.csv` and run February to see it. The key is
employee and month, `E0001:2026-01`: with the employee alone, February's pay would clash with
January's.
""",
    sample=sample,
)
