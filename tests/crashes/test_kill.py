"""kill -9 at named points: what was acknowledged is there once, and the next start goes on."""

from __future__ import annotations

import signal

import pytest

from storno.domain.events import ChunkStarted

from .mishaps import Mishap
from .project import RECORDS, Project, until

CHUNK = 10


@pytest.mark.parametrize(
    ("mishap", "posted"),
    [
        # The chunk before may still be on its way when a job that only posts is killed here.
        pytest.param(Mishap(at="record", nth=25), {10, 20}, id="between claim and commit"),
        pytest.param(Mishap(at="commit", nth=3), {10}, id="before the commit"),
        pytest.param(Mishap(at="committed", nth=3), {20}, id="before the acknowledgement"),
    ],
)
@pytest.mark.parametrize("writes", [False, True], ids=["posts", "writes"])
def test_killed_at_a_named_point(
    project: Project, mishap: Mishap, posted: set[int], writes: bool
) -> None:
    """Scenario 16: at every point what is committed is there once, and nothing else is; scenario
    17: the next start takes over by itself (spring-batch 1529, dbos 453, airflow 7927)."""
    project.make_table()

    killed = project.run(code=None, mishap=mishap, writes=writes)

    assert killed.code == -signal.SIGKILL
    assert len(project.posted()) in posted
    assert project.posted() == list(range(len(project.posted())))
    assert project.state() == "running"
    project.check()
    project.run(writes=writes)
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


@pytest.mark.parametrize(
    ("mishap", "attempts"),
    [
        pytest.param(Mishap(at="commit"), ["start"], id="before the commit of the start"),
        pytest.param(Mishap(at="committed"), ["start", "takeover"], id="after it"),
        pytest.param(
            Mishap(at="statement", matching="INTO leases"), ["start", "takeover"], id="before the lease"
        ),
    ],
)
def test_killed_while_it_starts(project: Project, mishap: Mishap, attempts: list[str]) -> None:
    """Scenario 16: the attempt's first event, and the lease after it."""
    assert project.run(code=None, mishap=mishap).code == -signal.SIGKILL

    project.run()

    assert project.attempts() == attempts
    project.check_completed()


def test_killed_at_its_last_commit(project: Project) -> None:
    """Scenario 16: the run's end commits with its last chunk, or not at all."""
    last = 1 + RECORDS // CHUNK + 1
    assert project.run(code=None, mishap=Mishap(at="commit", nth=last)).code == -signal.SIGKILL
    assert project.posted() == list(range(30))
    project.run(code=None, mishap=Mishap(at="committed", nth=2))

    assert "completed already" in project.run().stderr
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_resume_takes_over_from_the_dead(project: Project) -> None:
    """Scenario 17, by `storno resume`; the process is killed from outside."""
    process = project.start(mishap=Mishap(at="record", nth=25, act="wait"))
    project.is_here()
    until(lambda: len(project.posted()) == 2 * CHUNK)
    process.kill()
    process.communicate()

    resumed = project.resume("--json")

    assert resumed.document["attempt"] == 2
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_killed_again_and_again(project: Project) -> None:
    """Scenario 17: each attempt gets on by a chunk, and is killed; none of them blames a record."""
    starts = 0
    while project.run(code=None, mishap=Mishap(at="commit", nth=3)).code:
        starts += 1
        assert starts < 10

    assert starts == 3
    assert project.attempts() == ["start", *["takeover"] * starts]
    claims = project.lab.events(ChunkStarted, "chunk/payments/a/0/00000001")
    assert [claim.attempt for claim in claims] == [1, 2]
    project.check_completed()
