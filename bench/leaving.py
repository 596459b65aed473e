"""How much memory it takes to write everything there is, against the size of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storno.cli.main import main

from .compare import STORNO
from .invoices import write_invoices
from .report import MIB, table
from .stores import open_stores
from .task import BenchError, Task, run_in_child
from .timing import Stopwatch

WAYS: Final = {
    "log-ndjson": ("audit", "export"),
    "log-parquet": ("audit", "export", "--format", "parquet"),
    "book-beancount": ("ledger", "export", "--format", "beancount"),
    "book-parquet": ("ledger", "export", "--format", "parquet"),
}
"""Leg to the command that it is."""

MOST_GROWTH: Final = 1.3
"""Memory at the largest size over that at the smallest; caches are filled at neither."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export, in a process of its own."""

    leg: str
    database: str
    records: int
    seconds: float
    peak_bytes: int


def run(task: Task) -> tuple[float, float]:
    """Write the files beside the store's source; the command's own words go unread."""
    out = Path(task.source).with_name(f"{task.leg}.out")
    watch = Stopwatch()
    with watch:
        code = main([*WAYS[task.leg], "--out", str(out), "--force", "--store", task.url])
    if code:
        raise BenchError(f"{task.leg} ended with {code}")
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """Nothing is added to the events."""
    return {"SELECT count(*) FROM events WHERE topic = 'storno.RecordSucceeded.v1'": task.records}


def export(folder: Path, databases: Sequence[str], sizes: Sequence[int]) -> list[Export]:
    """Fill a store by a run of each size, and write it once in each way."""
    found = []
    for records in sizes:
        source = str(write_invoices(folder / "invoices.csv", records))
        for database in databases:
            with open_stores(database, folder) as stores:
                url = stores.create(f"export_{records}")
                run_in_child(Task(STORNO, url, source, records))
                for leg in WAYS:
                    outcome = run_in_child(Task(leg, url, source, records))
                    found.append(
                        Export(leg, database, records, outcome.seconds, outcome.peak_bytes)
                    )
                stores.drop(url)
    return found


def export_holds(found: Sequence[Export]) -> bool:
    """Whether no way took more memory for more."""
    return all(
        max(each.peak_bytes for each in ours) <= MOST_GROWTH * min(each.peak_bytes for each in ours)
        for ours in _grouped(found).values()
    )


def export_table(found: Sequence[Export]) -> str:
    """One row an export."""
    rows = [
        (
            each.database,
            each.leg,
            f"{each.records:,}",
            f"{each.records / each.seconds:,.0f}",
            f"{each.peak_bytes / MIB:.0f}",
        )
        for ours in _grouped(found).values()
        for each in ours
    ]
    return table(("database", "what", "records", "records/s", "peak MiB"), rows)


def _grouped(found: Sequence[Export]) -> dict[tuple[str, str], list[Export]]:
    groups: dict[tuple[str, str], list[Export]] = {}
    for each in found:
        groups.setdefault((each.database, each.leg), []).append(each)
    return groups
