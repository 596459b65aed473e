"""A seeded generator of supplier invoices: the CSV file that every leg of the benchmark reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from math import gcd
from pathlib import Path
from random import Random

EXPENSE_ACCOUNTS = 977
"""A prime, so that a chunk of 1,000 records touches most accounts and never in the same order."""

SUPPLIERS = 4_000
HEADER = "invoice_number,supplier,expense_account,date,currency,amount,text\n"

_FIRST_DAY = date(2026, 1, 1)
_TEXTS = ("office supplies", "cleaning", "freight", "consulting", "licences", "repairs", "energy")


def write_invoices(
    path: Path, records: int, *, seed: int = 20_260_101, shuffled: bool = False
) -> Path:
    """Write a CSV file of ``records`` invoices and return its path.

    Args:
        path: the file to write.
        records: how many invoices; their numbers run from INV-00000001.
        seed: the same seed writes the same bytes.
        shuffled: number the invoices in a scattered order instead of rising.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        file.writelines(_lines(records, Random(seed), shuffled))
    return path


def _lines(records: int, random: Random, shuffled: bool) -> Iterator[str]:
    days = [(_FIRST_DAY + timedelta(days=n)).isoformat() for n in range(31)]
    for number in _scattered(records) if shuffled else range(records):
        cents = random.randrange(100, 5_000_000)
        yield (
            f"INV-{number + 1:08d},Supplier {random.randrange(SUPPLIERS):04d},"
            f"{random.randrange(EXPENSE_ACCOUNTS):04d},{days[number * 31 // records]},"
            f"EUR,{cents // 100}.{cents % 100:02d},{random.choice(_TEXTS)}\n"
        )


def _scattered(count: int) -> Iterator[int]:
    """Every number below ``count`` once, neighbours far apart, without holding them in memory."""
    step = int(count * 0.618) | 1
    while gcd(step, count) != 1:
        step += 2
    return (n * step % count for n in range(count))
