"""How fast the events are read again: a rebuild of all views, their check, the books of a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .beside import floor_seconds
from .compare import STORNO
from .invoices import write_invoices
from .report import table
from .stores import SQLITE, Stores, open_stores
from .task import Task, events_of, run_in_child

TARGET_EVENTS_PER_SECOND = 300_000
"""Of a rebuild on SQLite, in one process."""

LEGS = {
    "rebuild": "all views made anew",
    "check": "all views compared",
    "books": "the trial balance of a time",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What going through the events once took.

    Attributes:
        leg: of ``LEGS``.
        events: how many there were.
        peak_bytes: the most memory the process held.
        floor_seconds: what inserting the same events took just before; None but on SQLite.
    """

    database: str
    leg: str
    events: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    floor_seconds: float | None

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def of_floor(self) -> float | None:
        """How many times as fast as inserting the events was."""
        return None if self.floor_seconds is None else self.floor_seconds / self.seconds


def rebuild(
    folder: Path, databases: Sequence[str], sizes: Sequence[int], rounds: int
) -> list[Reading]:
    """Fill a store by a run of each size, and read it again, each time by a fresh process."""
    found = []
    for records in sizes:
        source = str(write_invoices(folder / "invoices.csv", records))
        for database in databases:
            with open_stores(database, folder) as stores:
                url = stores.create(f"rebuild_{records}")
                run_in_child(Task(STORNO, url, source, records))
                tasks = [Task(leg, url, source, records) for leg in LEGS] * rounds
                found += [_once(database, stores, task) for task in tasks]
                stores.drop(url)
    return found


def _once(database: str, stores: Stores, task: Task) -> Reading:
    floor = floor_seconds(stores, task)
    outcome = run_in_child(task)
    cost = (outcome.seconds, outcome.cpu_seconds, outcome.peak_bytes)
    return Reading(database, task.leg, events_of(task.records), *cost, floor)


def rebuild_holds(readings: Sequence[Reading]) -> bool:
    """Whether rebuilds on SQLite are as fast as they are meant to be."""
    return all(
        median(one.rate for one in ours) >= TARGET_EVENTS_PER_SECOND
        for (database, leg, _), ours in _grouped(readings).items()
        if (database, leg) == (SQLITE, "rebuild")
    )


def rebuild_table(readings: Sequence[Reading]) -> str:
    """One row for what was done to a store: medians, and the best."""
    rows = [
        (
            database,
            LEGS[leg],
            f"{events:,}",
            f"{median(one.rate for one in ours):,.0f}",
            f"{max(one.rate for one in ours):,.0f}",
            _times_floor(ours),
            f"{median(one.cpu_seconds for one in ours) * 1_000_000 / events:.2f}",
            f"{max(one.peak_bytes for one in ours) / 2**20:.0f}",
        )
        for (database, leg, events), ours in _grouped(readings).items()
    ]
    head = (
        *("database", "what", "events", "events/s", "best", "times the floor"),
        *("CPU us/event", "peak MiB"),
    )
    return table(head, rows)


def _times_floor(readings: Sequence[Reading]) -> str:
    ratios = [one.of_floor for one in readings if one.of_floor is not None]
    return f"{median(ratios):.2f}" if ratios else "-"


def _grouped(readings: Sequence[Reading]) -> dict[tuple[str, str, int], list[Reading]]:
    groups: dict[tuple[str, str, int], list[Reading]] = {}
    for one in readings:
        groups.setdefault((one.database, one.leg, one.events), []).append(one)
    return groups
