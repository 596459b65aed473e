"""A project whose runs are made to suffer, and what must hold in its store afterwards."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil
import sqlalchemy as sa

from storno.domain.events import RecordSucceeded, RunResumed, RunStarted

from ..cli.command import TIMEOUT_SECONDS, Ran, Storno
from ..scenarios.lab import Lab
from .payments import ROWS, VARIABLE, Case

ROOT = Path(__file__).parents[2]
RECORDS = 35
JOB = "tests.crashes.payments:payments"
Found = TypeVar("Found")


class Project:
    """A folder with an input, and a store.

    Attributes:
        url: of the store.
        is_new: whether the store is still to be made.
    """

    def __init__(self, folder: Path, url: str, *, is_new: bool = True) -> None:
        self.folder = folder
        self.url = url
        self.is_new = is_new
        (folder / "storno.toml").write_text('jobs = ["tests.crashes.payments"]')
        self.write("a")

    @cached_property
    def lab(self) -> Lab:
        """The store, made when it is first asked for, and its oracle."""
        return Lab(self.url, is_new=self.is_new)

    @property
    def is_sqlite(self) -> bool:
        """Whether the store is a file."""
        return self.url.startswith("sqlite")

    def write(self, run: str, records: int = RECORDS, prefix: str = "P") -> None:
        """The input of a run: payments ``P-000``, ``P-001``, ..."""
        rows = [f"{prefix}-{number:03},{number + 1}.25" for number in range(records)]
        (self.folder / f"{run}.csv").write_text("\n".join(["number,amount", *rows, ""]))

    def make_table(self) -> None:
        """The table of the job that writes rows of its own; its number is unique."""
        with self.lab.store.engine.connect() as connection:
            writing = connection.execution_options(storno_writes=True)
            with writing.begin():
                writing.execute(sa.text(f"CREATE TABLE {ROWS.name} (number TEXT PRIMARY KEY)"))

    # The command line.

    def storno(self, **case: Any) -> Storno:
        """The command line, and what happens to its process."""
        self.lab.store  # noqa: B018 - there has to be one
        variables = {"STORNO_STORE": self.url, "PYTHONPATH": str(ROOT), VARIABLE: Case(**case).text}
        return Storno(self.folder, variables)

    def run(self, *more: str, run: str = "a", code: int | None = 0, **case: Any) -> Ran:
        """``storno run`` to its end."""
        return self.storno(**case)("run", JOB, "--param", f"run={run}", *more, code=code)

    def start(self, *more: str, run: str = "a", **case: Any) -> subprocess.Popen[str]:
        """``storno run`` beside the test."""
        return self.storno(**case).start("run", JOB, "--param", f"run={run}", *more)

    def resume(self, *more: str, code: int | None = 0, **case: Any) -> Ran:
        """``storno resume last`` to its end."""
        return self.storno(**case)("resume", "last", *more, code=code)

    def is_here(self) -> None:
        """Wait for the process that was told to wait."""
        until((self.folder / "here").exists)

    def go_on(self) -> None:
        """Let it go on."""
        (self.folder / "go").touch()

    # What the store holds.

    def posted(self) -> list[int]:
        """The ordinals of what is posted."""
        return self.lab.posted()

    def state(self, run: str = "a") -> str:
        """Where a run stands."""
        (row,) = (row for row in self.lab.view("runs") if row["name"] == run)
        return str(row["state"])

    def attempts(self) -> list[str]:
        """Why each attempt began."""
        why = {RunStarted: lambda event: "start", RunResumed: lambda event: event.why}
        return [
            why[type(each.event)](each.event)
            for each in self.lab.log()
            if type(each.event) in why
        ]  # fmt: skip

    def check_completed(self, run: str = "a", records: int = RECORDS) -> None:
        """Every record of the run is posted once, and the store is sound."""
        self.check()
        succeeded = [event for event in self.lab.events(RecordSucceeded) if event.run == run]
        assert sorted(event.ordinal for event in succeeded) == list(range(records))
        assert self.state(run) == "completed"

    def check(self) -> None:
        """What must hold at any time."""
        self.lab.check()


def ended(process: subprocess.Popen[str]) -> Ran:
    """How a process ended."""
    output, complaint = process.communicate(timeout=TIMEOUT_SECONDS)
    return Ran(process.returncode, output, complaint)


def stopped(process: subprocess.Popen[str]) -> None:
    """Wait until a process stopped in its tracks."""
    seen = psutil.Process(process.pid)
    until(lambda: process.poll() is not None or seen.status() == psutil.STATUS_STOPPED)
    assert process.poll() is None, f"it ended with {process.returncode}: {ended(process)}"


def until(condition: Callable[[], Found], seconds: float = TIMEOUT_SECONDS) -> Found:
    """Ask again and again until the answer is true; for what another process does."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"nothing came of it in {seconds} seconds"
        time.sleep(0.01)
    return answer
