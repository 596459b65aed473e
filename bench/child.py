"""What happens in a leg's own process."""

from __future__ import annotations

import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import cast

import msgspec
import sqlalchemy as sa

from .connect import engine
from .task import BenchError, Leg, Outcome, Task

MODULES = {
    "storno": "storno_run",
    "handwritten": "handwritten",
    "eventsourcing": "aggregates",
    "dbos": "durable_steps",
    "floor": "floor",
}
"""The legs, in the order of the report, and their modules."""


def main(text: str) -> None:
    """Run the leg that the JSON text describes and print its outcome as one line of JSON."""
    task = msgspec.json.decode(text, type=Task)
    # A leg imports heavy libraries: only its own process may carry them.
    leg = cast("Leg", import_module(f".{MODULES[task.leg]}", __package__))
    seconds, cpu_seconds = leg.run(task)
    peak = peak_bytes()
    outcome = Outcome(seconds, cpu_seconds, peak, read_back(task, leg))
    print(msgspec.json.encode(outcome).decode())


def read_back(task: Task, leg: Leg) -> dict[str, int]:
    """Count in the store what the leg says it wrote.

    Raises:
        BenchError: a count is not what it must be.
    """
    found = {}
    with engine(task.url).connect() as connection:
        for statement, expected in leg.expected(task).items():
            found[statement] = int(connection.execute(sa.text(statement)).scalar_one())
            if found[statement] != expected:
                raise BenchError(
                    f"{task.leg} wrote {found[statement]} where {expected} must be: {statement}"
                )
    return found


def peak_bytes() -> int:
    """The most memory this process ever held, in bytes.

    Linux carries ru_maxrss over from the parent across fork and exec, so a large parent would be
    reported in place of a small child; VmHWM belongs to the program that runs now.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
