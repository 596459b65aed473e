"""What happens while a reversal is executed, and what becomes of it then."""

from __future__ import annotations

import datetime as dt

import pytest

from storno.compensations.scope import Scope
from storno.domain.errors import ConflictError
from storno.execution import reversing

from .lab import Lab, Watcher, paying
from .taking import Taking
from .test_reversals import DAY, dated, ran


def test_what_a_period_stops_meanwhile_is_set_aside(lab: Lab) -> None:
    """It was agreed to, so the reversal is not complete without it."""
    job = paying(dated(2, "9999-12-31"))
    lab.run(job)
    taking = Taking(lab, job)
    name = taking.submit()
    watcher = Watcher(on_start=lambda: taking.close("9999-12"))

    first = taking.execute(name, watcher)
    letters = taking.letters(name)
    taking.reopen("9999-12")
    second = taking.execute(name)

    assert (first.state, first.reversed, first.failed) == ("stopped", 0, 2)
    assert letters == dict.fromkeys(("P-000", "P-001"), ("period-closed", "open"))
    assert (second.state, second.reversed, second.failed) == ("completed", 2, 0)
    assert taking.letters(name) == dict.fromkeys(("P-000", "P-001"), ("period-closed", "resolved"))


def test_a_period_closed_meanwhile_moves_what_is_still_to_come(lab: Lab) -> None:
    """Scenario 25b, a reversal against a period close."""
    taking = ran(lab, 2_500, chunk_size=500)
    closed: list[bool] = []

    def close(_: object) -> None:
        if not closed:
            closed.append(True)
            taking.close("2026-01")

    result = taking.execute(taking.submit(), Watcher(on_commit=close))

    assert result.reversed == 2_500
    assert taking.dates() == {(DAY, DAY), (DAY, dt.date(2026, 2, 1))}
    assert taking.run_state() == "reversed"


def test_what_ends_it_is_written_down_and_it_goes_on(
    sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conflict that does not end ends the attempt; the run waits for the next one."""
    taking = ran(sqlite_lab)
    taking.take_back(Scope(keys=("P-004",)))
    name = taking.submit()
    monkeypatch.setattr(reversing, "COMMIT_TRIES", 0)

    with pytest.raises(ConflictError, match="met other writers"):
        taking.execute(name)
    row = taking.row(name)
    monkeypatch.undo()

    assert (row["state"], row["error"]) == ("failed", "ConflictError")
    assert row["message"].startswith(f"reversal {name} met other writers")
    assert taking.run_state() == "reversing"
    assert taking.execute(name).state == "completed"
    assert taking.run_state() == "reversed"
