"""A holder on another machine: nobody here can see its process, only its session's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storno.storage.leases import SessionLock

from .mishaps import Mishap
from .project import Project, ended, until

WAIT_AT_25 = Mishap(at="record", nth=25, act="wait")
OTHER = "another-machine"


@pytest.fixture
def project(new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, new_database("postgresql"))
    yield made
    try:
        made.check()
    finally:
        made.lab.close()


def holder(project: Project) -> str | None:
    """Who has the session lock of the run's first attempt."""
    return SessionLock(project.lab.store.engine, "run/payments/a#1").holder()


def sessions_with_locks(project: Project, what: str = "pid") -> list[object]:
    """Of each session that holds an advisory lock in the store's database."""
    select = (
        f"SELECT {what} FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with project.lab.store.engine.connect() as connection:
        return list(connection.execute(sa.text(select)).scalars())


def cut_sessions_with_locks(project: Project) -> None:
    """End them, as an administrator might."""
    cut = sessions_with_locks(project)
    assert cut
    sessions_with_locks(project, "pg_terminate_backend(pid)")
    until(lambda: not set(cut) & set(sessions_with_locks(project)))


def test_a_holder_elsewhere_is_respected_while_it_lives(project: Project) -> None:
    """details.md, Runs: its session's lock says so; dead, it is taken over at once."""
    process = project.start(mishap=WAIT_AT_25, host=OTHER, lease_seconds=3600.0)
    project.is_here()
    assert f"process {process.pid} on {OTHER}" in project.run(code=7).stderr
    assert holder(project) == f"storno {process.pid}@{OTHER}"

    process.kill()
    process.communicate()
    until(lambda: holder(project) is None)

    project.run()
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_a_lock_whose_connection_was_cut_is_taken_again(project: Project) -> None:
    """Scenario 19: the holder lives on, and must not seem dead for longer than a renewal takes."""
    process = project.start(mishap=WAIT_AT_25, host=OTHER, lease_seconds=3.0)
    project.is_here()
    cut_sessions_with_locks(project)
    until(lambda: holder(project) is not None)

    assert f"process {process.pid} on {OTHER}" in project.run(code=7).stderr
    project.go_on()
    assert ended(process).code == 0
    assert project.attempts() == ["start"]
    project.check_completed()
