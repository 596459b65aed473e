"""Verifying the log that one run left, as ``--events-only`` does: every hash computed anew, every
event decoded, views left out. From 100,000 events on a second process helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storno import Store
from storno.storage.verification.verify import verify

from .beside import floor_seconds
from .compare import STORNO
from .invoices import write_invoices
from .report import MIB, table
from .stores import SQLITE, Stores, open_stores
from .task import BenchError, Task, events_of, run_in_child
from .timing import Stopwatch

VERIFY = "verify"

TARGET_EVENTS_PER_SECOND = 300_000
"""On SQLite."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One verification; the peak is that of both its processes.

    Attributes:
        of_floor: how many times as fast it was as inserting the same events just before; None but
            on SQLite.
    """

    database: str
    events: int
    seconds: float
    events_per_second: float
    peak_bytes: int
    of_floor: float | None


def run(task: Task) -> tuple[float, float]:
    """Verify a store that is there."""
    store = Store.open(task.url)
    watch = Stopwatch()
    with watch:
        found = verify(store)
    store.close()
    if found.total:
        raise BenchError(f"the log is not verified: {found.problems}")
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """An event a record, two a chunk, and the run's own two."""
    return {"SELECT count(*) FROM events": events_of(task.records)}


def verify_stores(
    folder: Path, databases: Sequence[str], sizes: Sequence[int], rounds: int
) -> list[Verified]:
    """Fill a store by one run of each size on each database, and verify it some times."""
    found = []
    for database in databases:
        with open_stores(database, folder) as stores:
            for records in sizes:
                source = str(write_invoices(folder / "invoices.csv", records))
                url = stores.create(VERIFY)
                run_in_child(Task(STORNO, url, source, records))
                task = Task(VERIFY, url, source, records)
                found += [_once(database, stores, task) for _ in range(rounds)]
                stores.drop(url)
    return found


def _once(database: str, stores: Stores, task: Task) -> Verified:
    floor = floor_seconds(stores, task)
    outcome, events = run_in_child(task), events_of(task.records)
    of_floor = None if floor is None else floor / outcome.seconds
    rate = events / outcome.seconds
    return Verified(database, events, outcome.seconds, rate, outcome.peak_bytes, of_floor)


def verify_holds(found: Sequence[Verified]) -> bool:
    """Whether SQLite's best was fast enough."""
    rates = [each.events_per_second for each in found if each.database == SQLITE]
    return not rates or max(rates) >= TARGET_EVENTS_PER_SECOND


def verify_table(found: Sequence[Verified]) -> str:
    """One row a verification."""
    rows = [
        (
            each.database,
            f"{each.events:,}",
            f"{each.seconds:.2f}",
            f"{each.events_per_second:,.0f}",
            "-" if each.of_floor is None else f"{each.of_floor:.2f}",
            f"{each.peak_bytes / MIB:.0f}",
        )
        for each in found
    ]
    head = ("database", "events", "seconds", "events/s", "times the floor", "peak MiB")
    return table(head, rows)
