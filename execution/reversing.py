"""Executing a reversal: chunk by chunk, the newest first, resumable, fenced and idempotent.

What takes a posting back is appended behind it in its record's stream, so it happens once, whoever
else tries. Every commit expects the reversal's stream where this attempt left it: whoever takes the
reversal over appends to that.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct

from ..compensations.entries import Dates
from ..compensations.scope import Scope
from ..domain import reversal as reversals
from ..domain import run as runs
from ..domain.dead_letter import of_reversal
from ..domain.errors import (
    ConflictError,
    ExpectationFailedError,
    StoreError,
    StoreUnavailableError,
    StornoError,
    StreamConflictError,
)
from ..domain.events import (
    Actor,
    ChunkCompleted,
    ChunkStarted,
    Counts,
    Event,
    RecordReversed,
)
from ..domain.ids import ChunkId, ReversalId, RunId
from ..domain.period import Calendar
from ..domain.reversal import (
    ReversalCompleted,
    ReversalFailed,
    ReversalState,
    ReversalStatus,
    ReversalStopped,
)
from ..projections import ledger
from ..projections.changes import Recorded
from ..projections.dead_letters import REVERSED
from . import retrying
from .attempt import COMMIT_TRIES
from .committer import Committer
from .flights import Flights
from .holding import Hold, refuse_if_held
from .identity import resolve_actor, this_worker
from .job import Job
from .journal import Journal, Store
from .planning import refuse_changed_plan, undoes
from .postings import BATCH, Posting, Postings
from .results import FencedError, Observer, Silent
from .reversals import existing, request_of
from .sealing import Bulk, Sealed, seal
from .signals import StopFlag, stopping
from .taking_back import TakingBack
from .undoing import Failure, Undoer

LEASE_SECONDS = 60.0
"""Where the job, which says otherwise, is not to be had."""


class ReversalResult(Struct, frozen=True):
    """How an attempt at a reversal ended.

    Attributes:
        state: the reversal's.
        reversed: how many postings it has taken back, over all attempts.
        failed: how many are set aside and wait for a person.
        noop: whether there was nothing to do.
        interrupted: whether a signal stopped it.
    """

    reversal: str
    run: RunId
    state: str
    reversed: int
    failed: int
    seconds: float
    noop: bool = False
    interrupted: bool = False


def execute_reversal(
    store: Store,
    name: str,
    actor: Actor | str | None = None,
    *,
    job: Job | None = None,
    observer: Observer | None = None,
) -> ReversalResult:
    """Take back what was requested: begin, go on, or take over from the dead.

    Args:
        job: the run's; needed where its records had effects.
        observer: told about progress.

    Raises:
        NotFoundError: there is no such reversal.
        NotAllowedError: it was rejected, or others have to approve it first.
        PlanChangedError: what it would do is not what was requested; nothing was done.
        ConflictError: somebody works on it, or on its run.
        FencedError: somebody took it over meanwhile.
        StoreError: the store failed; it can be executed again once that works.
    """
    flag = StopFlag()
    with stopping(flag):
        who = resolve_actor(actor)
        return Execution(Journal(store), name, who, job, observer or Silent(), flag).go()


class _Chunk(NamedTuple):
    """A chunk's commit.

    Attributes:
        batch: what it is about.
        counts: ``succeeded`` were taken back, ``failed`` set aside.
        standing: how many of the batch stay in force.
    """

    batch: Sequence[Posting]
    stream: str
    sealed: Sealed
    counts: Counts
    standing: int


class Execution:
    """One attempt."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        actor: Actor,
        job: Job | None,
        observer: Observer,
        flag: StopFlag,
    ) -> None:
        self.journal = journal
        self.name = name
        self.actor = actor
        self.job = job
        self.observer = observer
        self.flag = flag
        self.lease_seconds = LEASE_SECONDS if job is None else job.lease_seconds
        self.reversed = 0
        self.failed = 0
        self.standing = 0
        self.number = 0

    def go(self) -> ReversalResult:
        """Begin or go on, and tell how it ended."""
        began = time.monotonic()
        state = existing(self.journal, self.name)
        reversal = ReversalId(self.name)
        if state.status is ReversalStatus.RUNNING:
            refuse_if_held(self.journal, reversal, state)
        worker = this_worker()
        moves = reversals.start(self.name, state, worker, self.actor)
        self.request = request_of(state)
        self.run = RunId.parse(self.request.run)
        assert state.requested is not None, "what was not requested is not found"
        self.requested = state.requested
        if moves:
            if not state.attempt:
                refuse_changed_plan(self.journal, self.name, self.request, self.requested, self.job)
            attempt = state.attempt + 1
            with Hold(self.journal, reversal, attempt, str(worker), self.lease_seconds) as hold:
                state = self._begin(state, moves)
                hold.begin()
                state = self._work_or_fail(state)
        else:
            self._count_on()
        return ReversalResult(
            reversal=self.name,
            run=self.run,
            state=str(state.status),
            reversed=self.reversed,
            failed=self.failed,
            seconds=time.monotonic() - began,
            noop=not moves,
            interrupted=self.flag.by_signal and state.status is ReversalStatus.STOPPED,
        )

    def _begin(self, state: ReversalState, moves: tuple[Event, ...]) -> ReversalState:
        """Write down that the attempt begins, and keep the run from going on meanwhile."""
        run = self.journal.run(self.run)
        try:
            run_moves = runs.begin_reversal(run, self.name)
        except ConflictError as error:
            raise ConflictError(f"run {self.run}: {error}") from None
        stream = ReversalId(self.name).stream
        events = [
            *(Recorded(stream, state.version + n, move) for n, move in enumerate(moves, 1)),
            *(Recorded(self.run.stream, run.version + n, e) for n, e in enumerate(run_moves, 1)),
        ]
        try:
            self.journal.append_once(seal(events))
        except StreamConflictError:
            raise ConflictError(
                f"somebody else has begun with reversal {self.name}, or with run {self.run}: see "
                f"'storno reverse show {self.name}'."
            ) from None
        for move in moves:
            state = reversals.evolve(state, move)
        return state

    def _work_or_fail(self, state: ReversalState) -> ReversalState:
        """Work, and write down what keeps it from going on."""
        try:
            return self._work(state)
        except (FencedError, StoreError):
            raise  # another worker writes down how it goes on; or nobody can
        except StornoError as error:
            code, attempt = type(error).__name__, state.attempt
            failed = ReversalFailed(attempt=attempt, error=code, message=str(error))
            with suppress(StornoError):
                event = Recorded(ReversalId(self.name).stream, state.version + 1, failed)
                self.journal.append_once(seal([event]))
            raise

    def _work(self, state: ReversalState) -> ReversalState:
        self.state = state
        retrying.store_call(self._count_on)
        started = self.observer.started
        started(self.run, state.attempt, state.attempt > 1, self.requested.records, self.reversed)
        postings = Postings(self.journal, self.run, self.request.scope, self.requested.as_of)
        with Committer(self.journal) as committer, self._undoer() as undoer:
            self.taking = TakingBack(
                self.name,
                state.attempt,
                self.request,
                self.requested,
                Dates(self._calendar(self.requested.as_of), self.request.date),
                postings,
                undoer,
                self._calendar(),
            )
            flights: Flights[_Chunk] = Flights(committer, self._settle)
            for batch in postings.batches(self._batch_size):
                if self.flag:
                    break
                bulk = self._in_haste(batch, flights)
                if bulk is None:
                    self._with_care(batch)
                    continue
                counts = Counts(read=len(batch), succeeded=len(batch))
                chunk = self._chunk(batch, counts, bulk=bulk)
                before = [each.stream for each in flights]
                flights.send(chunk, chunk.sealed, self._expect(chunk, before))
            flights.land()
        return self._end()

    def _in_haste(self, batch: Sequence[Posting], flights: Flights[_Chunk]) -> Bulk | None:
        """What takes a batch back, with room to send it; None, and nothing under way, for care.

        Where a commit that lands meanwhile was refused, and decided by another calendar or as
        another chunk, this is made once more: its commit names the calendar it was made by.
        """
        while True:
            calendar, number = self.taking.calendar, self.number
            bulk = self.taking.in_haste(batch, self._chunk_id.label)
            flights.land(at_most=0 if bulk is None else flights.room)
            if self.taking.calendar is calendar and self.number == number:
                return bulk

    def _calendar(self, as_of: int | None = None) -> Calendar:
        return retrying.store_call(lambda: self.journal.calendar(as_of))

    @property
    def _batch_size(self) -> int:
        """Where handlers are called, no more than the job's chunks have is done twice."""
        if self.job is None or not undoes(self.job):
            return BATCH
        return min(BATCH, self.job.chunk_size)

    def _undoer(self) -> AbstractContextManager[Undoer]:
        return Undoer.of(
            self.job, self.run, self.journal, self.state.attempt, self.flag, self.observer
        )

    def _count_on(self) -> None:
        """Where earlier attempts left off."""
        chunks = self.journal.chunks(self.run, REVERSED + self.name)
        self.number = max(chunks, default=-1) + 1
        self.reversed = sum(
            chunk.outcome.counts.succeeded
            for chunk in chunks.values()
            if isinstance(chunk.outcome, ChunkCompleted)
        )

    def _with_care(self, batch: Sequence[Posting]) -> None:
        """Decide on a batch by what its records' streams hold, until its commit is in the store."""
        done: dict[str, msgspec.Raw | Failure] = {}
        for _ in range(COMMIT_TRIES):
            decided = self.taking.with_care(batch, self._chunk_id.label, done)
            if not decided.events:
                self.standing += decided.standing
                return
            reversed_now = sum(isinstance(each.event, RecordReversed) for each in decided.events)
            set_aside = len(decided.events) - reversed_now
            counts = Counts(read=len(decided.events), succeeded=reversed_now, failed=set_aside)
            chunk = self._chunk(batch, counts, decided.events, standing=decided.standing)
            error = self._append(chunk)
            if error is None or self._is_in(chunk, error):
                self._account(chunk)
                return
        raise ConflictError(
            f"reversal {self.name} met other writers {COMMIT_TRIES} times: see who else works on "
            "the same records, then execute it again."
        )

    def _append(self, chunk: _Chunk) -> StornoError | None:
        try:
            self.journal.append(chunk.sealed, self._expect(chunk, []))
        except (StoreUnavailableError, StreamConflictError, ExpectationFailedError) as error:
            return error
        return None

    @property
    def _chunk_id(self) -> ChunkId:
        return ChunkId(self.run, REVERSED + self.name, self.number)

    def _chunk(
        self,
        batch: Sequence[Posting],
        counts: Counts,
        events: Sequence[Recorded] = (),
        *,
        bulk: Bulk | None = None,
        standing: int = 0,
    ) -> _Chunk:
        chunk, attempt = self._chunk_id, self.state.attempt
        ordinal = batch[0].event.ordinal
        started = ChunkStarted(
            attempt=attempt,
            worker=str(this_worker()),
            lease_seconds=self.lease_seconds,
            first_offset={},
            first_ordinal=ordinal,
        )
        completed = ChunkCompleted(
            attempt=attempt, first_offset={}, next_offset={}, first_ordinal=ordinal, counts=counts
        )
        tail = [Recorded(chunk.stream, 1, started), Recorded(chunk.stream, 2, completed)]
        self.number += 1
        return _Chunk(batch, chunk.stream, seal([*events, *tail], bulk), counts, standing)

    def _expect(self, chunk: _Chunk, under_way: Sequence[str]) -> dict[str, int]:
        """The reversal is ours, the periods stand as we know them, what is before it is in."""
        expect = {ReversalId(self.name).stream: self.state.version}
        months = ledger.months(chunk.sealed.changes.movements)
        expect |= self.taking.calendar.expectations(months)
        if under_way:
            expect[under_way[-1]] = 2
        return expect

    def _settle(self, chunk: _Chunk, error: StornoError | None) -> bool:
        if error is None or self._is_in(chunk, error):
            self._account(chunk)
        else:
            self._with_care(chunk.batch)
        return True

    def _is_in(self, chunk: _Chunk, error: StornoError) -> bool:
        """Whether the store has a commit that was refused, or not answered; see what happened.

        Raises:
            FencedError: somebody took the reversal over.
        """
        state = retrying.store_call(lambda: self.journal.reversal(self.name))
        if isinstance(error, StoreUnavailableError):
            held = retrying.store_call(lambda: self.journal.holds(chunk.sealed))
            if held:
                return True
        if state.attempt != self.state.attempt or state.status is not ReversalStatus.RUNNING:
            raise FencedError(
                f"reversal {self.name} was taken over, it is {state.status}: this worker's chunk "
                "was refused whole, nothing of it is written."
            )
        self.taking.follow(self._calendar())
        retrying.store_call(self._count_on)
        return False

    def _account(self, chunk: _Chunk) -> None:
        self.reversed += chunk.counts.succeeded
        self.failed += chunk.counts.failed
        self.standing += chunk.standing
        self.observer.committed(
            Counts(read=self.reversed + self.failed, succeeded=self.reversed, failed=self.failed),
            self.reversed + self.failed,
        )

    def _end(self) -> ReversalState:
        """Write down how it ended, for the reversal and for its run."""
        attempt = self.state.attempt
        # What the store has counts: an answer may have been lost, and a person may have settled
        # something, or posted anew what was set aside.
        retrying.store_call(self._count_on)
        self.failed = retrying.store_call(lambda: self.journal.waiting(of_reversal(self.name)))
        event: Event
        if self.flag:
            event = ReversalStopped(attempt=attempt, why=self.flag.why, failed=self.failed)
        elif self.failed:
            event = ReversalStopped(attempt=attempt, why="set-aside", failed=self.failed)
        else:
            event = ReversalCompleted(attempt=attempt, reversed=self.reversed)
        events = [Recorded(ReversalId(self.name).stream, self.state.version + 1, event)]
        if not self.flag:
            run = retrying.store_call(lambda: self.journal.run(self.run))
            standing = retrying.store_call(self._still_standing)
            moves = runs.end_reversal(run, self.name, self.reversed, standing)
            events += [
                Recorded(self.run.stream, run.version + n, move) for n, move in enumerate(moves, 1)
            ]
        try:
            self.journal.append_once(seal(events))
        except StreamConflictError:
            raise FencedError(f"reversal {self.name} was taken over by another process.") from None
        return reversals.evolve(self.state, event)

    def _still_standing(self) -> int:
        """How many of the run's postings are in force, whatever the reversal was about.

        Where it was about all of them, only those are looked at that were made since.
        """
        whole = self.request.scope.is_whole
        after = self.requested.as_of if whole else 0
        postings = Postings(self.journal, self.run, Scope(), after=after, in_haste=True)
        count = self.standing if whole else 0
        for batch in postings.batches():
            untouched, changed = postings.look(batch)
            count += len(untouched) + sum(each.state.posting is not None for each in changed)
        return count
