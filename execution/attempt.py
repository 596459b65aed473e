"""One attempt at a run: what every chunk's commit holds, and what its failing means.

``ahead`` and ``careful`` are the two ways to go through the chunks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import sqlalchemy as sa
from msgspec import Struct, field

from ..domain import run as runs
from ..domain.errors import ExpectationFailedError, StoreUnavailableError, StreamConflictError
from ..domain.events import ChunkCompleted, ChunkFailed, Counts, Event, RunReversing
from ..domain.ids import ChunkId, RunId
from ..domain.period import PERIODS
from ..domain.policy import ReversalPolicy
from ..domain.run import RunState, Status
from ..projections.changes import Recorded
from . import retrying
from .decide import Decided
from .job import Job
from .journal import Journal
from .plan import Item, Plan
from .preparation import Extent, Preparer
from .results import FencedError, Observer
from .sealing import Sealed, seal
from .signals import StopFlag
from .sources.base import Batch
from .tally import Tally

COMMIT_TRIES = 100
"""How often one commit is decided anew, before somebody looks into what is going on."""


class Closing(Struct, frozen=True):
    """A commit that ends a chunk, or the attempt.

    Attributes:
        sealed: what is appended.
        proof: the first event after the records': says what is committed.
        following: the chunk claimed with it.
        run_events: how it moves the run.
        counts, totals, controls: what it adds to the run.
        failed_chunks: by how much it changes the number of chunks that stay failed.
        position: how far the source has been read.
        periods: the streams, and their versions, of what it posts into.
    """

    sealed: Sealed
    proof: Recorded
    following: Item | None = None
    run_events: tuple[Event, ...] = ()
    counts: Counts = field(default_factory=Counts)
    totals: Mapping[str, int] = field(default_factory=dict)
    controls: Mapping[str, str] = field(default_factory=dict)
    failed_chunks: int = 0
    position: int | None = None
    periods: Mapping[str, int] = field(default_factory=dict)

    @property
    def leaves_chunk(self) -> bool:
        """Whether it ends the attempt, and nothing of the chunk it was at is to stay."""
        return not isinstance(self.proof.event, ChunkCompleted | ChunkFailed)


class Setting(Struct, kw_only=True):
    """What an attempt works with.

    Attributes:
        state: the run's, with this attempt's first event.
        versions: of the chunk streams that have events, by number.
        tail: the first chunk of what has not been read; None where nothing follows.
        reversals: what reversals of the job ask for.
        limit: how many records the attempt may read; None for all.
        counts: of the run so far; the plan's where not given.
        size, position: of the source, and how far it has been read, in the source's unit.
    """

    journal: Journal
    job: Job
    run: RunId
    parameters: Any
    state: RunState
    plan: Plan
    versions: Mapping[int, int]
    tail: Item | None
    preparer: Preparer
    observer: Observer
    flag: StopFlag
    worker: str
    reversals: ReversalPolicy = field(default_factory=ReversalPolicy)
    limit: int | None = None
    counts: Counts | None = None
    size: int | None = None
    position: int = 0

    @property
    def first(self) -> Item:
        """The chunk that is claimed with the attempt's first event."""
        return self.plan.redo[0] if self.plan.redo else self.plan.tail


class Attempt(ABC):
    """Works through a plan. The run's stream says how it ended.

    Attributes:
        not_found: keys that were chosen and are in no record of the input.
    """

    def __init__(self, setting: Setting) -> None:
        self.set = setting
        self.journal = setting.journal
        self.job = setting.job
        self.state = setting.state
        self.tally = Tally.of(setting.plan, setting.counts)
        self.remaining = setting.limit
        self.last: Event | None = None
        self.not_found: tuple[str, ...] = ()
        self._in_doubt: list[Closing] = []  # sent, and their connection broke: they may yet come
        self._queue = [*setting.plan.redo, *([setting.tail] if setting.tail else [])]

    @abstractmethod
    def work(self) -> None:
        """Go through the chunks."""

    @property
    def ended(self) -> bool:
        """Whether the attempt came to its end."""
        return self.state.status is not Status.RUNNING

    def first(self) -> Item:
        """The chunk that was claimed with the attempt's first event."""
        return self._queue.pop(0)

    def closing(self, prepared: Extent, decided: Decided) -> Closing:
        """How a chunk is committed, now that its records' outcomes are known."""
        item, counts = prepared.item, decided.counts
        following = self._following(item, prepared.next_offset, prepared.read, prepared.end)
        redone = -1 if item.count is not None else 0
        fault = self._fault(prepared, counts, redone, at_end=following is None)
        if fault is not None:
            return self.run_failed(*fault)
        completed = ChunkCompleted(
            attempt=self.state.attempt,
            first_offset=item.first_offset,
            next_offset=prepared.next_offset,
            first_ordinal=item.first_ordinal,
            counts=counts,
            digest=prepared.digest,
            position=prepared.position,
            totals=decided.totals,
            controls=prepared.controls,
            skipped_keys=tuple(decided.skipped_keys),
            kept=tuple(decided.kept),
        )
        total = self.tally.counts + counts
        totals = self.tally.with_totals(decided.totals)
        proof = Recorded(item.chunk.stream, item.version + 2, completed)
        following, moves = self._moves(
            following, prepared.read, total, totals, self.tally.failed_chunks + redone
        )
        tail = [proof, *self._claim(following), *self._of_run(moves)]
        return Closing(
            seal([*decided.events, *tail], decided.first),
            proof,
            following,
            moves,
            counts,
            decided.totals,
            prepared.controls,
            redone,
            prepared.position,
            periods_of(prepared, decided),
        )

    def chunk_failed(self, item: Item, error: BaseException, tries: int, batch: Batch) -> Closing:
        """How a chunk is given up that was read, but could not be worked through."""
        read = len(batch.rows)
        failed = ChunkFailed(
            attempt=self.state.attempt,
            first_offset=item.first_offset,
            next_offset=batch.next_offset,
            first_ordinal=item.first_ordinal,
            read=read,
            error=type(error.__cause__ or error).__name__,
            message=str(error),
            tries=tries,
            digest=batch.digest,
        )
        following = self._following(item, batch.next_offset, read, batch.end)
        added = 0 if item.count is not None else 1
        following, moves = self._moves(
            following, read, self.tally.counts, self.tally.totals, self.tally.failed_chunks + added
        )
        proof = Recorded(item.chunk.stream, item.version + 2, failed)
        tail = [proof, *self._claim(following), *self._of_run(moves)]
        return Closing(seal(tail), proof, following, moves, failed_chunks=added)

    def run_failed(self, error: str, message: str) -> Closing:
        """How the attempt ends by a fault, without the chunk it was at.

        A job may say that what the run has posted is taken back then: the request for that comes
        with the fault.
        """
        moves = runs.fail(self.state, error, message)
        failed = self.state
        for move in moves:
            failed = runs.evolve(failed, move)
        if self.job.on_failure != "reverse":
            return self._run_alone(moves)
        from .on_failure import standing_rule  # brings all of planning along

        rule = retrying.store_call(
            lambda: standing_rule(
                self.journal, self.job, self.set.run, failed, message, self.set.reversals
            )
        )
        if rule is None:
            return self._run_alone(moves)
        return self._run_alone((*moves, *rule.run_events), rule.events)

    def stopped(self, why: str) -> Closing:
        """How the attempt ends before the input does, without the chunk it was at."""
        return self._run_alone(runs.stop(self.state, why))

    def _run_alone(self, moves: tuple[Event, ...], more: tuple[Recorded, ...] = ()) -> Closing:
        recorded = [*self._of_run(moves), *more]
        return Closing(seal(recorded), recorded[0], run_events=moves)

    def _fault(
        self, prepared: Extent, counts: Counts, redone: int, *, at_end: bool
    ) -> tuple[str, str] | None:
        breach = self.tally.breach(self.job, counts, at_end=at_end)
        if breach is not None:
            return ("tolerance-exceeded", breach)
        if at_end and not self.tally.failed_chunks + redone:
            mismatch = self.tally.mismatch(self.job, prepared.controls, self.set.parameters)
            if mismatch is not None:
                return ("control-mismatch", mismatch)
        return None

    def _following(self, item: Item, offset: Any, read: int, end: bool) -> Item | None:
        """The chunk after this one: the next that failed, or the next of the input."""
        if self._queue:
            return self._queue[0]
        if end or item.count is not None:
            return None
        number = item.chunk.number + 1
        version = self.set.versions.get(number, 0)
        chunk = ChunkId(item.chunk.run, item.chunk.partition, number)
        return Item(chunk, version, offset, item.first_ordinal + read)

    def _moves(
        self,
        following: Item | None,
        read: int,
        counts: Counts,
        totals: dict[str, int],
        failed_chunks: int,
    ) -> tuple[Item | None, tuple[Event, ...]]:
        """Which chunk is claimed, or how the run moves instead."""
        if following is None:
            if failed_chunks and self.job.on_failure == "reverse":
                return None, ()  # said alone, by finish: what this chunk posts is taken back too
            if failed_chunks:
                return None, runs.fail(self.state, *self._chunks_failed(failed_chunks))
            return None, runs.complete(self.state, counts, totals)
        if self.set.flag:
            return None, runs.stop(self.state, self.set.flag.why)
        if self.remaining is not None and read >= self.remaining:
            return None, runs.stop(self.state, "limit")
        return following, ()

    def _chunks_failed(self, count: int) -> tuple[str, str]:
        chunks = "1 chunk" if count == 1 else f"{count} chunks"
        message = (
            f"{chunks} failed after all retries: see 'storno show {self.set.run} --failed', then "
            "resume the run, which takes them first."
        )
        return "chunks-failed", message

    def finish(self) -> None:
        """Behind the last chunk: end a run that has failed chunks and is to be taken back."""
        if not self.ended:
            fault = self._chunks_failed(self.tally.failed_chunks)
            self.commit(lambda: self.run_failed(*fault))

    def _claim(self, item: Item | None) -> list[Recorded]:
        if item is None:
            return []
        claim = item.claim(self.state.attempt, self.set.worker, self.job.lease_seconds)
        return [Recorded(item.chunk.stream, item.version + 1, claim)]

    def _of_run(self, moves: tuple[Event, ...]) -> list[Recorded]:
        return [
            Recorded(self.set.run.stream, self.state.version + step, event)
            for step, event in enumerate(moves, 1)
        ]

    def expect(self, closing: Closing) -> dict[str, int]:
        """What the commit stands on: periods as they were read, and the run as we know it.

        The run is not stopped then, and not taken over.
        """
        run = {} if closing.run_events else {self.set.run.stream: self.state.version}
        return {**run, **closing.periods}

    def settle(self, closing: Closing, append: Callable[[], None]) -> Closing | None:
        """The commit that is in the store; where there is none, it must be decided anew.

        It is this one, or one sent before that was thought to be lost: a broken connection does
        not tell, and the server may still be at it when the next one is sent.

        Args:
            append: appends it, or waits for that.

        Raises:
            FencedError: another worker has the run.
        """
        found: Closing | None = closing
        try:
            append()
        except (StoreUnavailableError, StreamConflictError, ExpectationFailedError) as error:
            if isinstance(error, StoreUnavailableError):
                self._in_doubt.append(closing)
            found = retrying.store_call(self._acknowledged)
            if found is None and isinstance(error, StreamConflictError):
                self.conflicted()
            if isinstance(error, ExpectationFailedError) and error.stream.startswith(PERIODS):
                self.set.preparer.follow(retrying.store_call(self.journal.calendar))
        if found is not None:
            self._in_doubt.clear()
            self._account(found)
        return found

    def conflicted(self) -> None:  # noqa: B027 - only the fast way has to know
        """Some key was not new after all."""

    def commit(
        self, build: Callable[[], Closing], connection: sa.Connection | None = None
    ) -> Closing:
        """Build a commit and append it, again and again until it is in the store."""
        for _ in range(COMMIT_TRIES):
            closing = build()
            sealed, expect = closing.sealed, self.expect(closing)
            if found := self.settle(
                closing,
                lambda: self.journal.append(sealed, expect, connection),  # noqa: B023
            ):
                return found
        raise StreamConflictError(
            f"run {self.set.run}: the commit met other writers {COMMIT_TRIES} times: see who else "
            "works on the same keys, then resume the run."
        )

    def _acknowledged(self) -> Closing | None:
        """The commit that the store holds although it said nothing; else see what happened.

        The run is read first: what is at its end by a commit of ours is found after that.
        """
        state = self.journal.run(self.set.run)
        for closing in self._in_doubt:
            if self.journal.holds(closing.sealed):
                return closing
        self._take_up(state)
        return None

    def _take_up(self, state: RunState) -> None:
        """What others did to the run meanwhile; a stop that was asked for is ours to do."""
        if state.attempt != self.state.attempt:
            self._fenced(f"was taken over by attempt {state.attempt} on {state.holder}")
        if state.status is not Status.RUNNING:
            self._fenced(f"was ended by somebody else, it is {state.status}")
        if state.stop_requested is not None:
            self.set.flag.set(f"requested: {state.stop_requested.reason}")
        self.state = state

    def _fenced(self, why: str) -> NoReturn:
        raise FencedError(
            f"run {self.set.run} {why}: this worker's chunk was refused whole, nothing of it is "
            "written."
        )

    def _account(self, closing: Closing) -> None:
        """The commit is there: move on."""
        for event in closing.run_events:
            if not isinstance(event, RunReversing):
                self.last = event
            self.state = runs.evolve(self.state, event)
        if self.remaining is not None:
            self.remaining -= closing.counts.read
        if closing.following is not None and self._queue:
            self._queue.pop(0)
        self.tally.failed_chunks += closing.failed_chunks
        self.tally.add(closing.counts, closing.totals, closing.controls)
        self.set.observer.committed(self.tally.counts, closing.position)


def periods_of(prepared: Extent, decided: Decided) -> dict[str, int]:
    """The streams, and their versions, of the periods that a chunk posts into.

    Taken from the calendar that it was prepared by: where that is not the store's any more, the
    commit is refused, and the chunk decided anew.
    """
    calendar = prepared.rules.calendar
    return {} if calendar is None else calendar.expectations(decided.months)
