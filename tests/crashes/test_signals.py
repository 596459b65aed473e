"""Signals, and `storno stop`, through the real command line."""

from __future__ import annotations

import signal
import threading

import pytest

from storno.domain.events import RunStopped
from storno.execution.signals import Notice

from .mishaps import Mishap
from .project import Project, ended

WAIT_AT_25 = Mishap(at="record", nth=25, act="wait")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_the_first_signal_ends_the_chunk(project: Project, number: signal.Signals) -> None:
    """Scenario 22: the chunk is closed after the record at hand, RunStopped is recorded."""
    process = project.start(mishap=WAIT_AT_25)
    project.is_here()
    process.send_signal(number)
    project.go_on()

    ran = ended(process)

    assert ran.code == 130
    assert project.state() == "stopped"
    assert [event.why for event in project.lab.events(RunStopped)] == [number.name]
    assert project.posted() == list(range(25))
    assert project.lab.chunks() == [(0, 10), (10, 10), (20, 5)]
    project.check()
    project.resume()
    assert project.attempts() == ["start", "resume"]
    project.check_completed()


def test_the_second_signal_ends_it_at_once(project: Project) -> None:
    """Scenario 22; the process does not come to the end of its record."""
    process = project.start(mishap=WAIT_AT_25)
    project.is_here()
    for number in (signal.SIGINT, signal.SIGTERM):  # two of a kind could become one
        process.send_signal(number)

    ran = ended(process)

    assert (ran.code, ran.stderr.splitlines()[-1]) == (130, "Interrupted.")
    assert project.state() == "running"
    assert len(project.posted()) in (10, 20)
    project.check()
    project.run()
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_the_second_signal_waits_for_no_store(project: Project) -> None:
    """Scenario 22, while the database does not answer a commit."""
    process = project.start(mishap=Mishap(at="commit", nth=3, act="wait"))
    project.is_here()
    for number in (signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)

    assert ended(process).code == 130
    assert project.posted() == list(range(10))
    project.run()
    project.check_completed()


def test_the_second_signal_ends_an_isolated_record_too(on_sqlite: Project) -> None:
    """Scenario 22, while a child process works on a record that killed its worker three times."""
    for _ in range(3):
        on_sqlite.run(code=None, mishap=Mishap(at="record"))
    process = on_sqlite.start(mishap=Mishap(at="record", act="wait"))
    on_sqlite.is_here()
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)

    assert ended(process).code == 130
    on_sqlite.run()
    on_sqlite.check_completed()


def test_stop_from_another_process(project: Project) -> None:
    """Scenarios 8 and 22: at the end of its chunk, by its own choice: the exit code is 0."""
    process = project.start(mishap=WAIT_AT_25)
    project.is_here()
    project.storno()("stop", "last", "--reason", "wrong file")
    project.go_on()

    assert ended(process).code == 0
    assert [event.why for event in project.lab.events(RunStopped)] == ["requested: wrong file"]
    assert project.posted() == list(range(30))
    project.resume()
    project.check_completed()


def test_a_notice_can_be_given_in_the_middle_of_waiting_for_it() -> None:
    """A handler runs in the thread that waits, between any two of its steps."""
    notice = Notice()

    def handle(*_: object) -> None:
        notice.set()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert notice.wait(60.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert notice.is_set()
    assert notice.wait(60.0)


def test_a_notice_wakes_another_thread() -> None:
    notice = Notice()
    thread = threading.Thread(target=notice.set)
    thread.start()
    assert notice.wait(60.0)
    thread.join()


def test_without_a_notice_the_wait_ends() -> None:
    assert not Notice().wait(0.001)
