"""Records in doubt: the job called out for them, and what came of it was never written down.

They are found without reading the log: an attempt is announced behind its chunk's claim, and before
whatever happens to its run next.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from ..compensations.scope import Scope
from ..domain.codec import decode
from ..domain.events import ChunkCompleted, ChunkStarted, RecordAttempted
from ..domain.ids import ChunkId, RunId, record_stream
from .journal import Journal
from .plan import PARTITION


class Doubt(NamedTuple):
    """An attempt whose outcome is not known.

    Attributes:
        version: of the announcement in the record's stream.
    """

    stream: str
    version: int
    event: RecordAttempted


def doubts(journal: Journal, run: RunId, scope: Scope) -> list[Doubt]:
    """The attempts of a run that are in doubt, as far as a reversal's scope means them.

    Those of retried dead letters are listed with the dead letters, and found by their keys.
    """
    if scope.keys:
        streams = [record_stream(run.job, key) for key in scope.keys]
        return list(_in_doubt(journal, run, streams))
    streams = []
    for chunk, after, end in _open_chunks(journal, run):
        if scope.chunks and chunk.number not in scope.chunks:
            continue
        for row in chain.from_iterable(journal.pages_between(after, end)):
            if row.topic == RecordAttempted.TOPIC and row.stream.startswith(f"record/{run.job}/"):
                streams.append(row.stream)
    return [
        doubt for doubt in _in_doubt(journal, run, streams) if scope.matches(doubt.event.record)
    ]


def _open_chunks(journal: Journal, run: RunId) -> Iterator[tuple[ChunkId, int, int]]:
    """Chunks claimed without a commit of their records, and where in the log that may have been."""
    moves = [row.position for row in journal.rows([run.stream]).get(run.stream, [])]
    head: int | None = None
    claims: dict[str, list[int]] = {}
    ends: dict[int, int] = {}
    for row in journal.chunk_rows(run, PARTITION):
        event = decode(row.topic, row.state)
        open_claims = claims.setdefault(row.stream, [])
        if isinstance(event, ChunkStarted):
            open_claims.append(row.position)
        elif isinstance(event, ChunkCompleted):
            open_claims.clear()
        elif open_claims:
            ends[open_claims[-1]] = row.position
    for stream, positions in claims.items():
        for position in positions:
            end = ends.get(position) or next((move for move in moves if move > position), None)
            if end is None:
                end = head = journal.position() if head is None else head
            yield ChunkId.parse(stream), position, end


def _in_doubt(journal: Journal, run: RunId, streams: list[str]) -> Iterator[Doubt]:
    states = journal.records(streams)
    for stream in sorted(states):
        state = states[stream]
        attempted = state.in_doubt
        if attempted is not None and attempted.run == run.name:
            yield Doubt(stream, state.version, attempted)
