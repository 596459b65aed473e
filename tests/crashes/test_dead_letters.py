"""kill -9 while dead letters are tried again: what was committed is there once, and trying again
goes on. Scenario 16b."""

from __future__ import annotations

import random
import signal

import pytest

from storno.domain.events import Counts
from storno.domain.ids import RunId
from storno.storage import queries

from .mishaps import Mishap
from .project import RECORDS, Project

RUN = RunId("payments", "a")
BAD = range(0, RECORDS, 2)
RETRY = ("dead-letters", "retry", "--all-matching", "--run", "last", "--json")


@pytest.fixture
def with_letters(project: Project) -> Project:
    """A project whose run set every second record aside, each with its amount corrected."""
    rows = [f"P-{n:03},{'x' if n in BAD else f'{n + 1}.25'}" for n in range(RECORDS)]
    (project.folder / "a.csv").write_text("\n".join(["number,amount", *rows, ""]))
    project.make_table()
    project.run(code=3)
    for n in BAD:
        correct(project, n)
    project.lab.acknowledged.clear()
    return project


def correct(project: Project, number: int) -> None:
    from storno.execution.dead_letters import Working

    from ..scenarios.lab import ACTOR
    from .payments import payments

    (place,) = queries.dead_letter_places(project.lab.store, key=f"P-{number:03}")
    working = Working(
        store=project.lab.store, job=payments, run=RUN, parameters={"run": "a"}, actor=ACTOR
    )
    working.edit(place, {"amount": f"{number + 1}.25"}, "mended")


@pytest.mark.parametrize(
    ("mishap", "left"),
    [
        pytest.param(Mishap(at="record", nth=7), 13, id="between two commits"),
        pytest.param(Mishap(at="commit", nth=2), 13, id="before the commit"),
        pytest.param(Mishap(at="committed", nth=2), 8, id="before the acknowledgement"),
        pytest.param(Mishap(at="statement", matching="leases"), 18, id="at the hold"),
    ],
)
@pytest.mark.parametrize("writes", [False, True], ids=["posts", "writes"])
def test_killed_at_a_named_point(
    with_letters: Project, mishap: Mishap, left: int, writes: bool
) -> None:
    project = with_letters
    killed = project.storno(mishap=mishap, chunk_size=5, writes=writes)(*RETRY, code=None)

    assert killed.code == -signal.SIGKILL
    check(project, waiting=left)
    again = project.storno(chunk_size=5, writes=writes)(*RETRY).document
    assert (again["tried"], again["succeeded"]) == (left, left)
    check(project, waiting=0)
    project.check_completed()


def test_killed_at_random_moments(with_letters: Project) -> None:
    """Again and again, at any statement, until it comes to its end."""
    project = with_letters
    moments = random.Random(16)
    killed = 0
    while True:
        mishap = Mishap(at="statement", nth=moments.randrange(5, 60), matching=".")
        if not project.storno(mishap=mishap, chunk_size=3)(*RETRY, code=None).code:
            break
        killed += 1
        check(project)
        assert killed < 40
    assert killed
    check(project, waiting=0)
    project.check_completed()


def test_the_run_is_refused_while_its_letters_are_tried(with_letters: Project) -> None:
    """Concurrent retry and resume; after kill -9 nobody is waited for."""
    project = with_letters
    process = project.storno(mishap=Mishap(at="record", nth=3, act="wait")).start(*RETRY)
    project.is_here()

    refused = project.run("--again", "--reason", "late", code=7)
    assert str(process.pid) in refused.stderr
    assert "tried again" in project.storno()(*RETRY, code=7).stderr
    process.kill()
    process.communicate()

    assert project.storno()(*RETRY).document["succeeded"] == len(BAD)
    check(project, waiting=0)


def check(project: Project, waiting: int | None = None) -> None:
    """Every letter either waits or is posted, and the run counts it so."""
    project.check()
    left = len(queries.dead_letter_places(project.lab.store))
    assert waiting in (None, left)
    assert project.lab.counts(RUN) == Counts(read=RECORDS, succeeded=RECORDS - left, failed=left)
