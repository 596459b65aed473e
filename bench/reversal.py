"""Storno taking back all that its leg posted: executing the reversal, from its start to its end."""

from __future__ import annotations

from collections.abc import Mapping

from storno import Store, init_store, run_job
from storno.compensations.plan import Request
from storno.compensations.scope import Scope
from storno.domain.policy import ReversalPolicy
from storno.execution.identity import resolve_actor
from storno.execution.reversals import submit_reversal
from storno.execution.reversing import execute_reversal

from .storno_job import invoices
from .task import BenchError, Task
from .timing import Stopwatch


def run(task: Task) -> tuple[float, float]:
    """Run the job over the file, ask for its reversal, and execute that, which is measured."""
    init_store(task.url)
    store = Store.open(task.url)
    actor = resolve_actor("bench")
    ran = run_job(store, invoices, {"month": "2026-01", "source": task.source}, actor)
    request = Request(str(ran.run), Scope())
    name = submit_reversal(
        store,
        request,
        code="duplicate",
        text="measured",
        actor=actor,
        policy=ReversalPolicy(),
        job=invoices,
    )
    watch = Stopwatch()
    with watch:
        result = execute_reversal(store, name, actor, job=invoices)
    store.close()
    if result.state != "completed":
        raise BenchError(f"the reversal is {result.state}: {result}")
    return watch.reading


def expected(task: Task) -> Mapping[str, int]:
    """An event more for each record, and books that are empty again."""
    return {
        "SELECT count(*) FROM events WHERE topic = 'storno.RecordReversed.v1'": task.records,
        "SELECT reversed FROM runs_g1": task.records,
        "SELECT sum(lines) FROM movements_g1": 4 * task.records,
        "SELECT count(*) FROM (SELECT account FROM movements_g1 GROUP BY account "
        "HAVING sum(debit) <> sum(credit)) AS unbalanced": 0,
    }
