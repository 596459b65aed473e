"""Jobs that write rows, and what only PostgreSQL does to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storno import Context, Retry
from storno.domain.events import Counts

from .lab import Lab, Payment, Watcher, ordinal_of, payments
from .mishaps import make_table, rows_in_table
from .test_rows import numbers, writing


@pytest.fixture
def lab(postgres_url: str) -> Iterator[Lab]:
    lab = Lab(postgres_url)
    make_table(lab)
    yield lab
    try:
        lab.check()
    finally:
        lab.close()


@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_deadlocks_and_serialization_failures_are_transient(lab: Lab, state: str) -> None:
    """details.md, Records: deadlock and serialization errors are transient."""
    states = [state]

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) == 3 and states:
            raising = f"DO $$ BEGIN RAISE 'busy' USING ERRCODE = '{states.pop()}'; END $$"
            context.connection.execute(sa.text(raising))

    watcher = Watcher()
    retry = Retry(first_delay_seconds=0)
    result = lab.run(writing(payments(5), act, retry=retry), watcher=watcher)

    assert result.counts == Counts(read=5, succeeded=5)
    assert len(watcher.retries) == 1
    assert rows_in_table(lab) == numbers(*range(5))


def test_a_statement_that_hangs_costs_its_record_only(lab: Lab) -> None:
    """Scenario 41, in the database: the time limit ends the statement."""

    def act(payment: Payment, context: Context) -> None:
        if ordinal_of(payment) == 3:
            context.connection.execute(sa.text("SELECT pg_sleep(600)"))

    result = lab.run(writing(payments(5), act, record_seconds=0.5))

    assert result.counts == Counts(read=5, succeeded=4, failed=1)
    assert lab.failures() == {3: "timeout"}
    assert rows_in_table(lab) == numbers(0, 1, 2, 4)
