"""What happens in a leg's own process."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self, cast

import msgspec
import sqlalchemy as sa

from .connect import engine
from .task import BenchError, Leg, Outcome, Task

_LOOK_SECONDS: Final = 0.05

MODULES = {
    "storno": "storno_run",
    "reversal": "reversal",
    "handwritten": "handwritten",
    "eventsourcing": "aggregates",
    "dbos": "durable_steps",
    "floor": "floor",
}
"""The legs, in the order of the report, and their modules."""

FURTHER = {
    "verify": "verifying",
    "personal": "personal_run",
    **dict.fromkeys(("rebuild", "check", "books"), "anew"),
    **dict.fromkeys(("log-ndjson", "log-parquet", "book-beancount", "book-parquet"), "leaving"),
}
"""Legs that stand in no comparison, only in a trial of their own."""


def main(text: str) -> None:
    """Run the leg that the JSON text describes and print its outcome as one line of JSON."""
    task = msgspec.json.decode(text, type=Task)
    # A leg imports heavy libraries: only its own process may carry them.
    leg = cast("Leg", import_module(f".{(MODULES | FURTHER)[task.leg]}", __package__))
    with Children() as children:
        seconds, cpu_seconds = leg.run(task)
    peak = peak_bytes() + children.peak_bytes
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
        return _most_held(status.read_text())
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Children:
    """Watches the memory of the processes that this one starts; on Linux only.

    What a process held at most never shrinks, so looking now and then misses little. Pages that
    two processes share are counted in both.
    """

    def __init__(self) -> None:
        self._peaks: dict[int, int] = {}
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def peak_bytes(self) -> int:
        """The sum of what each held at most."""
        return sum(self._peaks.values())

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for child in children_of(os.getpid()):
                with suppress(OSError):
                    # The last look counts: between fork and exec a child still is its parent.
                    held = _most_held(Path(f"/proc/{child}/status").read_text())
                    self._peaks[child] = held or self._peaks.get(child, 0)


def children_of(process: int) -> list[int]:
    """The processes that one has started and that have not ended; none where that is not Linux."""
    children: list[int] = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            children += map(int, listed.read_text().split())
    return children


def _most_held(status: str) -> int:
    """Bytes, of a process's status; 0 where it has ended."""
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
