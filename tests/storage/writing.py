"""Writes the events of drawn histories to a store, with their views."""

from __future__ import annotations

from collections.abc import Iterable

from storno.domain.codec import encode
from storno.domain.seal import NewEvents
from storno.projections.changes import Recorded
from storno.projections.project import project
from storno.storage.store import Store

from ..projections.histories import History, Posting


def append(store: Store, commits: Iterable[list[Recorded]]) -> None:
    """Append commits, each with its views."""
    for commit in commits:
        store.append(NewEvents.of(map(_row, commit)), changes=project(commit))


def _row(recorded: Recorded) -> tuple[str, int, str, bytes]:
    stream, version, event = recorded
    return stream, version, event.TOPIC, encode(event)


def sample_history(chunks: int = 3, size: int = 5, name: str = "2024-01") -> History:
    """A run with postings and dead letters in every chunk, stopped and resumed in the middle."""
    history = History()
    history.start(name)
    for number in range(chunks):
        history.complete_chunk(name, [Posting.sample()] * (size - 1) + ["not a date"])
        if number == chunks // 2:
            history.end(name, "stopped")
            history.start(name)
    history.end(name, "completed")
    return history
