"""How the legs that are not Storno read the file: csv and pydantic, as a careful engineer would."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter

CREDITORS = "creditors"

CENTS_A_UNIT = 100
"""The generator writes euros only."""


class Invoice(BaseModel):
    """One row of the file."""

    invoice_number: Annotated[str, Field(min_length=1)]
    supplier: str
    expense_account: str
    date: date
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    amount: Annotated[Decimal, Field(decimal_places=2)]
    text: str

    @property
    def minor_units(self) -> int:
        """The amount in cents."""
        return int(self.amount * CENTS_A_UNIT)


_INVOICES = TypeAdapter(list[Invoice])


def chunks(path: str, size: int) -> Iterator[list[Invoice]]:
    """Validated invoices of a CSV file, ``size`` at a time: one bulk validation a chunk."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        while chunk := list(islice(rows, size)):
            yield _INVOICES.validate_python(chunk)
