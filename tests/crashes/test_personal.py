"""Runs over personal fields that are killed: no key is lost of what is stored, and nobody leaks."""

from __future__ import annotations

import pytest

from storno.domain.events import RecordSucceeded

from ..scenarios.persons import leaks, read
from .mishaps import Mishap
from .project import RECORDS, Project
from .writers import Suffering, environment

RUN = ("run", "tests.crashes.personal_bills:payments", "--param", "run=a")


def check(project: Project) -> None:
    """The run is through, all of it can be read with the keys, and none of it without."""
    project.check_completed()
    posted = project.lab.events(RecordSucceeded)
    names = {read(project.lab, event.record)["payee"] for event in posted}
    assert names == {"Grace Hopper"}
    assert len(posted) == RECORDS
    assert leaks(project.lab, "Hopper") == []


@pytest.mark.parametrize(
    "mishap",
    [
        pytest.param(
            Mishap(at="statement", matching="INSERT INTO storno_subject_keys", nth=2),
            id="before keys are made",
        ),
        pytest.param(
            Mishap(at="statement", matching="INSERT INTO events", nth=3),
            id="between keys and events",
        ),
        pytest.param(Mishap(at="commit", nth=3), id="in the commit"),
        pytest.param(Mishap(at="committed", nth=3), id="behind the commit"),
    ],
)
def test_a_killed_run_goes_on_with_the_keys_it_made(project: Project, mishap: Mishap) -> None:
    killed = project.storno(mishap=mishap)(*RUN, code=None)
    assert killed.code == -9, killed.stderr

    project.storno()(*RUN)

    check(project)


def test_the_process_that_commits_sees_no_key_and_no_name(project: Project) -> None:
    """It dies too, and the run's own process goes on."""
    suffering = Suffering(mishap=Mishap(at="commit", nth=2))
    storno = project.storno()

    ran = storno(*RUN, code=0, **environment(suffering, project.folder))

    assert "commits are made in the run's own process from now on" in ran.stderr
    check(project)
