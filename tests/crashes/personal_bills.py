"""A job whose records are about persons, in a run that is long from its first commit."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from storno import Context, Entry, Personal, Retry, csv_source, job

from .payments import CASE, Input, Payment, called, entry_of
from .writers import make_runs_long


class PersonalPayment(Payment):
    """A payment to a person, whom its number stands for."""

    payee: Annotated[str, Personal(subject="number")] = "Grace Hopper"


@job(
    key="number",
    source=csv_source("{run}.csv"),
    parameters=Input,
    chunk_size=CASE.chunk_size,
    retry=Retry(first_delay_seconds=0.05),
    record_seconds=None,
    name="payments",
)
def payments(payment: PersonalPayment, context: Context) -> Entry:
    """Post a payment."""
    called()
    return entry_of(payment)


if interpreter := os.environ.get("CRASH_INTERPRETER"):
    sys.executable = interpreter
    make_runs_long()
