"""All that happened to a run, on every database."""

from __future__ import annotations

import pytest

from storno.storage.queries import events, run_events
from storno.storage.store import Store

from .planted import Planted, entry
from .writing import append

RUN, OTHER = "rents/2026-01", "rents/2026"


def test_the_history_of_a_run(made_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    history = Planted()
    history.start(OTHER, "ada")
    history.start(RUN, "ada")
    history.chunk(OTHER, {"C1": "2026-01"})
    history.chunk(RUN, {"A1": entry(100, "2026-01-01"), "B1": "no date", "B2": "no date"})
    history.discard(OTHER, "C1", "eva", '"run":"2026-01" is meant')
    history.correct(RUN, "B1", "eva", "the date of the letter")
    history.request("R-1", RUN, "ada", 100)
    history.request("R-2", OTHER, "ada", 100)
    history.approve("R-1", "cleo")
    history.take_back("R-1", RUN, "dan", {"A1": entry(100, "2026-01-01", red=True)})
    history.discard(RUN, "B2", "eva", "never rented")
    history.close("2026-01", "cleo")
    store = Store.open(made_url)
    append(store, history.commits)

    found = list(run_events(store, RUN))

    assert [type(each.event).__name__ for each in found] == [
        "RunStarted",
        "ChunkStarted",
        "ChunkCompleted",
        "RecordCorrected",
        "ReversalRequested",
        "ReversalApproved",
        "ReversalStarted",
        "ChunkStarted",
        "ChunkCompleted",
        "ReversalCompleted",
        "RecordDiscarded",
    ]
    assert [each.position for each in found] == sorted(each.position for each in found)
    assert list(run_events(store, RUN, after=found[3].position)) == found[4:]
    monkeypatch.setattr(events, "PAGE", 3)
    assert list(run_events(store, RUN)) == found
    store.close()
