"""What personal fields cost: the same invoices with one field marked, and with none, in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from .compare import STORNO
from .invoices import write_invoices
from .report import table
from .stores import open_stores
from .task import Task, run_in_child

PERSONAL = "personal"


@dataclass(frozen=True, slots=True)
class Cost:
    """One round on one database: processor and wall time of a record, in microseconds."""

    database: str
    plain: float
    marked: float
    plain_cpu: float
    marked_cpu: float


def measure(folder: Path, databases: Sequence[str], records: int, rounds: int) -> list[Cost]:
    """Run both, each in a process of its own, as often as there are rounds."""
    source = write_invoices(folder / "invoices.csv", records)
    costs = []
    for database in databases:
        with open_stores(database, folder) as stores:
            for number in range(rounds):
                took = []
                for leg in (STORNO, PERSONAL):
                    url = stores.create(f"{leg}_{number}")
                    outcome = run_in_child(Task(leg, url, str(source), records))
                    stores.drop(url)
                    took.append((outcome.seconds, outcome.cpu_seconds))
                (plain, plain_cpu), (marked, marked_cpu) = (
                    (wall / records * 1e6, cpu / records * 1e6) for wall, cpu in took
                )
                costs.append(Cost(database, plain, marked, plain_cpu, marked_cpu))
    return costs


def cost_table(costs: Sequence[Cost]) -> str:
    """The medians of each database, and what the mark adds."""
    rows = []
    for database in dict.fromkeys(cost.database for cost in costs):
        of_it = [cost for cost in costs if cost.database == database]
        figures = [
            median(getattr(cost, name) for cost in of_it)
            for name in ("plain", "marked", "plain_cpu", "marked_cpu")
        ]
        added = median(cost.marked_cpu - cost.plain_cpu for cost in of_it)
        rows.append((database, *(f"{figure:.1f}" for figure in figures), f"{added:.1f}"))
    heads = ("database", "us/record", "marked", "CPU us/record", "marked", "CPU added")
    return table(heads, rows)
