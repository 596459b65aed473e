"""A run against a period close, in processes of their own (scenario 25b)."""

from __future__ import annotations

from storno.domain.events import RecordFailed, RecordSucceeded
from storno.domain.period import Period, PeriodClosed, PeriodReopened
from storno.execution.periods import look_at_period
from storno.storage import queries

from .mishaps import Mishap
from .project import RECORDS, Project, ended

ROUNDS = 3
CLOSE = ("periods", "close", "2026-01", "--force", "--reason", "now", "--yes")
REOPEN = ("periods", "reopen", "2026-01", "--reason", "next round")


def check_closed(project: Project) -> None:
    """January holds what it held when it was closed, and took nothing since."""
    (row,) = queries.periods(project.lab.store)
    assert row.state == "closed"
    assert row.digest == look_at_period(project.lab.store, "main", "2026-01").digest
    closed = False
    for _, _, event in project.lab.log():
        if isinstance(event, PeriodClosed | PeriodReopened):
            closed = isinstance(event, PeriodClosed)
        elif isinstance(event, RecordSucceeded):
            (entry,) = event.entries
            assert Period.of(entry.book, entry.posting) == Period("main", 2026, 1)
            assert not closed


def outcomes(project: Project, run: str) -> list[int]:
    """The ordinals of all that is posted, or set aside for the closed month."""
    failed = [each for each in project.lab.events(RecordFailed) if each.run == run]
    assert {each.error for each in failed} <= {"period-closed"}
    posted = [each for each in project.lab.events(RecordSucceeded) if each.run == run]
    return sorted(each.ordinal for each in (*failed, *posted))


def test_a_close_while_a_run_is_at_a_record(project: Project) -> None:
    process = project.start(mishap=Mishap(at="record", nth=25, act="wait"))
    project.is_here()

    project.storno()(*CLOSE)
    project.go_on()

    assert ended(process).code == 3
    assert len(project.posted()) in (0, 10, 20)
    assert outcomes(project, "a") == list(range(RECORDS))
    check_closed(project)


def test_a_close_at_the_same_moment(project: Project) -> None:
    for number in range(ROUNDS):
        run = f"r{number}"
        project.write(run, prefix=run)
        process = project.start(run=run)
        closing = project.storno().start(*CLOSE)

        assert ended(closing).code == 0
        assert ended(process).code in (0, 3)
        assert outcomes(project, run) == list(range(RECORDS))
        check_closed(project)
        project.storno()(*REOPEN)
    closes = project.lab.events(PeriodClosed)
    assert len(closes) == len(project.lab.events(PeriodReopened)) == ROUNDS
