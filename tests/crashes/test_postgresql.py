"""PostgreSQL that goes away under a run: nothing is lost, nothing comes twice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storno.domain.events import RecordReversed, RunStopped
from storno.domain.reversal import ReversalStarted

from ..torture.servers import RestartingServer
from .mishaps import Mishap
from .project import RECORDS, Project, ended, until
from .proxy import Proxy

WAIT_AT_15 = Mishap(at="record", nth=15, act="wait")
WAIT_AT_COMMIT = Mishap(at="commit", nth=3, act="wait")
REASON = ("--reason-code", "other", "--reason", "wrong file")
MODES = pytest.mark.parametrize("writes", [False, True], ids=["posts", "writes"])


@pytest.fixture(scope="module")
def server() -> Iterator[RestartingServer]:
    """A server of this module's own."""
    running = RestartingServer(fsync=False)
    yield running
    running.stop()


def checked(project: Project) -> Iterator[Project]:
    project.make_table()
    yield project
    try:
        project.check()
    finally:
        project.lab.close()


@pytest.fixture
def restarting(server: RestartingServer, tmp_path: Path) -> Iterator[Project]:
    """A project whose server may be restarted."""
    yield from checked(Project(tmp_path, server.new_store(tmp_path)))


@pytest.fixture
def project(new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Project]:
    """A project on the server of all tests."""
    yield from checked(Project(tmp_path, new_database("postgresql")))


def sessions(project: Project, what: str, condition: str) -> list[object]:
    """Of other sessions in the store's database."""
    select = (
        f"SELECT {what} FROM pg_stat_activity WHERE datname = current_database() "
        f"AND pid <> pg_backend_pid() AND {condition}"
    )
    with project.lab.store.engine.connect() as connection:
        return list(connection.execute(sa.text(select)).scalars())


@MODES
@pytest.mark.parametrize("mishap", [WAIT_AT_15, WAIT_AT_COMMIT], ids=["record", "commit"])
def test_the_server_is_restarted_under_a_run(
    restarting: Project, server: RestartingServer, mishap: Mishap, writes: bool
) -> None:
    """Scenario 19: it crashes and comes up again; the run goes on by itself."""
    process = restarting.start(mishap=mishap, writes=writes)
    restarting.is_here()
    server.restart()
    restarting.go_on()

    assert ended(process).code == 0
    assert restarting.attempts() == ["start"]
    restarting.check_completed()


@pytest.mark.parametrize(
    ("matching", "nth"),
    [
        pytest.param("stream <", 2, id="its chunks"),
        pytest.param("FROM checkpoint", 2, id="the run's commits"),
        pytest.param("position >", 6, id="the second of its commits"),
    ],
)
def test_the_server_is_restarted_under_a_reversal(
    restarting: Project, server: RestartingServer, matching: str, nth: int
) -> None:
    """Scenario 19, while the reversal reads what it is to take back: it goes on by itself."""
    restarting.lab.amount_of = None  # the ledger comes to nothing
    restarting.run()
    restarting.storno()("reverse", "submit", "last", *REASON)
    wait = Mishap(at="statement", matching=matching, nth=nth, act="wait")
    process = restarting.storno(mishap=wait).start("reverse", "execute", "R-000001", "--yes")
    restarting.is_here()
    (begun,) = restarting.lab.events(ReversalStarted)
    server.restart()
    restarting.go_on()

    ran = ended(process)
    assert ran.code == 0, ran.stderr
    assert begun.attempt == 1
    assert len(restarting.lab.events(ReversalStarted)) == 1
    assert len(restarting.lab.events(RecordReversed)) == RECORDS
    assert restarting.state() == "reversed"


def test_after_a_restart_a_holder_elsewhere_is_not_taken_for_dead(
    restarting: Project, server: RestartingServer
) -> None:
    """Scenario 19: the restart dropped its session's lock; until the lease runs out it may live."""
    process = restarting.start(mishap=WAIT_AT_15, host="another-machine", lease_seconds=3600.0)
    restarting.is_here()
    server.restart()

    refused = restarting.run(code=7)

    assert f"process {process.pid} on another-machine" in refused.stderr
    restarting.go_on()
    assert ended(process).code == 0
    restarting.check_completed()


def test_a_server_that_stays_away(restarting: Project, server: RestartingServer) -> None:
    """Scenario 19: the run gives up after its patience, says so, and can be resumed."""
    process = restarting.start(mishap=WAIT_AT_15, patience_seconds=0.5)
    restarting.is_here()
    server.crash()
    restarting.go_on()
    gave_up = ended(process)
    unreachable = restarting.run(code=1)
    server.come_up()

    assert gave_up.code == 1
    message = gave_up.stderr.splitlines()[-1]
    assert message.startswith("error: the store at postgresql+psycopg://")
    assert "does not answer" in message
    assert "Resume the run once it does." in message
    assert "cannot be used" in unreachable.stderr
    restarting.run()
    restarting.check_completed()


@MODES
@pytest.mark.parametrize("mishap", [WAIT_AT_15, WAIT_AT_COMMIT], ids=["record", "commit"])
def test_connections_are_cut_in_mid_transaction(
    project: Project, mishap: Mishap, writes: bool
) -> None:
    """Scenario 19, by pg_terminate_backend."""
    process = project.start(mishap=mishap, writes=writes)
    project.is_here()
    mine = f"application_name LIKE 'storno {process.pid}@%'"
    assert sessions(project, "pg_terminate_backend(pid)", mine)
    until(lambda: not sessions(project, "pid", mine))
    project.go_on()

    assert ended(process).code == 0
    assert project.attempts() == ["start"]
    project.check_completed()


@MODES
@pytest.mark.parametrize("nth", [1, 3, 5], ids=["of the start", "of a chunk", "of the end"])
def test_a_lost_acknowledgement(project: Project, nth: int, writes: bool) -> None:
    """Scenario 19, failover: the commit happened, the client saw an error; the retry finds it."""
    proxy = Proxy(project.url, nth)
    process = project.start("--store", proxy.url, writes=writes)

    ran = ended(process)

    proxy.close()
    assert proxy.broken.is_set()
    assert ran.code == 0, ran.stderr
    assert project.attempts() == ["start"]
    project.check_completed()


def test_a_commit_that_comes_about_after_it_was_given_up(project: Project) -> None:
    """Scenario 19: the connection broke, nothing is found, and the server has yet to get to it.

    A signal comes in between: what is sent in its place would end the run, and must not count.
    """
    proxy = Proxy(project.url, 3, late=True)
    process = project.start("--store", proxy.url, mishap=Mishap(at="record", nth=25, act="wait"))
    assert proxy.broken.wait(60)
    project.is_here()
    process.send_signal(signal.SIGTERM)
    project.go_on()
    until(lambda: sessions(project, "pid", "wait_event = 'advisory'"))
    proxy.go_on.set()

    ran = ended(process)

    proxy.close()
    assert ran.code == 130, ran.stderr
    assert project.state() == "stopped"
    assert [event.why for event in project.lab.events(RunStopped)] == ["SIGTERM"]
    project.check()
    project.resume()
    assert project.attempts() == ["start", "resume"]
    project.check_completed()


def test_a_server_that_only_reads(project: Project) -> None:
    """Scenario 20, after a failover to a standby: said in words, and mended by a resume."""
    process = project.start(mishap=WAIT_AT_15)
    project.is_here()
    name = sa.make_url(project.url).database
    _execute(project, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    sessions(
        project, "pg_terminate_backend(pid)", f"application_name LIKE 'storno {process.pid}@%'"
    )
    project.go_on()
    refused = ended(process)
    _execute(project, f"ALTER DATABASE {name} RESET default_transaction_read_only")

    assert refused.code == 1
    message = refused.stderr.splitlines()[-1]
    assert "cannot be written or read: cannot execute INSERT in a read-only" in message
    assert "resume the run" in message
    project.run()
    project.check_completed()


def _execute(project: Project, statement: str) -> None:
    with project.lab.store.engine.connect() as connection:
        connection.execute(sa.text("SET default_transaction_read_only = off"))
        connection.execute(sa.text(statement))
        connection.commit()
