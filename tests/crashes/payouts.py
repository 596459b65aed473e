"""A job whose effect is a line in a file, and whose handler writes another; see ``payments``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storno import Context, Effect, Retry, csv_source, job

from .payments import CASE, Input, Payment, called, entry_of


def note(name: str, *words: str) -> None:
    """What an outside system takes down at once, whatever becomes of the caller."""
    with Path(name).open("a") as file:
        file.write(" ".join(words) + "\n")


@job(
    key="number",
    source=csv_source("{run}.csv"),
    parameters=Input,
    chunk_size=CASE.chunk_size,
    lease_seconds=CASE.lease_seconds,
    retry=Retry(first_delay_seconds=0.05),
    record_seconds=None,
    effect=True,
)
def payouts(payment: Payment, context: Context) -> Effect:
    note("paid", payment.number, context.idempotency_key)
    return Effect(output={"receipt": payment.number}, entries=[entry_of(payment)])


@payouts.compensate
def refund(payment: Payment, output: Any, context: Context) -> str:
    """The mishap may come before the line is written, and behind it."""
    called()
    note("refunds", output["receipt"], context.idempotency_key)
    called()
    return f"refund of {payment.number}"
