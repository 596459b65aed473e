"""How long a killed run takes, from the start of a new process, until it commits again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from storno import init_store

from .child import children_of
from .connect import engine
from .invoices import write_invoices
from .report import table
from .stores import open_stores
from .task import ROOT, BenchError

LIMIT_SECONDS = 1.0
KILLED_AT = 0.9

_JOB = "bench/storno_job.py:invoices"
_POLL_SECONDS = 0.001
_PATIENCE_SECONDS = 600.0
_CHUNKS = "SELECT count(*) FROM events WHERE topic LIKE 'storno.ChunkCompleted.%' AND position > :p"
_HEAD = "SELECT coalesce(max(position), 0) FROM events"
_RECORDS = "SELECT count(*) FROM events WHERE topic LIKE 'storno.RecordSucceeded.%'"


@dataclass(frozen=True, slots=True)
class Resumption:
    """One kill and what followed.

    Attributes:
        killed_after: records that were committed when the run was killed.
        first_commit_seconds: from the start of the new process to its first commit.
        first_chunk_seconds: the same, to the commit of its first chunk of records.
    """

    database: str
    records: int
    killed_after: int
    first_commit_seconds: float
    first_chunk_seconds: float


def resume(folder: Path, databases: Sequence[str], records: int, rounds: int) -> list[Resumption]:
    """Kill a run at nine tenths and resume it, several times."""
    source = write_invoices(folder / "invoices.csv", records)
    found = []
    for database in databases:
        with open_stores(database, folder) as stores:
            for number in range(rounds):
                url = stores.create(f"resume_{number}")
                init_store(url)
                found.append(_once(database, url, source, records))
                stores.drop(url)
    return found


def _once(database: str, url: str, source: Path, records: int) -> Resumption:
    command = [
        str(Path(sys.executable).with_name("storno")),
        *("run", _JOB, "--store", url, "--param", "month=2026-01", "--param", f"source={source}"),
    ]
    reader = engine(url)
    first = _start(command)
    _wait(reader, _HEAD, 0, int(records * KILLED_AT), first)
    for process in (first.pid, *children_of(first.pid)):
        os.kill(process, signal.SIGKILL)
    if first.wait() == 0:
        raise BenchError(f"the run was over before it could be killed: {records} are too few")
    head, killed_after = _count(reader, _HEAD, 0), _count(reader, _RECORDS, 0)
    began = time.perf_counter()
    second = _start(command)
    _wait(reader, _HEAD, 0, head + 1, second)
    first_commit = time.perf_counter() - began
    _wait(reader, _CHUNKS, head, 1, second)
    first_chunk = time.perf_counter() - began
    _, errors = second.communicate()
    stored = _count(reader, _RECORDS, 0)
    reader.dispose()
    if second.returncode != 0 or stored != records:
        raise BenchError(f"the resumed run left {stored} of {records} records:\n{errors[-4000:]}")
    return Resumption(database, records, killed_after, first_commit, first_chunk)


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )


def _wait(
    reader: sa.Engine, statement: str, after: int, least: int, process: subprocess.Popen[str]
) -> None:
    """Watch the store as any other reader would, until the process has got there."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        is_over = process.poll() is not None or time.monotonic() > deadline
        if _count(reader, statement, after) >= least:
            return
        if is_over:
            process.kill()
            raise BenchError(f"the run did not get there:\n{process.communicate()[1][-4000:]}")
        time.sleep(_POLL_SECONDS)


def _count(reader: sa.Engine, statement: str, after: int) -> int:
    parameters = {"p": after} if ":p" in statement else {}
    with reader.connect() as connection:
        return int(connection.execute(sa.text(statement), parameters).scalar_one())


def resume_holds(resumptions: Sequence[Resumption]) -> bool:
    """Whether every resumed run committed records again within the limit."""
    return all(one.first_chunk_seconds < LIMIT_SECONDS for one in resumptions)


def resume_table(resumptions: Sequence[Resumption]) -> str:
    """One row a database: medians and the worst."""
    rows = []
    for database in dict.fromkeys(one.database for one in resumptions):
        ours = [one for one in resumptions if one.database == database]
        rows.append(
            (
                database,
                f"{median(one.killed_after for one in ours):,.0f} of {ours[0].records:,}",
                _seconds([one.first_commit_seconds for one in ours]),
                _seconds([one.first_chunk_seconds for one in ours]),
            )
        )
    head = ("database", "killed after", "to the next commit", "to the next chunk of records")
    return table(head, rows)


def _seconds(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s (at most {max(values):.2f})"
