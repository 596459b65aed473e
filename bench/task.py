"""One leg in a process of its own: what it is told, what it reports, how it is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

ROOT = Path(__file__).resolve().parent.parent

CHUNK = 1_000
"""Records a commit, in every leg that commits in chunks."""


def events_of(records: int) -> int:
    """How many events a run over that many records leaves.

    One for each, a chunk's claim and its end, the run's start and its end.
    """
    return records + 2 * -(-records // CHUNK) + 2


class BenchError(Exception):
    """A leg failed or did not write what it says."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a leg is told.

    Attributes:
        leg: its name in ``bench.legs.LEGS``.
        url: an empty store.
        source: the CSV file; for the floor, the SQLite file that holds the rows to insert.
        records: how many records the file holds.
    """

    leg: str
    url: str
    source: str
    records: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one leg did and cost.

    Attributes:
        seconds: wall time from opening the file to the last commit; imports and the making of
            tables are left out, in every leg.
        cpu_seconds: processor time of the leg's process meanwhile, all threads, and of processes
            that it started.
        peak_bytes: the most memory the process ever held, and the same of those it started.
        stored: counts read back from the store, by name.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    stored: dict[str, int]


class Leg(Protocol):
    """A module that does the benchmark's job one way."""

    def run(self, task: Task) -> tuple[float, float]:
        """Do the job and return the wall and the processor seconds of its measured part."""

    def expected(self, task: Task) -> Mapping[str, int]:
        """SQL of counts, each with the value it must have after the run."""


def run_in_child(task: Task, *, prefix: tuple[str, ...] = ()) -> Outcome:
    """Run a leg in a fresh process.

    Args:
        task: what to run.
        prefix: a command to put before the interpreter, such as a profiler.

    Raises:
        BenchError: the process failed; the message ends with what it said.
    """
    command = [*prefix, sys.executable, "-m", "bench", "leg", msgspec.json.encode(task).decode()]
    child = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment()
    )
    if child.returncode != 0:
        raise BenchError(f"{task.leg} on {task.url} failed:\n{child.stderr[-4000:]}")
    line = next(line for line in child.stdout.splitlines() if line.startswith("{"))
    return msgspec.json.decode(line, type=Outcome)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
