"""Interest on savings: what the bank owes, rounded by a named rule."""

from __future__ import annotations

from random import Random

from .base import SEED, Template, csv_text

JOBS = '''
"""Interest on savings accounts, one run a month."""

import datetime as dt
from decimal import Decimal

from storno import Entry, Parameters, Record, credit, csv_source, debit, job


class Month(Parameters):
    """The month to run, such as 2026-01."""

    month: str


class Balance(Record):
    """A line of input/balances-MONTH.csv: an account at the end of a month."""

    account: str
    date: dt.date
    balance: Decimal
    rate_percent: Decimal
    currency: str


# The date is part of the key: every account earns interest every month. Interest comes out finer
# than a cent; without a named rounding rule such an amount is refused, never rounded in silence.
@job(
    key=("account", "date"),
    source=csv_source("input/balances-{month}.csv"),
    parameters=Month,
    rounding="half-even",
)
def interest(account: Balance) -> Entry:
    """Post a twelfth of a year's interest."""
    amount = account.balance * account.rate_percent / 100 / 12
    return Entry(
        [
            debit("interest-expense", amount, account.currency),
            credit(f"savings:{account.account}", amount, account.currency),
        ],
        effective=account.date,
        text=f"Interest at {account.rate_percent}% on {account.balance}",
    )
'''

CURRENCIES = ("EUR", "EUR", "EUR", "JPY", "KWD")
"""With two decimals, none, and three."""


def _row(number: int, random: Random) -> list[str]:
    currency = CURRENCIES[number % len(CURRENCIES)]
    balance = random.randrange(10_000, 9_000_000)
    shown = {"EUR": f"{balance / 100:.2f}", "JPY": str(balance), "KWD": f"{balance / 1000:.3f}"}
    rate = random.choice(("0.75", "1.25", "2.10"))
    return [f"S{number:05d}", "2026-01-31", shown[currency], rate, currency]


def sample() -> dict[str, str]:
    """500 accounts at the end of a month, two of them faulty."""
    random = Random(SEED)  # noqa: S311 - a sample, not a secret
    rows = [_row(number, random) for number in range(500)]
    rows[77][2] = "n/a"
    rows[301][3] = ""
    header = ("account", "date", "balance", "rate_percent", "currency")
    return {"input/balances-2026-01.csv": csv_text(header, rows)}


TEMPLATE = Template(
    summary="Interest on savings accounts",
    jobs=JOBS,
    run="run interest --param month=2026-01",
    job="interest",
    account="interest-expense",
    lesson="""
Two of the 500 accounts fail, and the other 498 are posted: one has no balance and one no rate. The
accounts are in three currencies with two decimals, none and three, and interest is rounded half to
even, because the job says so.
""",
    sample=sample,
)
