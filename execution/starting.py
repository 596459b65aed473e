"""Starting a run: what its stream says, what there is to work on, and who does it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..domain import run as runs
from ..domain.chunk import ChunkState
from ..domain.entry import Chart
from ..domain.errors import (
    ConflictError,
    InputChangedError,
    SourceError,
    StreamConflictError,
)
from ..domain.events import Actor, Event, RunFailed, RunStopped
from ..domain.ids import RunId
from ..domain.policy import ReversalPolicy
from ..domain.run import RunState, Start, Status
from ..projections.changes import Recorded
from .ahead import Ahead
from .attempt import Attempt, Setting
from .careful import Careful
from .chosen import Chosen
from .committer import Committer
from .dry_run import try_out
from .holding import Hold, refuse_if_held, refuse_if_tried
from .identity import this_worker
from .job import Job, Parameters
from .journal import Journal
from .plan import PARTITION, Item, plan
from .preparation import Feed, Preparer
from .results import Observer, RunOptions, RunResult
from .sealing import seal
from .signals import StopFlag
from .sources.base import Source
from .tally import Tally
from .wiring import parts, posting_rules

START_TRIES = 10


class StartedMeanwhileError(ConflictError):
    """Between reading the run and starting its attempt, somebody appended to its streams."""


class Starting(Struct, frozen=True):
    """A run about to be started."""

    journal: Journal
    job: Job
    parameters: Parameters
    run: RunId
    source: Source
    actor: Actor
    options: RunOptions
    observer: Observer
    chart: Chart
    reversals: ReversalPolicy

    def go(self, flag: StopFlag) -> RunResult:
        """Start, work, and tell how it ended."""
        began = time.monotonic()
        for _ in range(START_TRIES):
            try:
                return self._try(flag, began)
            except StartedMeanwhileError:
                continue  # look again: it is held now, or what the dead had sent off has landed
        raise ConflictError(
            f"run {self.run} keeps being started by other processes: see "
            f"'storno status {self.run}'."
        )

    def _try(self, flag: StopFlag, began: float) -> RunResult:
        state = self.journal.run(self.run)
        if state.status is Status.RUNNING and not self.options.dry_run:
            refuse_if_held(self.journal, self.run, state)
        if not self.options.dry_run:
            refuse_if_tried(self.journal, self.run)
        chunks = self.journal.chunks(self.run, PARTITION)
        feed = Feed(self.source)
        try:
            moves = runs.start(state, self._intent(state, max(chunks, default=-1) + 1, feed))
            if not moves:
                return self._nothing_to_do(state, chunks, began)
            setting = self._setting(state, moves, chunks, feed, flag)
            self._refuse_changed_input(setting, feed)
            return self._work(setting, state, moves, began)
        finally:
            feed.close()

    def _work(
        self, setting: Setting, before: RunState, moves: tuple[Event, ...], began: float
    ) -> RunResult:
        try:
            if self.options.dry_run:
                with setting.preparer.watchdog.watching():
                    tried = try_out(setting)
                result = self._result(setting.state, "dry-run", tried.tally, began, setting.flag)
                return replace(result, failures=tried.failures)
            return self._hold_and_work(setting, before, moves, began)
        finally:
            setting.preparer.isolated.close()

    def _hold_and_work(
        self, setting: Setting, before: RunState, moves: tuple[Event, ...], began: float
    ) -> RunResult:
        attempt_number = setting.state.attempt
        hold = Hold(self.journal, self.run, attempt_number, setting.worker, self.job.lease_seconds)
        with hold, Committer(self.journal) as committer:
            self._append_start(setting, before, moves)
            setting.counts = self.journal.counts(self.run)
            hold.begin()
            self.observer.started(
                self.run,
                attempt_number,
                before.attempt > 0,
                setting.size,
                setting.position,
            )
            if self.options.keys:
                attempt: Attempt = Chosen(setting, self.options.keys)
            elif self.job.looks_ahead:
                attempt = Ahead(setting, committer)
            else:
                attempt = Careful(setting)
            with setting.preparer.watchdog.watching():
                attempt.work()
        status = attempt.state.status
        if status is Status.REVERSING and attempt.state.reversal is not None:
            self._take_back(attempt.state.reversal, setting.flag)
            status = self.journal.run(self.run).status
        ended = (attempt.state, status, attempt.tally, began, setting.flag, attempt.last)
        return self._result(*ended, not_found=attempt.not_found)

    def _take_back(self, reversal: str, flag: StopFlag) -> None:
        """What the job says becomes of the postings of a run that fails."""
        from .on_failure import system_actor
        from .reversing import Execution  # with all that takes back: few runs need it

        execution = Execution(self.journal, reversal, system_actor(), self.job, self.observer, flag)
        execution.go()

    def _append_start(self, setting: Setting, before: RunState, moves: tuple[Event, ...]) -> None:
        """The attempt's first event, and the claim of its first chunk with it."""
        events = [
            Recorded(self.run.stream, before.version + n, move) for n, move in enumerate(moves, 1)
        ]
        if not self.options.keys:
            item = setting.first
            claim = item.claim(setting.state.attempt, setting.worker, self.job.lease_seconds)
            events.append(Recorded(item.chunk.stream, item.version + 1, claim))
        try:
            self.journal.append_once(seal(events))
        except StreamConflictError as error:
            raise StartedMeanwhileError(str(error)) from None

    def _intent(self, state: RunState, next_chunk: int, feed: Feed) -> Start:
        return Start(
            identity=self.job.identity,
            parameters=self.job.stored_parameters(self.parameters),
            source=self._source_description(feed) if state.status is Status.NEW else {},
            code=self.job.code,
            worker=this_worker(),
            actor=self.actor,
            book=self.job.book,
            again=self.options.again,
            reason=self.options.reason,
            next_chunk=next_chunk,
            start_limit=self.job.start_limit,
        )

    def _source_description(self, feed: Feed) -> dict[str, Any]:
        """What is about to be read; a source that cannot be read fails the run when it is read."""
        description: dict[str, Any] = {"strength": self.source.strength}
        try:
            reader = feed.open({})
            return description | self.source.describe() | {"size": reader.size, "unit": reader.unit}
        except (SourceError, OSError) as error:
            return description | {"unreadable": str(error)}

    def _setting(
        self,
        before: RunState,
        moves: tuple[Event, ...],
        chunks: Mapping[int, ChunkState],
        feed: Feed,
        flag: StopFlag,
    ) -> Setting:
        state = before
        for move in moves:
            state = runs.evolve(state, move)
        todo = plan(self.run, PARTITION, chunks, pass_from=state.pass_from, orderly=before.orderly)
        started = state.started
        return Setting(
            journal=self.journal,
            job=self.job,
            run=self.run,
            parameters=self.parameters,
            state=state,
            plan=todo,
            versions={number: chunk.version for number, chunk in chunks.items()},
            tail=todo.tail if not todo.redo or _has_records(feed, todo.tail) else None,
            preparer=self._preparer(feed, state.attempt, flag),
            observer=self.observer,
            flag=flag,
            worker=str(this_worker()),
            reversals=self.reversals.overridden_by(self.job.reversals),
            limit=self.options.limit,
            size=None if started is None else started.source.get("size"),
            position=max(
                (chunk.position for number, chunk in chunks.items() if number >= state.pass_from),
                default=0,
            ),
        )

    def _refuse_changed_input(self, setting: Setting, feed: Feed) -> None:
        """Compare what was read before with what is there now.

        Raises:
            InputChangedError: with the place where they differ.
        """
        ranges = setting.plan.ranges
        if not ranges or self.source.strength != "strong":
            return
        try:
            difference = feed.open({}).difference(ranges)
        except (SourceError, OSError):
            return  # reading it fails the run, and says why
        if difference is not None:
            raise InputChangedError(
                f"run {self.run} cannot go on, its input changed: {difference.location}: "
                f"{difference.what}. Put the input back as it was, or abandon the run and start "
                "another with new parameters."
            )

    def _preparer(self, feed: Feed, attempt: int, flag: StopFlag) -> Preparer:
        return Preparer(
            **parts(
                self.journal,
                self.job,
                self.run,
                self.parameters,
                attempt,
                dry_run=self.options.dry_run,
            ),
            rules=posting_rules(self.journal, self.job, self.chart),
            feed=feed,
            partition=PARTITION,
            flag=flag,
        )

    def _nothing_to_do(
        self, state: RunState, chunks: Mapping[int, ChunkState], began: float
    ) -> RunResult:
        done = plan(self.run, PARTITION, chunks, pass_from=state.pass_from, orderly=state.orderly)
        tally = Tally.of(done, self.journal.counts(self.run))
        return self._result(state, state.status, tally, began, StopFlag(), noop=True)

    def _result(
        self,
        state: RunState,
        status: str,
        tally: Tally,
        began: float,
        flag: StopFlag,
        last: Event | None = None,
        *,
        noop: bool = False,
        not_found: tuple[str, ...] = (),
    ) -> RunResult:
        failed = last if isinstance(last, RunFailed) else None
        stopped = last if isinstance(last, RunStopped) else None
        return RunResult(
            run=self.run,
            state=str(status),
            attempt=state.attempt,
            counts=tally.counts,
            seconds=time.monotonic() - began,
            error=failed.error if failed else None,
            message=failed.message if failed else stopped.why if stopped else None,
            noop=noop,
            totals=tally.totals,
            interrupted=flag.by_signal and stopped is not None,
            not_found=not_found,
        )


def _has_records(feed: Feed, tail: Item) -> bool:
    """Whether anything follows what was read; where that cannot be said, it is read to see."""
    try:
        return bool(feed.open(tail.first_offset).read(1).rows)
    except Exception:  # noqa: BLE001 - reading it fails the run, and says why
        return True
