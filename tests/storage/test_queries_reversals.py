"""What the store answers about reversals, on every database."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from storno.domain.errors import NotFoundError
from storno.storage import queries
from storno.storage.store import Store

from ..projections.histories import JOB, History, Posting
from .writing import append

JANUARY, FEBRUARY = "2024-01", "2024-02"


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    """January: one reversal completed, one rejected; February: one stopped with a dead letter."""
    store = Store.open(made_url)
    history = History()
    for name in (JANUARY, FEBRUARY):
        history.start(name)
        history.complete_chunk(name, [Posting.sample()] * 4)
        history.end(name, "completed")
    history.request(JANUARY, 3, 0, True)
    history.take_all_back(JANUARY)
    history.request(JANUARY, 1, 1, False)
    history.reject(JANUARY)
    history.request(FEBRUARY, 3, 2, False)
    history.approve(FEBRUARY)
    history.approve(FEBRUARY)
    history.execute(FEBRUARY)
    history.reverse_chunk(FEBRUARY, [True, False])
    history.end_reversal(FEBRUARY, "stopped")
    append(store, history.commits)
    yield store
    store.close()


def ids(rows: list[queries.ReversalRow]) -> list[str]:
    return [row.reversal for row in rows]


def test_reversals_come_newest_first_and_can_be_chosen(store: Store):
    assert ids(queries.reversals(store)) == ["r-2", "r-1", "r-0"]
    assert ids(queries.reversals(store, run=f"{JOB}/{JANUARY}")) == ["r-1", "r-0"]
    assert ids(queries.reversals(store, run=JANUARY)) == []
    assert ids(queries.reversals(store, job=JOB, state="completed")) == ["r-0"]
    assert ids(queries.reversals(store, job="payment")) == []
    assert ids(queries.reversals(store, run=f"{JOB}/{FEBRUARY}", state="stopped")) == ["r-2"]


def test_a_reversal_says_what_was_asked_for_and_how_far_it_is(store: Store):
    row = queries.reversal(store, "r-2")
    assert (row.job, row.run, row.state, row.form, row.date) == (
        JOB,
        FEBRUARY,
        "stopped",
        "black",
        None,
    )
    assert (row.records, row.blocked, row.reversed, row.failed) == (3, 0, 1, 1)
    assert (row.approvals, row.approved, row.attempt, row.message) == (2, 2, 1, "SIGTERM")
    assert (row.requested_by, row.decided_by, row.executed_by) == ("anna", 'b"en, {}2', "anna")
    assert json.loads(row.scope) == {"records": [f"{FEBRUARY}-{n}" for n in (3, 2, 1)]}
    assert row.decided_at is not None
    assert row.started_at is not None
    assert row.ended_at is not None
    assert row.requested_at < row.decided_at < row.started_at < row.ended_at
    rejected = queries.reversal(store, "r-1")
    assert (rejected.state, rejected.message, rejected.attempt) == ("rejected", "wrong rows", None)
    assert (rejected.started_at, rejected.worker) == (None, None)
    assert (rejected.reversed, rejected.failed) == (0, 0)


def test_a_reversal_that_there_is_not(store: Store):
    with pytest.raises(NotFoundError, match="storno reverse list"):
        queries.reversal(store, "r-9")


def test_a_reversal_that_is_settled_has_nothing_set_aside(made_url: str):
    store = Store.open(made_url)
    history = History()
    history.start(JANUARY)
    history.complete_chunk(JANUARY, [Posting.sample()] * 3)
    history.end(JANUARY, "stopped")
    history.request(JANUARY, 3, 0, False)
    history.execute(JANUARY)
    history.reverse_chunk(JANUARY, [False, False, True])
    append(store, history.commits)
    assert (queries.reversal(store, "r-0").failed, queries.reversal(store, "r-0").reversed) == (
        2,
        1,
    )
    done = len(history.commits)
    history.resolve(JANUARY)
    history.end_reversal(JANUARY, "stopped")
    history.take_all_back(JANUARY)
    append(store, history.commits[done:])
    row = queries.reversal(store, "r-0")
    assert (row.state, row.failed, row.reversed, row.message) == ("completed", 0, 2, None)
    run = queries.run(store, f"{JOB}/{JANUARY}")
    assert (run.state, run.reversed, run.reversal) == ("partly-reversed", 2, "r-0")
    assert (run.chunks_total, run.chunks_completed) == (2, 1)
    store.close()
