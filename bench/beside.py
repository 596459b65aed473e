"""The floor beside something else: how fast a machine is just then, by what it is measured with."""

from __future__ import annotations

import os

from .compare import FLOOR
from .connect import is_sqlite, sqlite_path
from .stores import Stores
from .task import Task, run_in_child


def floor_seconds(stores: Stores, task: Task) -> float | None:
    """How long it takes to insert the events of a task's store again, and nothing else.

    A machine may be half as fast in the next hour, and this tells. None where it is not SQLite.
    """
    if not is_sqlite(task.url):
        return None
    beside = stores.create("floor")
    outcome = run_in_child(Task(FLOOR, beside, sqlite_path(task.url), task.records))
    stores.drop(beside)
    os.sync()  # what is measured next does not pay for what this left to be written
    return outcome.seconds
