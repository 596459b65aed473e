"""Where Storno's time goes: py-spy's samples of one run, added up by stage and by who is at it.

The run's own process prepares; a thread of it commits until the process that does so is ready.
py-spy looks from outside and does not stop the processes for it, so the run is hardly slower than
without. Samples of waiting are counted too: the stages of each add up to its life.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .compare import STORNO
from .invoices import write_invoices
from .report import table
from .stores import open_stores
from .task import Task, run_in_child

_SAMPLES_A_SECOND = 200
_RUN = "run_job (execution/runner.py"
_SERVE = "serve (execution/writer_process.py"
_THREAD = "storno-commit"

_PREPARING = "preparing"

OTHER = "everything else"
WAITING = "waiting for the commit before"
WAITING_FOR_WORK = "waiting for the next chunk"


class Stage(NamedTuple):
    """A name, and what a frame of it contains: a function, a file, or both as py-spy writes them.

    The innermost frame that belongs to any stage decides; of several that fit, the first.
    """

    name: str
    marks: tuple[str, ...]


STAGES = (
    Stage("reading the file", ("execution/sources/",)),
    Stage("validating (pydantic)", ("_validate (execution/draw.py",)),
    Stage("naming keys and streams", ("_name (execution/draw.py", "domain/ids.py")),
    Stage("the job's function", ("bench/storno_job.py",)),
    Stage("checking the entry", ("domain/entry.py", "domain/money.py")),
    Stage("content and its digest", ("domain/record.py",)),
    Stage("making events, deciding", ("execution/work.py", "execution/decide.py")),
    Stage("encoding (msgspec)", ("domain/codec.py", "encoded (execution/sealing.py")),
    Stage("hashing (SHA-256)", ("domain/seal.py",)),
    Stage("folding into views", ("projections/",)),
    Stage("writing the views", ("storage/views/",)),
    Stage("inserting events", ("insert (storage/",)),
    Stage("committing (fsync)", ("do_commit (sqlalchemy",)),
    Stage(WAITING, ("(concurrent/futures", "result (execution/writer_process.py")),
    Stage("handing the chunk over", ("submit (execution/writer_process.py",)),
    Stage(WAITING_FOR_WORK, ("_wait (execution/writer_process.py",)),
    Stage("taking the chunk over", ("serve (execution/writer_process.py",)),
    # Between two calls nothing is left to do there but to let go of the chunk before.
    Stage("freeing the chunk before", ("work (execution/ahead.py",)),
)


@dataclass(frozen=True, slots=True)
class Share:
    """What a stage took of those who are at it."""

    database: str
    who: str
    stage: str
    microseconds_per_record: float
    share: float


def profile(folder: Path, databases: Sequence[str], records: int) -> list[Share]:
    """Sample one run on each database."""
    source = write_invoices(folder / "invoices.csv", records)
    samples = folder / "samples.txt"
    shares = []
    for database in databases:
        with open_stores(database, folder) as stores:
            url = stores.create("profile")
            outcome = run_in_child(Task(STORNO, url, str(source), records), prefix=_spy(samples))
            stores.drop(url)
        microseconds = outcome.seconds * 1_000_000 / records
        shares.extend(_shares(database, samples.read_text(), microseconds))
    return shares


def _spy(out: Path) -> tuple[str, ...]:
    return (
        str(Path(sys.executable).with_name("py-spy")),
        *("record", "--format", "raw", "--threads", "--idle", "--nonblocking", "--subprocesses"),
        *("--rate", str(_SAMPLES_A_SECOND), "--output", str(out), "--"),
    )


def _shares(database: str, samples: str, microseconds: float) -> list[Share]:
    """Add up the samples; those of the thread that runs the job stand for all of its time."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in samples.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if any(_RUN in frame for frame in frames):
            counts[_PREPARING][_stage(frames)] += int(count)
        elif any(_SERVE in frame for frame in frames):
            counts["committing"][_stage(frames)] += int(count)
        elif any(_THREAD in frame for frame in frames):
            counts["committing at first"][_stage(frames)] += int(count)
    per_sample = microseconds / counts[_PREPARING].total()
    return [
        Share(database, who, stage, number * per_sample, number / stages.total())
        for who, stages in sorted(counts.items(), reverse=True)
        for stage, number in stages.most_common()
    ]


def _stage(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for stage in STAGES:
            if any(mark in frame for mark in stage.marks):
                return stage.name
    return OTHER


def profile_table(shares: Sequence[Share]) -> str:
    """One row a stage, the longest first of each."""
    rows = [
        (
            share.database,
            share.who,
            share.stage,
            f"{share.microseconds_per_record:.2f}",
            f"{share.share:.0%}",
        )
        for share in shares
    ]
    return table(("database", "who", "stage", "us/record", "of its time"), rows)
