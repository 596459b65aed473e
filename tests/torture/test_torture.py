"""A dose of the torture that ``make torture`` deals out at length."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from storno.storage.migrate import init

from . import disk
from .books import RECORDS, faults, write_input
from .driver import Tally, Torture
from .process import Victim
from .servers import RestartingServer, sqlite_store

KILLS = 12


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
    Torture(sqlite_store, Random("sqlite"), None, tally).go(KILLS, _nothing)
    assert not tally.problems
    assert tally.kills >= KILLS


def test_runs_on_postgresql_survive_being_killed_and_its_restarts(server: RestartingServer) -> None:
    """Scenarios 16 to 19: kill -9, STOP and CONT, and a server that crashes under the run."""
    tally = Tally()
    Torture(server.new_store, Random("postgresql"), server.restart, tally).go(KILLS, _nothing)
    assert not tally.problems
    assert tally.kills >= KILLS


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
