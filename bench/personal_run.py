"""The same leg as ``storno_run``, with a job that marks a field of each invoice as personal."""

from __future__ import annotations

from typing import Annotated

from storno import Entry, Personal, job

from . import storno_job, storno_run
from .task import Task

expected = storno_run.expected


class Invoice(storno_job.Invoice):
    """One row of the file; its text is about the supplier."""

    text: Annotated[str, Personal(subject="supplier")]


@job(
    key="invoice_number",
    source=storno_job.invoices.source,
    parameters=storno_job.Delivery,
    name="invoices",
)
def invoices(invoice: Invoice) -> Entry:
    """As the other job, text and all: that quotes the personal field, and is sealed too."""
    entry: Entry = storno_job.invoices(invoice)
    return entry


def run(task: Task) -> tuple[float, float]:
    """Run the job over the file."""
    return storno_run.run(task, invoices)
