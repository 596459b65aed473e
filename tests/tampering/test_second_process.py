"""A second process reads a part of a long log: it finds what one process finds, and where it ends,
nothing is verified."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from storno.cli.errors import FAILED, exit_code
from storno.storage import processes
from storno.storage.store import Store
from storno.storage.verification import ahead, starting
from storno.storage.verification.roots import Stretch
from storno.storage.verification.second import Place, SecondProcess, SecondProcessGoneError
from storno.storage.verification.verify import Verification, verify

from ..crashes.project import until
from .attacker import attacking, kept, told
from .test_rows import ATTACKS, Attack

START_SECONDS = 60.0
EVENTS = 48
"""That the stores hold."""


class Prompt(SecondProcess):
    """Takes stretches as soon as it is there, so that it has a part of any log."""

    started: list[Prompt]

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.answers: list[list[bytes]] = []
        self.started.append(self)
        self._pipe.poll(START_SECONDS)

    def answer(self) -> list[bytes]:
        self.answers.append(super().answer())
        return self.answers[-1]


class Killed(Prompt):
    """Is ended behind the first stretch that it is given, as by a system that is out of memory."""

    def give(self, stretch: Stretch) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        super().give(stretch)
        os.kill(self._process.pid, signal.SIGKILL)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Prompt]]:
    """Logs of any length are verified by two processes; those that were started."""
    Prompt.started = []
    monkeypatch.setattr(starting, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(starting, "SecondProcess", Prompt)
    monkeypatch.setattr(ahead, "EVENTS_AT_ONCE", 7)
    yield Prompt.started
    assert all(each._process.returncode is not None for each in Prompt.started)


def _with_one(store: Store) -> Verification:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "cores", lambda: 1)
        return verify(store)


def test_a_clean_log_is_verified_by_both(store: Store, two: list[Prompt]):
    found = verify(store)
    assert not found.total, told(found)
    assert found == _with_one(store)
    assert found.events == EVENTS
    (process,) = two
    assert process.answers
    assert all(process.answers), "a part that fits has roots"


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_both_name_what_one_names(store: Store, attack: Attack, two: list[Prompt]):
    with attacking(store) as attacker:
        attack.do(attacker)
    found = verify(store)
    assert found.total
    assert found == _with_one(store)
    assert len(two) == 1


def test_the_second_process_sees_a_version_without_the_one_before_it(
    store: Store, two: list[Prompt], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ahead, "COMMITS_AT_ONCE", 1)
    _, its_first, *_ = store.log.commits()
    position = its_first.last_position
    with attacking(store) as attacker:
        attacker.change(position, version=9)
        attacker.recompute()
    found = verify(store)
    assert (found.problems[0].field, found.problems[0].position) == ("version", position)
    assert found == _with_one(store)
    (process,) = two
    assert process.answers[0] == []


def test_events_that_cannot_be_read_are_named_in_order(store: Store, two: list[Prompt]):
    with attacking(store) as attacker:
        for position in (40, 19, 12):
            attacker.change(position, state=b"[]")
        attacker.recompute()
    found = verify(store)
    assert [(each.field, each.position) for each in found.problems] == [
        ("state", 12), ("state", 19), ("state", 40),
    ]  # fmt: skip
    assert found == _with_one(store)
    assert len(two) == 1


def test_only_what_came_since_a_checkpoint_is_read(store: Store, two: list[Prompt]):
    checkpoint = kept(store)
    assert verify(store, since=checkpoint).events == 0
    assert not any(each.answers for each in two)


def test_a_process_that_is_killed_ends_the_verification(
    store: Store, two: list[Prompt], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(starting, "SecondProcess", Killed)
    with pytest.raises(
        SecondProcessGoneError, match=r"was ended by SIGKILL: nothing is verified"
    ) as caught:
        verify(store)
    assert exit_code(caught.value) == FAILED
    assert len(two) == 1


def _no_such_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")


def _ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")


def _reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    place = starting._place

    def misleading(engine: sa.Engine, table: str, *, streams: bool) -> Place:
        return replace(place(engine, table, streams=streams), driver="no_such_driver")

    monkeypatch.setattr(starting, "_place", misleading)


@pytest.mark.parametrize("mishap", [_no_such_program, _ends_at_once, _reaches_nothing])
def test_where_none_can_be_had_one_process_reads_all(
    store: Store,
    two: list[Prompt],
    monkeypatch: pytest.MonkeyPatch,
    mishap: Callable[[pytest.MonkeyPatch], None],
):
    mishap(monkeypatch)
    found = verify(store)
    assert (found.total, found.events) == (0, EVENTS)
    assert not any(each.answers for each in two)


def test_whoever_interrupts_ends_both(
    store: Store, two: list[Prompt], monkeypatch: pytest.MonkeyPatch
):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("storno.storage.verification.verify.EVENTS_A_STEP", 1)
    with pytest.raises(KeyboardInterrupt):
        verify(store, progress=interrupt)
    (process,) = two
    assert process._process.returncode == -signal.SIGKILL


_VERIFY_AND_WAIT = """
import sys, time
from storno.cli.errors import FAILED, exit_code
from storno.storage.store import Store
from storno.storage import processes
from storno.storage.verification import ahead, starting, verify
starting.WORTH_A_PROCESS, verify.EVENTS_A_STEP, ahead.EVENTS_AT_ONCE = 0, 1, 7
processes.cores = lambda: 2
def wait(done, total):
    print("waiting", flush=True)
    time.sleep(600)
verify.verify(Store.open(sys.argv[1]), progress=wait)
"""


def test_the_second_process_ends_with_the_first(store: Store):
    url = store.engine.url.render_as_string(hide_password=False)
    first = subprocess.Popen(
        [sys.executable, "-c", _VERIFY_AND_WAIT, url], stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert first.stdout is not None
    with first.stdout:
        assert first.stdout.readline() == b"waiting\n"
        (child,) = psutil.Process(first.pid).children()
        first.kill()
        first.wait()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
