"""Jobs whose records are about persons, and what of them a store gives away."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa

from storno import (
    Context,
    Effect,
    Entry,
    Job,
    Parameters,
    Personal,
    Record,
    Retry,
    credit,
    debit,
    iterable,
    job,
)
from storno.domain.ids import RunId
from storno.execution.ciphers import Opener
from storno.execution.journal import Journal

from .lab import DAY, Lab, Rows

BILLS = RunId("bills", "once")
SECRETS = ("Hopper", "DE89")
"""A part of every name and of every account number."""


class Month(Parameters):
    month: str


class Bill(Record):
    """A bill of a person, who has a number that says nothing."""

    number: str
    person: str
    amount: Decimal
    name: Annotated[str, Personal(subject="person")]
    iban: Annotated[str | None, Personal(subject="person")] = None


def bills(count: int, persons: int = 3, first: int = 0) -> Rows:
    """Raw rows ``B-000``, ... which are about a few persons in turn."""
    return [
        {
            "number": f"B-{number:03}",
            "person": str(number % persons),
            "amount": f"{number + 1}.25",
            "name": f"Grace Hopper {number % persons}",
            "iban": f"DE89 3704 {number % persons}",
        }
        for number in range(first, first + count)
    ]


def entry_of(bill: Bill) -> Entry:
    lines = [debit("expense", bill.amount, "EUR"), credit("creditors", bill.amount, "EUR")]
    return Entry(lines, effective=DAY, text=f"bill of {bill.name}")


def billing(
    rows: Any,
    act: Callable[[Bill], object] = lambda bill: None,
    **policies: Any,
) -> Job:
    def pay(bill: Bill) -> Entry:
        act(bill)
        return entry_of(bill)

    return job(**({"key": "number", "source": iterable(rows), "name": "bills"} | policies))(pay)


def paying_out(rows: Rows, refunds: list[tuple[str, Any]], **policies: Any) -> Job:
    """A job that calls out with the name, and whose handler is given it back."""
    settings: dict[str, Any] = {
        "key": "number", "source": iterable(rows), "name": "bills", "effect": True,
        "retry": Retry(on=(OSError,), retries=0),
    }  # fmt: skip

    @job(**(settings | policies))
    def pay(bill: Bill, context: Context) -> Effect:
        return Effect({"paid to": bill.name, "receipt": context.key}, [entry_of(bill)])

    @pay.compensate
    def refund(bill: Bill, output: Any) -> str:
        refunds.append((bill.name, output))
        return f"refund of {bill.name}"

    return pay


def amount_of(row: Any) -> tuple[str, int]:
    return "EUR", int(Decimal(row["amount"]) * 100)


def leaks(lab: Lab, *secrets: str) -> list[str]:
    """Where the store gives one of these away: in a table, or in the bytes of its files."""
    secrets = secrets or SECRETS
    found = []
    with lab.store.engine.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            for row in connection.execute(sa.select(sa.text("*")).select_from(sa.table(table))):
                found += [f"{table}: {row}" for secret in secrets if secret in repr(tuple(row))]
    if lab.url.startswith("sqlite"):
        path = Path(lab.url.removeprefix("sqlite:///"))
        for file in path.parent.iterdir():
            data = file.read_bytes()
            found += [file.name for secret in secrets if secret.encode() in data]
    return found


def read(lab: Lab, stored: Any) -> Any:
    """A stored document, opened."""
    return Opener(Journal(lab.store)).document(bytes(stored)).values
