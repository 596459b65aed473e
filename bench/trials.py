"""Trials of Storno alone: memory against the size of a run, cost against the size of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa

from .compare import STORNO
from .connect import engine
from .invoices import write_invoices
from .report import MIB, table
from .stores import open_stores
from .task import Task, run_in_child

MEMORY_LIMIT_MIB = 200
SCALE_LIMIT = 1.3
"""The most that a record may cost in the full store, in units of what it cost in the empty one."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """The peak of one run."""

    database: str
    records: int
    peak_bytes: int
    records_per_second: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a record cost while the store grew from ``after`` to ``until`` events."""

    database: str
    keys: str
    after: int
    until: int
    microseconds: float
    ratio: float


def memory(folder: Path, databases: Sequence[str], sizes: Sequence[int]) -> list[MemoryUse]:
    """Run each size once, in a process of its own."""
    uses = []
    for database in databases:
        with open_stores(database, folder) as stores:
            for records in sizes:
                source = write_invoices(folder / "invoices.csv", records)
                url = stores.create(f"memory_{records}")
                outcome = run_in_child(Task(STORNO, url, str(source), records))
                stores.drop(url)
                rate = records / outcome.seconds
                uses.append(MemoryUse(database, records, outcome.peak_bytes, rate))
    return uses


def memory_holds(uses: Sequence[MemoryUse]) -> bool:
    """Whether every run stayed under the limit."""
    return all(use.peak_bytes < MEMORY_LIMIT_MIB * MIB for use in uses)


def memory_table(uses: Sequence[MemoryUse]) -> str:
    """One row a run."""
    rows = [
        (
            use.database,
            f"{use.records:,}",
            f"{use.peak_bytes / MIB:.0f}",
            f"{use.records_per_second:,.0f}",
        )
        for use in uses
    ]
    return table(("database", "records", "peak MiB", "records/s"), rows)


def scale(folder: Path, databases: Sequence[str], marks: Sequence[int]) -> list[Cost]:
    """Grow a store to the last mark, once with keys in order and once with scattered keys."""
    costs: list[Cost] = []
    for database in databases:
        with open_stores(database, folder) as stores:
            for keys in ("in order", "scattered"):
                source = write_invoices(
                    folder / "invoices.csv", marks[-1], shuffled=keys == "scattered"
                )
                url = stores.create(f"scale_{keys.replace(' ', '_')}")
                run_in_child(Task(STORNO, url, str(source), marks[-1]))
                costs.extend(_costs(url, database, keys, marks))
                stores.drop(url)
    return costs


def _costs(url: str, database: str, keys: str, marks: Sequence[int]) -> Iterator[Cost]:
    """Read off the commits' own times how long each stretch of the run took."""
    with engine(url).connect() as connection:
        commits = connection.execute(
            sa.text("SELECT first_position + count - 1, recorded_at FROM commits ORDER BY number")
        ).all()
    reached = [next(commit for commit in commits if commit[0] >= mark) for mark in marks]
    baseline = 0.0
    for (after, began), (until, ended) in pairwise([commits[0], *reached]):
        microseconds = (ended - began) / (until - after)
        baseline = baseline or microseconds
        yield Cost(database, keys, after, until, microseconds, microseconds / baseline)


def scale_holds(costs: Sequence[Cost]) -> bool:
    """Whether keys in order cost about the same at every size."""
    return all(cost.ratio <= SCALE_LIMIT for cost in costs if cost.keys == "in order")


def scale_table(costs: Sequence[Cost]) -> str:
    """One row a stretch."""
    rows = [
        (
            cost.database,
            cost.keys,
            f"{cost.after:,} to {cost.until:,}",
            f"{cost.microseconds:.1f}",
            f"{cost.ratio:.2f}",
        )
        for cost in costs
    ]
    return table(("database", "keys", "events in the store", "us/event", "against the first"), rows)
