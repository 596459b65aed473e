"""A dose of the torture that ``make torture`` deals out at length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from storno.storage.migrate import init

from . import disk
from .bills import Bills, bill_faults, write_bills
from .books import RECORDS, faults, write_input
from .clerk import Deed
from .driver import RunLife, Tally, Torture
from .effects import Bank
from .process import Clerk, Victim
from .servers import RestartingServer, sqlite_store
from .taking_back import BillLife

KILLS = 12
KILLS_TAKING_BACK = 10


@pytest.fixture(scope="module")
def server() -> Iterator[RestartingServer]:
    running = RestartingServer(fsync=False)
    yield running
    running.stop()


def _nothing(tally: Tally) -> None:
    del tally


def test_runs_on_sqlite_survive_being_killed() -> None:
    """Scenarios 16, 17 and 18: kill -9, STOP and CONT, at random moments."""
    tally = Tally()
    Torture(sqlite_store, Random("sqlite"), None, tally, RunLife).go(KILLS, _nothing)
    assert not tally.problems
    assert tally.kills >= KILLS


def test_runs_on_postgresql_survive_being_killed_and_its_restarts(server: RestartingServer) -> None:
    """Scenarios 16 to 19: kill -9, STOP and CONT, and a server that crashes under the run."""
    tally = Tally()
    Torture(server.new_store, Random("postgresql"), server.restart, tally, RunLife).go(
        KILLS, _nothing
    )
    assert not tally.problems
    assert tally.kills >= KILLS


def test_taking_back_on_sqlite_survives_being_killed() -> None:
    """Scenarios 16b and 25b: reversals, retries and approvals, alone and two at once."""
    tally = Tally()
    Torture(sqlite_store, Random("sqlite"), None, tally, BillLife).go(KILLS_TAKING_BACK, _nothing)
    assert not tally.problems
    assert tally.kills >= KILLS_TAKING_BACK
    assert tally.reversals > 0


def test_taking_back_on_postgresql_survives_being_killed_and_its_restarts(
    server: RestartingServer,
) -> None:
    """The same, and a server that crashes under it."""
    tally = Tally()
    random = Random("postgresql")
    Torture(server.new_store, random, server.restart, tally, BillLife).go(
        KILLS_TAKING_BACK, _nothing
    )
    assert not tally.problems
    assert tally.kills >= KILLS_TAKING_BACK
    assert tally.reversals > 0


def test_runs_on_sqlite_survive_full_disks_and_files_that_are_read_only() -> None:
    """Scenario 20, at random moments."""
    tally = Tally()
    disk.trials(None, Random("sqlite"), 1, tally)
    assert not tally.problems
    assert (tally.full_disks, tally.read_only) == (1, 1)


def test_runs_on_postgresql_survive_full_disks_and_a_server_that_is_read_only(
    server: RestartingServer,
) -> None:
    """Scenario 20, at random moments."""
    tally = Tally()
    disk.trials(server, Random("postgresql"), 1, tally)
    assert not tally.problems
    assert (tally.full_disks, tally.read_only) == (1, 1)


def test_the_oracle_notices_what_is_lost(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A trial that could not fail would prove nothing: records are taken away under it."""
    folder = tmp_path_factory.mktemp("loss")
    given = write_input(folder, "r0", RECORDS, Random("loss"))
    url = sqlite_store(folder)
    init(url)
    assert Victim(url, folder, "r0").finish()[0] == 0
    assert faults(url, "r0", given, given.records, completed=True) == []
    lost = dict(list(given.good.items())[1:])
    changed = {key: amount + 1 for key, amount in given.good.items()}
    for wrong in (lost, changed):
        expected = type(given)(given.records, wrong, given.bad, given.repeated)
        assert faults(url, "r0", expected, given.records, completed=True)
    assert faults(url, "r0", given, given.records + 1, completed=True)


def test_the_oracle_notices_what_is_taken_back_wrongly(tmp_path: Path) -> None:
    """The same, for bills: postings that are missing, refunds that nobody asked for."""
    bills = write_bills(tmp_path, "payments", "r0", 100, Random("wrong"))
    url = sqlite_store(tmp_path)
    init(url)
    (tmp_path / "unblocked").touch()
    (tmp_path / "willing").touch()

    def does(what: str) -> None:
        deed = Deed(what=what, job=bills.job, run=bills.run, label="all of it")
        assert Clerk(url, tmp_path, deed).finish() == (0, "")

    def wrong(state: str, given: Bills = bills, acknowledged: int = 0) -> list[str]:
        return bill_faults(url, tmp_path, given, {"all of it": acknowledged}, state=state)

    for what in ("work_through", "correct", "retry"):
        does(what)
    assert wrong("completed") == []
    assert wrong("reversed")
    assert wrong("completed", replace(bills, numbers=frozenset(list(bills.numbers)[1:])))
    assert wrong("completed", replace(bills, repeated=bills.repeated + 1))
    for what in ("submit", "execute"):
        does(what)
    assert wrong("reversed", acknowledged=len(bills.numbers)) == []
    assert wrong("reversed", acknowledged=len(bills.numbers) + 1)
    assert wrong("completed")
    (receipt,) = (line.split("\t")[3] for line in _refunds(tmp_path)[:1])
    Bank(tmp_path).refund("another key", "r0-000000", receipt)
    assert wrong("reversed") == [f"{receipt} was paid back 2 times"]


def _refunds(folder: Path) -> list[str]:
    lines = (folder / "bank").read_text().splitlines()
    return [line for line in lines if line.startswith("refund")]
