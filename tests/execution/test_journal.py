"""A commit that nobody else can make is told from one that merely looks like it."""

from __future__ import annotations

import pytest

from storno import Store
from storno.domain.errors import StreamConflictError
from storno.domain.events import Actor, RunReversing, Worker
from storno.domain.ids import ReversalId, RunId
from storno.domain.reversal import ReversalStarted
from storno.execution.journal import Journal
from storno.execution.sealing import Sealed, seal
from storno.projections.changes import Recorded

NAME = "R-000001"


def begun_by(pid: int) -> Sealed:
    """How a process begins with a reversal: its last event is the same whoever it is."""
    worker = Worker(host="host", boot_id="boot", pid=pid, process_started="1")
    actor = Actor(name="ann", os_user="ann", host="host")
    started = ReversalStarted(attempt=1, worker=worker, actor=actor, why="start")
    return seal(
        [
            Recorded(ReversalId(NAME).stream, 1, started),
            Recorded(RunId("payments", "a").stream, 1, RunReversing(reversal=NAME)),
        ]
    )


def test_only_the_same_commit_is_taken_for_an_acknowledgement_that_was_lost(made_url: str) -> None:
    store = Store.open(made_url)
    journal = Journal(store)
    journal.append_once(begun_by(1))

    journal.append_once(begun_by(1))
    with pytest.raises(StreamConflictError):
        journal.append_once(begun_by(2))

    assert [row.stream for row in store.log.read_log()] == ["reversal/R-000001", "run/payments/a"]
    store.close()
