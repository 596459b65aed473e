"""Whether a holder lives: by its process on this machine, by clocks that nobody can set."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from storno.domain.events import Worker
from storno.execution.identity import is_alive, this_worker
from storno.storage import leases
from storno.storage.log import EventLog

HOURS = 3600 * 10**9


def changed(worker: Worker, **fields: object) -> Worker:
    return msgspec.structs.replace(worker, **fields)


def other_boot(worker: Worker) -> str:
    boot, colon, namespace = worker.boot_id.partition(":")
    return f"{boot[::-1]}{colon}{namespace}"


def test_this_process_lives() -> None:
    assert is_alive(this_worker()) is True


def test_a_machine_that_was_booted_again_has_none_of_its_processes() -> None:
    """Scenario 17: the power failed, and another process has the dead one's number by now."""
    me = this_worker()
    assert is_alive(changed(me, boot_id=other_boot(me))) is False


def test_of_other_machines_and_containers_nothing_is_known() -> None:
    me = this_worker()
    boot = other_boot(me)
    assert is_alive(changed(me, boot_id=boot, host="elsewhere")) is None
    assert is_alive(changed(me, boot_id=f"{me.boot_id}1")) is None  # another container


def test_a_number_used_again_is_another_process() -> None:
    """Scenario 17: process numbers come round."""
    assert is_alive(changed(this_worker(), process_started="1")) is False


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def test_a_dead_process_is_dead_also_before_it_is_reaped(child: subprocess.Popen[bytes]) -> None:
    """Scenario 17: a zombie works on nothing, though its number is taken."""
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    worker = changed(this_worker(), pid=child.pid, process_started=started)
    assert is_alive(worker) is True

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert is_alive(worker) is False
    child.wait()
    assert is_alive(worker) is False


@pytest.mark.parametrize("wrong", [-5 * HOURS, 5 * HOURS], ids=["behind", "ahead"])
def test_a_workers_clock_does_not_move_its_lease(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    """Scenario 29: clocks hours apart between workers; leases go by the database's."""
    from storno.storage.engine import create_engine
    from storno.storage.migrate import init

    init(postgres_url)
    engine = create_engine(postgres_url)
    log = EventLog(engine)
    right = time.time_ns
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: right() + wrong)
        patched.setattr(time, "time", lambda: (right() + wrong) / 10**9)
        leases.take(log, "fresh", "somebody", 60.0)
        leases.take(log, "old", "somebody", -1.0)

    fresh, old = leases.read(log, "fresh"), leases.read(log, "old")
    assert fresh is not None
    assert old is not None
    assert (fresh.expired, old.expired) == (False, True)
    assert abs(fresh.renewed_at - _server_time(engine)) < 60_000_000
    engine.dispose()


def _server_time(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT extract(epoch FROM now()) * 1000000").scalar_one()
    return int(now)
