"""A worker that hangs past its lease, and whoever takes its run over."""

from __future__ import annotations

import signal

from storno.domain.ids import RunId
from storno.execution.journal import Journal

from .mishaps import Mishap
from .project import Project, ended, stopped, until

LEASE_SECONDS = 0.5
RUN = RunId("payments", "a")
STOP_WITHOUT_A_LOCK = Mishap(at="committed", nth=3, act="stop")


def is_expired(project: Project) -> bool:
    lease = Journal(project.lab.store).lease(RUN.stream)
    return lease is not None and lease.expired


def test_a_worker_that_was_overtaken_is_refused_whole(project: Project) -> None:
    """Scenario 18 (airflow 12396, prefect 16459, celery 4400): SIGSTOP past the lease, another
    finishes, SIGCONT."""
    process = project.start(mishap=STOP_WITHOUT_A_LOCK, lease_seconds=LEASE_SECONDS)
    stopped(process)
    until(lambda: is_expired(project))
    project.run()
    project.check_completed()

    process.send_signal(signal.SIGCONT)
    woken = ended(process)

    assert woken.code == 7
    assert "taken over by attempt 2 on" in woken.stderr
    assert "refused whole" in woken.stderr
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_a_run_abandoned_over_a_hanging_worker(project: Project) -> None:
    """Scenarios 7 and 18: refused while it lives, allowed when it hangs, and then final."""
    process = project.start(mishap=STOP_WITHOUT_A_LOCK, lease_seconds=30.0)
    stopped(process)
    words = ("abandon", "last", "--reason", "it hangs", "--yes")
    refused = project.storno()(*words, code=7)
    assert f"process {process.pid} on" in refused.stderr
    process.kill()
    ended(process)
    process = project.start(mishap=Mishap(at="record", act="stop"), lease_seconds=LEASE_SECONDS)
    stopped(process)
    until(lambda: is_expired(project))

    project.storno()(*words)
    process.send_signal(signal.SIGCONT)
    woken = ended(process)

    assert woken.code == 7
    assert "ended by somebody else, it is abandoned" in woken.stderr
    assert project.state() == "abandoned"
    assert "abandoned" in project.run(code=4).stderr


def test_the_lease_of_an_attempt_before_says_nothing(project: Project) -> None:
    """Scenario 17: between its first event and its lease, a living holder is not overtaken because
    the lease of the dead one before it ran out."""
    project.run(code=None, mishap=Mishap(at="record", nth=25), lease_seconds=LEASE_SECONDS)
    until(lambda: is_expired(project))
    before_its_lease = Mishap(at="statement", matching="INSERT INTO leases", act="stop")
    process = project.start(mishap=before_its_lease)
    stopped(process)

    refused = project.run(code=7)

    assert f"process {process.pid} on" in refused.stderr
    process.send_signal(signal.SIGCONT)
    assert ended(process).code == 0
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()
