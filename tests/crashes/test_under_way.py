"""Several commits under way, and then: the process that makes them, its connection, or the run's
own process is gone, or somebody asks the run to stop. Each record is posted once."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from storno.domain.events import ChunkCompleted, RunStopped

from .. import forking
from .mishaps import Mishap
from .project import Project, ended, until
from .proxy import Proxy
from .test_postgresql import sessions
from .test_races import BEFORE_ITS_FIRST_WRITE
from .test_writer_process import JOB, WARNING, close, kill, standing_still, start, writer
from .writers import Suffering, environment, has_order, is_gone, is_stopped

NOT_BEGUN = Mishap(at="statement", matching=BEFORE_ITS_FIRST_WRITE, act="stop")
FIRST_WRITTEN = Mishap(at="commit", nth=1, act="stop")
FIRST_COMMITTED = Mishap(at="committed", nth=1, act="stop")
SECOND_WRITTEN = Mishap(at="commit", nth=2, act="stop")
MOMENTS = [
    pytest.param(NOT_BEGUN, id="none is begun"),
    pytest.param(FIRST_WRITTEN, id="in the middle of the first"),
    pytest.param(FIRST_COMMITTED, id="before the first answer"),
    pytest.param(SECOND_WRITTEN, id="in the middle of the second"),
]


def held_up(
    project: Project, stop: Mishap = NOT_BEGUN, at: int = 35
) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A run with several commits under way, and the process that makes them, which stands still.

    Args:
        at: the record at which the run waits; three chunks of ten were sent when it comes to the
            fourth.
    """
    run = start(project, Mishap(at="record", nth=at, act="wait"), stop)
    its_writer = writer(run)
    until(lambda: is_stopped(its_writer))
    project.is_here()
    assert has_order(its_writer), "there is more than the one that it is at"
    return run, its_writer


@pytest.mark.parametrize("stop", MOMENTS)
def test_the_writer_is_killed(project: Project, stop: Mishap) -> None:
    run, its_writer = held_up(project, stop)
    its_writer.kill()
    project.go_on()

    ran = ended(run)

    assert ran.code == 0, ran.stderr
    assert ran.stderr.count(WARNING) == 1, ran.stderr
    assert project.attempts() == ["start"]
    assert project.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    project.check_completed()


@pytest.mark.parametrize("stop", MOMENTS)
def test_the_writer_goes_on(project: Project, stop: Mishap) -> None:
    run, its_writer = held_up(project, stop)
    project.go_on()
    its_writer.resume()

    ran = ended(run)

    assert ran.code == 0, ran.stderr
    assert WARNING not in ran.stderr
    assert project.attempts() == ["start"]
    assert project.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    project.check_completed()


@pytest.fixture
def on_postgresql(new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Project]:
    """A project on PostgreSQL."""
    project = Project(tmp_path, new_database("postgresql"))
    yield project
    try:
        project.check()
    finally:
        project.lab.close()


@pytest.mark.parametrize("stop", MOMENTS)
def test_the_writers_connections_are_cut(on_postgresql: Project, stop: Mishap) -> None:
    """It has another for the next commit, which is refused where it stands on the lost one."""
    run, its_writer = held_up(on_postgresql, stop)
    its_own = f"application_name LIKE 'storno {its_writer.pid}@%'"
    assert sessions(on_postgresql, "pg_terminate_backend(pid)", its_own)
    until(lambda: not sessions(on_postgresql, "pid", its_own))
    its_writer.resume()
    on_postgresql.go_on()

    ran = ended(run)

    assert ran.code == 0, ran.stderr
    assert WARNING not in ran.stderr
    assert on_postgresql.attempts() == ["start"]
    assert on_postgresql.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    on_postgresql.check_completed()


@pytest.mark.parametrize("nth", [2, 3, 4], ids=["of the first", "of the second", "of the third"])
def test_an_acknowledgement_is_lost(on_postgresql: Project, nth: int) -> None:
    """The commit is in the store although it failed, and so are those that stand on it."""
    proxy = Proxy(on_postgresql.url, nth)
    storno = on_postgresql.storno(mishap=Mishap(at="record", nth=35, act="wait"))
    run = forking.start(
        storno.command("run", JOB, "--param", "run=a", "--store", proxy.url),
        cwd=on_postgresql.folder,
        env=storno.environment | environment(Suffering(mishap=NOT_BEGUN), on_postgresql.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    its_writer = writer(run)
    until(lambda: is_stopped(its_writer))
    on_postgresql.is_here()
    its_writer.resume()
    until(lambda: len(on_postgresql.posted()) == 30)
    on_postgresql.go_on()

    ran = ended(run)

    proxy.close()
    assert proxy.broken.is_set()
    assert ran.code == 0, ran.stderr
    assert on_postgresql.attempts() == ["start"]
    assert on_postgresql.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    on_postgresql.check_completed()


def test_the_run_is_killed_and_one_of_its_orders_is_made(project: Project) -> None:
    """The orphan makes the commit that it is at, and finds that nobody wants an answer: the others
    are gone with the pipe. Whoever takes the run over goes on from there."""
    run, orphan = held_up(project)
    kill(run)
    orphan.resume()
    until(lambda: is_gone(orphan))
    close(run)

    assert project.posted() == list(range(10))
    project.resume()

    assert project.attempts() == ["start", "takeover"]
    assert project.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    project.check_completed()


def test_the_run_is_killed_and_taken_over_before_its_orders_are_made(project: Project) -> None:
    """Each of them is refused: the orphan comes too late."""
    run, orphan = held_up(project)
    with standing_still(orphan):
        kill(run)
        project.resume()
        project.check_completed()
        before = len(project.lab.log())

    until(lambda: is_gone(orphan))
    close(run)
    assert len(project.lab.log()) == before
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_the_run_is_taken_over_while_an_order_is_made(project: Project) -> None:
    """One chunk is in the store when somebody looks who takes the run over, and another when he is
    about to write: he works on neither again, and on the third, which is lost."""
    run, orphan = held_up(project, SECOND_WRITTEN)
    kill(run)
    (project.folder / "here").unlink()
    waiting = Mishap(at="statement", matching=BEFORE_ITS_FIRST_WRITE, act="wait")
    other = project.start(mishap=waiting)
    project.is_here()
    assert project.posted() == list(range(10))

    orphan.resume()

    until(lambda: is_gone(orphan))
    close(run)
    assert project.posted() == list(range(20))
    project.go_on()
    assert ended(other).code == 0
    assert project.attempts() == ["start", "takeover"]
    assert project.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 5)]
    project.check_completed()


def test_somebody_asks_it_to_stop(project: Project) -> None:
    """None of what is under way fits the run any more: its first chunk is decided anew, and is the
    last one."""
    run, its_writer = held_up(project)
    project.storno()("stop", "last", "--reason", "wrong file")
    its_writer.resume()
    project.go_on()

    ran = ended(run)

    assert WARNING not in ran.stderr
    assert project.state() == "stopped"
    assert [event.why for event in project.lab.events(RunStopped)] == ["requested: wrong file"]
    assert project.posted() == list(range(10))
    assert [each.counts.read for each in project.lab.events(ChunkCompleted)] == [10]
    project.check()
    project.resume()
    assert project.attempts() == ["start", "resume"]
    project.check_completed()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_signal_lets_all_be_committed(on_sqlite: Project, number: signal.Signals) -> None:
    """The chunk at hand ends with this record, and the run behind all that is under way."""
    run, its_writer = held_up(on_sqlite, at=33)
    run.send_signal(number)
    on_sqlite.go_on()
    its_writer.resume()

    ran = ended(run)

    assert ran.code == 130, ran.stderr
    assert WARNING not in ran.stderr
    assert [event.why for event in on_sqlite.lab.events(RunStopped)] == [number.name]
    assert on_sqlite.lab.chunks() == [(0, 10), (10, 10), (20, 10), (30, 3)]
    on_sqlite.resume()
    on_sqlite.check_completed()
