"""The floor beside something else: how fast a machine is just then, by what it is measured with."""

from __future__ import annotations

from .compare import FLOOR
from .connect import sqlite_path
from .stores import Stores
from .task import Task, run_in_child

ASKED_OF_FLOOR = 300_000 / 247_000
"""Events a second that are asked for, and those that the floor came to on the machine and in the
hour for which they were asked. A machine may be another by the hour, by half and more; whatever
reads the events is held against the floor in the same minute."""


def floor_seconds(stores: Stores, url: str, records: int) -> float:
    """How long it takes to insert the events of a SQLite store again, and nothing else."""
    beside = stores.create("floor")
    outcome = run_in_child(Task(FLOOR, beside, sqlite_path(url), records))
    stores.drop(beside)
    return outcome.seconds
