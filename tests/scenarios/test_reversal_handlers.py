"""Handlers that come or go between the request of a reversal and its end."""

from __future__ import annotations

import pytest

from storno.domain.reversal import PlanChangedError

from .lab import Lab, Watcher
from .taking import Taking
from .test_reversal_effects import Bank, mixed, paid_out


def test_a_handler_that_comes_later_undoes_no_more_than_was_agreed(lab: Lab) -> None:
    """accounting-rules, 10, over several attempts."""
    bank = Bank()
    lab.run(mixed(bank, irreversible="cash is cash"))
    taking = Taking(lab, None)
    name = taking.submit()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taking.execute(name, Watcher(on_commit=interrupt))
    taking.job = mixed(bank)
    taking.job.compensate(lambda payment, output: bank.refunds.append((0, "", "")))
    result = taking.execute(name)

    assert (result.state, result.reversed, bank.refunds) == ("completed", 3, [])
    assert lab.in_force() == [0, 2, 4]


def test_a_job_that_lost_its_handler_has_them_set_aside(lab: Lab) -> None:
    """It was agreed to that they are undone: the reversal is not complete without."""
    bank = Bank({1: [ValueError("later")]})
    taking = paid_out(lab, bank, 2)
    name = taking.submit()
    taking.execute(name)
    taking.job = None

    result = taking.execute(name)

    assert (result.state, result.failed) == ("stopped", 1)
    assert taking.letters(name) == {"P-001": ("no-handler", "open")}


@pytest.mark.parametrize("handled", [False, True], ids=["lost", "got"])
def test_a_handler_lost_or_got_before_it_began_is_another_plan(lab: Lab, handled: bool) -> None:
    """accounting-rules, 10: although nothing was recorded since it was agreed to."""
    bank = Bank()
    lab.run(mixed(bank, irreversible="cash is cash"))
    with_handler = mixed(bank)
    with_handler.compensate(lambda payment, output: bank.refunds.append((0, "", "")))
    without = mixed(bank, irreversible="cash is cash")
    taking = Taking(lab, without if handled else with_handler)
    name = taking.submit()
    taking.job = with_handler if handled else without
    now, then = (6, 3) if handled else (3, 6)

    with pytest.raises(PlanChangedError, match=f"take back {now} records, not {then}"):
        taking.execute(name)

    assert bank.refunds == []
    assert lab.in_force() == list(range(6))
