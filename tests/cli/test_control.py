"""Runs that are stopped, interrupted, killed and watched, from other processes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from .command import TIMEOUT_SECONDS, Storno
from .waiting import until

RECORDS = 4_000

SLOW_JOB = """
import datetime as dt
import time
from decimal import Decimal
from storno import Entry, Record, credit, csv_source, debit, job

class Payment(Record):
    number: str

@job(key="number", source=csv_source("payments.csv"), chunk_size=20)
def slow(payment: Payment) -> Entry:
    time.sleep(0.005)
    return Entry([debit("a", Decimal(1), "EUR"), credit("b", Decimal(1), "EUR")],
                 effective=dt.date(2026, 1, 31))
"""

Process = subprocess.Popen[str]


@pytest.fixture
def slow(storno: Storno) -> Storno:
    """A project whose job takes twenty seconds."""
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]')
    (storno.folder / "jobs.py").write_text(SLOW_JOB)
    numbers = "".join(f"P{number:05d}\n" for number in range(RECORDS))
    (storno.folder / "payments.csv").write_text(f"number\n{numbers}")
    storno("db", "init")
    return storno


@pytest.fixture
def running(slow: Storno) -> Iterator[Process]:
    """The job at work, with some chunks committed."""
    process = slow.start("run", "slow", "--json")
    until(lambda: any(state["read"] for state in slow.json("status")))
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=TIMEOUT_SECONDS)


def ended(process: Process) -> tuple[int, Any]:
    """The exit code and the document of the process."""
    output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, json.loads(output)


def test_a_run_that_works_is_alive_and_nobody_else_may_take_it(
    slow: Storno, running: Process
) -> None:
    [state] = slow.json("status")

    assert (state["state"], state["alive"]) == ("running", True)
    assert 0 < state["percent"] < 100
    assert "being worked on" in slow("run", "slow", code=7).stderr
    slow("abandon", "last", "--reason", "x", "--yes", code=7)


def test_stop_ends_it_at_the_end_of_its_chunk(slow: Storno, running: Process) -> None:
    asked = slow.json("stop", "last", "--reason", "wrong file", "--actor", "ada")

    code, document = ended(running)
    assert asked["run"] == "slow/once"
    assert (code, document["state"]) == (0, "stopped")
    assert document["read"] % 20 == 0
    assert "somebody asked it to stop: wrong file" in slow("show", "last").stdout
    assert slow.json("status")[0]["state"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order(slow: Storno, running: Process, number: signal.Signals) -> None:
    running.send_signal(number)

    code, document = ended(running)

    assert (code, document["state"], document["message"]) == (130, "stopped", number.name)
    assert document["read"] == slow.json("show", "last")["read"] < RECORDS
    [line] = slow("status").stdout.splitlines()[1:]
    assert number.name in line
    assert line.rsplit("  ", 1)[-1] != number.name


def test_a_killed_run_is_seen_dead_and_resumed(slow: Storno, running: Process) -> None:
    running.kill()
    running.wait(TIMEOUT_SECONDS)

    [state] = slow.json("status")
    listed = slow("runs")
    resumed = slow.json("resume", "last", "--limit", "100")

    assert (state["state"], state["alive"]) == ("running", False)
    assert "The process of slow/once is gone" in listed.stderr
    assert resumed["attempt"] == 2
    assert resumed["read"] == resumed["succeeded"] == state["read"] + 100
    assert [each["state"] for each in slow.json("show", "last")["attempts"]] == [
        "taken-over",
        "stopped",
    ]


def test_watch_tells_each_change_until_the_end(slow: Storno, running: Process) -> None:
    watching = slow.start("watch", "--json", "--every", "0.2")
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    slow("stop", "last", "--reason", "seen enough")

    rest, _ = watching.communicate(timeout=TIMEOUT_SECONDS)

    last = json.loads(rest.splitlines()[-1])
    assert first["state"] == "running"
    assert last["state"] == "stopped"
    assert last["read"] >= first["read"]


def test_a_second_signal_ends_it_at_once(slow: Storno, running: Process) -> None:
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)

    running.communicate(timeout=TIMEOUT_SECONDS)

    document = slow.json("show", "last", "--chunks")
    assert running.returncode == 130
    assert document["read"] == sum(chunk["read"] for chunk in document["chunk_list"])
    assert slow.json("views", "check")["agree"] is True
