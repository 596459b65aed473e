"""Runs whose postings were taken back, as ``runs``, ``show``, ``status`` and ``watch`` say it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from storno.domain.events import (
    Actor,
    ChunkCompleted,
    Counts,
    Event,
    RunReversed,
    RunReversing,
    Worker,
)
from storno.domain.ids import ChunkId, RunId
from storno.domain.reversal import ReversalStarted
from storno.projections.changes import Recorded
from storno.storage.store import Store

from ..storage.writing import append
from .command import Storno

RUN = RunId("payments", "2026-01")
TOOK = ChunkCompleted(
    attempt=1,
    first_offset={},
    next_offset={},
    first_ordinal=0,
    counts=Counts(read=200, succeeded=200),
)
TAKEN = [(ChunkId(RUN, "reversal-r-7", 0).stream, TOOK)]
BEGUN: list[tuple[str, Event]] = [(RUN.stream, RunReversing(reversal="r-7"))]


def over(standing: int) -> list[tuple[str, Event]]:
    return [(RUN.stream, RunReversed(reversal="r-7", reversed=200, standing=standing))]


@pytest.fixture
def after(ran: Storno) -> Callable[..., Storno]:
    """Gives the project with further events, each a commit, behind its first run."""

    def make(*events: tuple[str, Event]) -> Storno:
        store = Store.open(f"sqlite:///{ran.folder / 'storno.db'}")
        for stream, event in events:
            version = len(store.log.read_stream(stream)) + 1
            append(store, [[Recorded(stream, version, event)]])
        store.close()
        return ran

    return make


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([*BEGUN, *TAKEN], "reversing"),
        ([*BEGUN, *TAKEN, *over(37)], "partly-reversed"),
        ([*BEGUN, *TAKEN, *over(0)], "reversed"),
    ],
)
def test_the_state_and_how_many_were_taken_back(
    after: Callable[..., Storno], events: list[tuple[str, Event]], state: str
) -> None:
    storno = after(*events)

    document = storno.json("show", "last")
    assert (document["state"], document["reversed"], document["reversal"]) == (state, 200, "r-7")
    assert (document["read"], document["succeeded"], document["failed"]) == (240, 237, 3)
    assert [run["run"] for run in storno.json("runs", "--state", state)] == [str(RUN)]
    assert storno.json("runs", "--state", "completed") == []

    page = storno("show", "last").stdout.splitlines()
    assert [line.split() for line in page if line.startswith("revers")] == [
        ["reversed", "200"],
        ["reversal", "r-7"],
    ]
    header, row = storno("runs").stdout.splitlines()
    assert header.split()[:7] == [
        "run", "state", "read", "succeeded", "skipped", "failed", "reversed"
    ]  # fmt: skip
    assert row.split()[:7] == [str(RUN), state, "240", "237", "0", "3", "200"]


def test_a_run_that_is_being_reversed_is_not_finished(after: Callable[..., Storno]) -> None:
    storno = after(*BEGUN, *TAKEN)

    status = storno("status")
    assert "reversal r-7 takes back what it posted" in status.stdout
    assert status.stdout.split("\n")[0].split() == [
        "run", "state", "done", "read", "failed", "reversed", "for", "why"
    ]  # fmt: skip
    assert "storno reverse show r-7" in status.stderr
    assert "resume" not in status.stderr
    [state] = storno.json("status")
    assert (state["state"], state["reversed"]) == ("reversing", 200)
    [line] = storno("watch", "last", "--json").lines
    assert line["state"] == "reversing"


def test_a_reversed_run_is_finished_and_not_run_by_itself(after: Callable[..., Storno]) -> None:
    storno = after(*BEGUN, *TAKEN, *over(0))

    assert storno.json("status") == []
    [line] = storno("watch", "last", "--json").lines
    assert line["state"] == "reversed"
    noop = storno("run", "payments", "--param", "month=2026-01")
    assert "is reversed already" in noop.stderr
    assert "--again" in noop.stderr


def test_a_run_that_is_being_reversed_does_not_go_on(after: Callable[..., Storno]) -> None:
    storno = after(*BEGUN)

    assert "r-7" in storno("run", "payments", "--param", "month=2026-01", code=7).stderr
    assert "r-7" in storno("abandon", "last", "--reason", "x", "--yes", code=7).stderr


def test_a_reversal_whose_process_is_gone_says_how_to_go_on(ran: Storno) -> None:
    name = ran.json(
        "reverse", "submit", str(RUN), "--reason-code", "other", "--reason", "all of it"
    )["reversal"]
    dead = Worker(host=socket.gethostname(), boot_id="earlier", pid=1, process_started="0")
    ada = Actor(name="ada", os_user="ada", host="night-1")
    begun = ReversalStarted(attempt=1, worker=dead, actor=ada, why="start")
    store = Store.open(f"sqlite:///{ran.folder / 'storno.db'}")
    append(store, [[Recorded(f"reversal/{name}", 2, begun)]])
    store.close()

    shown = ran("reverse", "show", name)
    document = ran.json("reverse", "show", name)
    ran("reverse", "execute", name, "--yes")

    assert (document["state"], document["alive"]) == ("running", False)
    assert f"Its process is gone. Go on with it: storno reverse execute {name}" in shown.stderr
    assert ran.json("reverse", "show", name)["alive"] is None


def test_what_was_never_taken_back_is_not_spoken_of(ran: Storno) -> None:
    document = ran.json("show", "last")
    assert (document["reversed"], document["reversal"]) == (0, None)
    assert "revers" not in ran("show", "last").stdout + ran("runs").stdout


def test_a_run_again_that_failed_still_shows_what_was_taken_back(ran: Storno) -> None:
    """Posted, taken back, and not posted anew: the run's own counts begin anew, its history not."""
    ran("reverse", "submit", "last", "--reason-code", "other", "--reason", "x")
    ran("reverse", "execute", "R-000001", "--yes")
    Path(ran.folder, "input", "payments-2026-01.csv").rename(ran.folder / "gone.csv")
    again = ("run", "payments", "--param", "month=2026-01", "--again", "--reason", "x")
    ran(*again, code=1)

    document = ran.json("show", "last")
    page = ran("show", "last").stdout

    assert (document["state"], document["read"], document["reversed"]) == ("failed", 0, 0)
    assert [(each["why"], each["succeeded"]) for each in document["attempts"]] == [
        ("start", 237),
        ("again", 0),
    ]
    (taken,) = document["reversals"]
    assert (taken["reversal"], taken["state"], taken["reversed"]) == ("R-000001", "completed", 237)
    (line,) = [line.split() for line in page.splitlines() if line.startswith("R-000001")]
    assert line[:4] == ["R-000001", "completed", "237", "237"]


def test_a_run_of_which_nothing_was_taken_back_has_no_reversals(ran: Storno) -> None:
    assert ran.json("show", "last")["reversals"] == []
    assert "Reversals" not in ran("show", "last").stdout
