"""The process that commits, and the run whose process it is: each of them dies, stops, is asked to
end. The run goes on or is taken over, and what was acknowledged is there once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from storno.domain.events import RunStopped

from .. import forking
from .mishaps import Mishap
from .project import Project, ended, until
from .test_races import BEFORE_ITS_FIRST_WRITE
from .writers import Suffering, environment, has_order, is_gone, is_stopped, writers

JOB = "tests.crashes.long_payments:payments"
WARNING = "commits are made in the run's own process from now on"
WAIT_AT_25 = Mishap(at="record", nth=25, act="wait")


def start(
    project: Project,
    mishap: Mishap | None = None,
    its_writers: Mishap | None = None,
    *,
    fresh: bool = False,
) -> subprocess.Popen[str]:
    """A long run in a process group of its own, and what happens to it and its writer."""
    storno = project.storno(mishap=mishap)
    return forking.start(
        storno.command("run", JOB, "--param", "run=a"),
        fresh=fresh,
        cwd=project.folder,
        env=storno.environment | environment(Suffering(mishap=its_writers), project.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def writer(run: subprocess.Popen[str]) -> psutil.Process:
    """The process that commits for a run."""
    (found,) = until(lambda: writers(run.pid))
    return found


@contextmanager
def standing_still(process: psutil.Process) -> Iterator[None]:
    """Stop a process; it goes on at the end, whatever happens."""
    process.suspend()
    try:
        until(lambda: is_stopped(process))
        yield
    finally:
        process.resume()


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(
            Mishap(at="statement", matching=BEFORE_ITS_FIRST_WRITE, nth=2), id="before the commit"
        ),
        pytest.param(Mishap(at="commit", nth=2), id="in the middle of it"),
        pytest.param(Mishap(at="committed", nth=2), id="before the answer"),
    ],
)
def test_a_run_goes_on_without_its_writer(project: Project, mishap: Mishap) -> None:
    ran = ended(start(project, its_writers=mishap))

    assert ran.code == 0, ran.stderr
    assert ran.stderr.count(WARNING) == 1, ran.stderr
    assert project.attempts() == ["start"]
    project.check_completed()


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(Mishap(at="statement", matching="store_meta"), id="as it starts"),
        pytest.param(Mishap(at="commit", nth=4), id="in the last commit"),
    ],
)
def test_a_writer_dies_at_either_end(on_sqlite: Project, mishap: Mishap) -> None:
    ran = ended(start(on_sqlite, its_writers=mishap))

    assert ran.code == 0, ran.stderr
    assert ran.stderr.count(WARNING) == 1, ran.stderr
    on_sqlite.check_completed()


def kill(run: subprocess.Popen[str]) -> None:
    """Let a run's process be gone; whoever has its output may be there yet."""
    run.kill()
    run.wait()


def close(run: subprocess.Popen[str]) -> None:
    """See that nobody is left who could say something for it."""
    run.communicate()


def test_the_orphan_has_nothing_to_do(on_sqlite: Project) -> None:
    run = start(on_sqlite, WAIT_AT_25)
    on_sqlite.is_here()
    until(lambda: len(on_sqlite.posted()) == 20)
    orphan = writer(run)
    kill(run)

    until(lambda: is_gone(orphan))

    close(run)
    on_sqlite.resume()
    on_sqlite.check_completed()


def test_the_orphan_finds_that_the_run_was_taken_over(project: Project) -> None:
    """It was given an order, and reads it when another has completed the run."""
    run = start(project, WAIT_AT_25)
    project.is_here()
    until(lambda: len(project.posted()) == 20)
    orphan = writer(run)
    with standing_still(orphan):
        project.go_on()
        until(lambda: has_order(orphan))
        kill(run)
        project.resume()
        project.check_completed()

    until(lambda: is_gone(orphan))
    close(run)
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_the_orphan_has_not_begun_its_commit(project: Project) -> None:
    """The same, but that it has read its order, and is about to ask for the lock."""
    stop = Mishap(at="statement", matching=BEFORE_ITS_FIRST_WRITE, nth=2, act="stop")
    run = start(project, its_writers=stop)
    orphan = writer(run)
    until(lambda: is_stopped(orphan))
    kill(run)
    project.resume()
    project.check_completed()

    orphan.resume()

    until(lambda: is_gone(orphan))
    close(run)
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_the_orphan_commits_while_the_run_is_taken_over(project: Project) -> None:
    """All is written when the run dies, and is committed when the one who takes it over has read
    how far the run is: the second chunk is found, and nobody works on it again."""
    run = start(project, its_writers=Mishap(at="commit", nth=2, act="stop"))
    orphan = writer(run)
    until(lambda: is_stopped(orphan))
    kill(run)
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_signal_for_everybody_ends_the_chunk(on_sqlite: Project, number: signal.Signals) -> None:
    """The terminal's Ctrl-C goes to the run's process group; a supervisor's signal goes to every
    process that it knows of. The writer waits for the run to be over."""
    run = start(on_sqlite, WAIT_AT_25)
    on_sqlite.is_here()
    its_writer = writer(run)
    os.killpg(run.pid, number)
    its_writer.send_signal(number)
    on_sqlite.go_on()

    ran = ended(run)

    assert ran.code == 130
    assert WARNING not in ran.stderr
    assert on_sqlite.state() == "stopped"
    assert [event.why for event in on_sqlite.lab.events(RunStopped)] == [number.name]
    assert on_sqlite.posted() == list(range(25))
    assert is_gone(its_writer)
    on_sqlite.resume()
    on_sqlite.check_completed()


def test_the_second_interrupt_waits_for_no_writer(on_sqlite: Project) -> None:
    run = start(on_sqlite, WAIT_AT_25)
    on_sqlite.is_here()
    until(lambda: len(on_sqlite.posted()) == 20)
    its_writer = writer(run)
    with standing_still(its_writer):
        os.killpg(run.pid, signal.SIGINT)
        on_sqlite.go_on()
        until(lambda: has_order(its_writer))
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=60) == 130
        assert not is_gone(its_writer)

    until(lambda: is_gone(its_writer))
    assert "Traceback" not in ended(run).stderr
    # It had an order: the last chunk is committed, or it was thrown away with the pipe.
    assert on_sqlite.posted() in (list(range(20)), list(range(25)))
    on_sqlite.check()
    on_sqlite.run()
    on_sqlite.check_completed()


def test_nobody_can_read_the_password(new_database: Callable[[str], str], tmp_path: Path) -> None:
    url = sa.make_url(new_database("postgresql")).update_query_dict({"password": "rosebud"})
    project = Project(tmp_path, url.render_as_string(hide_password=False))
    run = start(project, WAIT_AT_25, fresh=True)  # what was forked has another command line
    project.is_here()
    assert writer(run)

    lines = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]

    assert [line for line in lines if run.args == line], "the run itself is among them"
    assert not [line for line in lines if "rosebud" in " ".join(line)]
    project.go_on()
    assert ended(run).code == 0
    project.check_completed()
    project.lab.close()


@pytest.mark.parametrize("moment", ["starting", "ordering", "idle"])
def test_it_ends_although_an_heir_keeps_its_input_open(on_sqlite: Project, moment: str) -> None:
    """It is told of no end, and in one case of half an order: it looks for the run's process."""
    waiting = Mishap(at="statement", matching="store_meta", act="wait")
    suffering = Suffering(look_seconds=0.1, mishap=waiting if moment == "starting" else None)
    storno = on_sqlite.storno()
    dying = forking.start(
        [sys.executable, "-m", "tests.crashes.heir", on_sqlite.url, moment],
        cwd=on_sqlite.folder,
        env=storno.environment | environment(suffering, on_sqlite.folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dying.stdin is not None
    assert dying.stdout is not None
    heir = psutil.Process(int(dying.stdout.readline()))
    orphan = writer(dying)
    if moment == "starting":
        on_sqlite.is_here()
    with standing_still(orphan):
        if moment == "ordering":
            dying.stdin.write("now\n")
            dying.stdin.flush()
            until(lambda: has_order(orphan))
        dying.kill()
        dying.wait()
    on_sqlite.go_on()

    until(lambda: is_gone(orphan))

    assert not is_gone(heir)
    heir.kill()
    dying.communicate()
    assert not on_sqlite.lab.log()
