"""Storno's leg: the whole audited run, from the CSV file to committed events and views."""

from __future__ import annotations

from collections.abc import Mapping

from storno import Job, Store, init_store, run_job
from storno.execution.identity import resolve_actor

from .storno_job import invoices
from .task import CHUNK, BenchError, Task
from .timing import Stopwatch


def run(task: Task, definition: Job = invoices) -> tuple[float, float]:
    """Run the job over the file."""
    init_store(task.url)
    store = Store.open(task.url)
    parameters = {"month": "2026-01", "source": task.source}
    watch = Stopwatch()
    with watch:
        result = run_job(store, definition, parameters, resolve_actor("bench"))
    store.close()
    if result.state != "completed":
        raise BenchError(f"the run is {result.state}: {result}")
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """An event a record, its chunks' events, and views that agree with them."""
    return {
        "SELECT count(*) FROM events WHERE topic = 'storno.RecordSucceeded.v1'": task.records,
        "SELECT count(*) FROM events WHERE topic = 'storno.ChunkCompleted.v1'": -(
            -task.records // CHUNK
        ),
        "SELECT succeeded FROM runs_g1": task.records,
        "SELECT sum(lines) FROM movements_g1": 2 * task.records,
        "SELECT sum(debit) - sum(credit) FROM movements_g1": 0,
    }
