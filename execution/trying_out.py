"""Trying dead letters out: worked on as a retry would, and nothing is written.

A job that calls out or writes rows is not called: its records are only validated, and compared
with what is posted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..domain.events import RecordSucceeded
from ..domain.ids import ChunkId
from ..domain.record import NEW, RecordState, evolve
from . import retrying
from .decide import against
from .draw import Drawn
from .job import Job
from .journal import Journal
from .letters import Letter
from .plan import Item
from .retried import LetterPreparer, Tried, is_here, outcome_of, outcomes_by_ordinal, sort_out
from .work import Outcome, TransientError


def try_out(
    journal: Journal,
    job: Job,
    chunk: ChunkId,
    preparer: LetterPreparer,
    letters: Sequence[Letter],
) -> list[Tried]:
    """What would come of letters; ``event`` of each is what would be written for it.

    Raises:
        TransientError, FatalError: the function's, as a retry would meet them.
    """
    waiting, refused = sort_out(job, letters)
    tried: list[Tried] = []
    ahead: dict[str, RecordState] = {}
    for start in range(0, len(waiting), job.chunk_size):
        if preparer.flag:
            break
        some = waiting[start : start + job.chunk_size]
        preparer.partition = some[0].place.partition
        preparer.letters = some
        item = Item(chunk, 0, {}, some[0].ordinal)
        tried += retrying.call(
            lambda tries: _chunk(journal, job, preparer, item, tries, ahead),  # noqa: B023
            job.retry,
            transient=TransientError,
            interrupt=preparer.flag.event,
            waiting=_silently,
        )
    return tried + refused


def _chunk(
    journal: Journal,
    job: Job,
    preparer: LetterPreparer,
    item: Item,
    tries: int,
    ahead: dict[str, RecordState],
) -> list[Tried]:
    prepared = preparer.draw(item, tries=tries)
    drawn = prepared.drawn
    states = retrying.store_call(lambda: journal.records(drawn.streams)) | ahead

    def outcome(index: int, posting: int) -> Outcome:
        if job.looks_ahead:
            return prepared.work.one(index, posting)
        return drawn.failures.get(index) or _as_posted(drawn, index)

    with prepared.work.watchdog.guarding():
        decided = against(drawn, states, outcome)
    for stream, _, event in decided.events:
        ahead[stream] = evolve(ahead.get(stream, states.get(stream, NEW)), event)
    written = outcomes_by_ordinal(decided)
    tried = []
    for index, letter in enumerate(preparer.letters):
        moved_to = drawn.keys[index] if drawn.streams[index] != letter.stream else None
        recorded = written.get(letter.ordinal)
        skipped = recorded is None and not is_here(drawn, index, states)
        tried.append(outcome_of(letter, recorded, moved_to, skipped=skipped))
    return tried


def _as_posted(drawn: Drawn, index: int) -> RecordSucceeded:
    """What a record would come to that is not called for."""
    encoded, digest = drawn.content(index)
    return RecordSucceeded(
        run=drawn.chunk.run.name,
        partition=drawn.partition,
        chunk=drawn.chunk.label,
        ordinal=drawn.ordinal(index),
        attempt=drawn.attempt,
        record=msgspec.Raw(encoded),
        digest=digest,
    )


def _silently(error: BaseException, tries: int, delay_seconds: float) -> None:
    """Nobody is told that a chunk is tried out again."""
