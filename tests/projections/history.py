"""Histories of runs, of what people do about dead letters, and of reversals and periods."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from storno.domain.access import AccessRefused
from storno.domain.entry import PostedEntry
from storno.domain.events import (
    ChunkCompleted,
    ChunkStarted,
    Counts,
    Event,
    RecordCorrected,
    RecordDiscarded,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
    RunReversed,
    RunReversing,
)
from storno.domain.ids import ChunkId, record_stream
from storno.domain.period import PeriodClosed, PeriodReopened
from storno.domain.reversal import (
    ReversalApproved,
    ReversalCompleted,
    ReversalFailed,
    ReversalRejected,
    ReversalRequested,
    ReversalStarted,
    ReversalStopped,
)

from .run_history import (
    ACTOR,
    CONFLICT,
    JOB,
    WORKER,
    InputRun,
    Outcome,
    RunHistory,
)
from .taking import Taking, net_of, reversed_line

APPROVER = msgspec.structs.replace(ACTOR, name='b"en, {}')
MENDED = msgspec.Raw(b'{"amount":"2.00"}')


class History(RunHistory):
    """Runs, and what takes their postings back; what is impossible is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.reversals: list[Taking] = []
        self._retries = 0

    # Dead letters.

    def retry(self, name: str, outcomes: list[Outcome], *, correct: bool = False) -> None:
        """Try dead letters again, as they are or mended; a posting stays in conflict."""
        run = self._run(name)
        chosen = [ordinal for ordinal in sorted(run.letters) if ordinal in run.counted]
        pairs = [pair for pair in zip(chosen, outcomes, strict=False) if pair[1] != "skipped"]
        if run.state in ("new", "running", "reversing") or not pairs:
            return
        self._retries += 1
        chunk = ChunkId(run.run, f"retry-{self._retries}", 0)
        claim = ChunkStarted(
            attempt=run.attempt,
            worker=str(WORKER),
            lease_seconds=60.0,
            first_offset={},
            first_ordinal=0,
        )
        self._commit((chunk.stream, claim))
        events: list[tuple[str, Event]] = []
        tally = {"succeeded": 0, "failed": 0}
        for ordinal, outcome in pairs:
            state, made = self._tried(run, chunk, ordinal, outcome, correct)
            events += made
            tally[state] += 1
            self._now(run, ordinal, state)
            if state == "succeeded":
                run.counted.discard(ordinal)
        completed = ChunkCompleted(
            attempt=run.attempt,
            first_offset={},
            next_offset={},
            first_ordinal=0,
            counts=Counts(read=len(pairs), **tally),
        )
        self._commit(*events, (chunk.stream, completed))

    def edit(self, name: str, outcomes: list[Outcome]) -> None:
        """Mend dead letters and try them in the same commit."""
        self.retry(name, outcomes, correct=True)

    def discard(self, name: str, places: list[int]) -> None:
        """Give dead letters up."""
        run = self._run(name)
        if run.state in ("new", "running", "reversing"):
            return
        letters = sorted(run.letters)
        for ordinal in {letters[place % len(letters)] for place in places} if letters else ():
            stream, version, label = run.letters[ordinal]
            if ordinal not in run.counted and not label.startswith("keys-"):
                continue
            event = RecordDiscarded(
                **_place(run, label, ordinal), failed_version=version, actor=ACTOR, reason='"no"'
            )
            self._commit((stream, event))
            self._now(run, ordinal, "discarded")
            if not label.startswith("keys-"):
                run.counted.remove(ordinal)
                run.discarded += 1

    def _tried(
        self, run: InputRun, chunk: ChunkId, ordinal: int, outcome: Outcome, correct: bool
    ) -> tuple[str, list[tuple[str, Event]]]:
        stream, version, _ = run.letters[ordinal]
        posts = record_stream(JOB, f"{run.run.name}-{ordinal:04d}")
        if ordinal in run.posted:
            outcome = CONFLICT
        elif stream != posts and not correct:
            outcome = "no key"
        outcome = self._with_periods(outcome)
        if not correct:
            made, event = self._record(run, chunk, "main", ordinal, outcome)
            return _state(event), [(made, event)]
        made, event = self._record(run, chunk, "main", ordinal, outcome, behind=stream)
        moved_to = None
        if isinstance(event, RecordSucceeded) and made != stream:
            moved_to = made
            event = msgspec.structs.replace(event, moved_from=stream)
        corrected = _corrected(run, chunk, ordinal, version, moved_to)
        return _state(event), [(stream, corrected), (made, event)]

    # Reversals.

    def request(self, name: str, size: int, approvals: int, red: bool) -> None:
        """Ask for the newest postings of a run to be taken back."""
        run = self._run(name)
        if run.state in ("new", "running", "reversing") or not run.posted:
            return
        if self._taking(name) is not None:
            return
        targets = sorted(run.posted, reverse=True)[:size]
        taking = Taking(f"r-{len(self.reversals)}", run, red, targets, approvals)
        taking.todo = list(targets)
        if not approvals:
            taking.state = "approved"
        self.reversals.append(taking)
        event = ReversalRequested(
            job=JOB,
            run=run.run.name,
            scope={"records": [f"{name}-{ordinal}" for ordinal in targets]},
            form="red" if red else "black",
            date=None,
            code="wrong-period",
            text='a "quoted" \\ {text}, NUL \0',
            digest="77de",
            as_of=1,
            records=len(targets),
            blocked=0,
            net=net_of(run, targets, red),
            approvals=approvals,
            actor=ACTOR,
        )
        self._commit((taking.stream, event))

    def reverse(self, name: str, size: int, approvals: int, red: bool) -> None:
        """Request it, and begin where nobody has to agree."""
        self.request(name, size, approvals, red)
        if not approvals:
            self.execute(name)

    def take_all_back(self, name: str) -> None:
        """What is under way goes to its end."""
        while (taking := self._taking(name)) is not None and taking.state == "requested":
            self.approve(name)
        self.execute(name)
        self.reverse_chunk(name, [True] * 99)
        self.end_reversal(name, "completed")

    def approve(self, name: str) -> None:
        taking = self._taking(name)
        if taking is None or taking.state != "requested":
            return
        taking.approved += 1
        final = taking.approved == taking.approvals
        if final:
            taking.state = "approved"
        person = msgspec.structs.replace(APPROVER, name=f"{APPROVER.name}{taking.approved}")
        self._commit((taking.stream, ReversalApproved(actor=person, digest="77de", final=final)))

    def reject(self, name: str) -> None:
        taking = self._taking(name)
        if taking is not None and taking.state in ("requested", "approved"):
            taking.state = "rejected"
            self._commit((taking.stream, ReversalRejected(actor=APPROVER, reason="wrong rows")))

    def execute(self, name: str) -> None:
        """Begin an attempt at the reversal, be it a takeover."""
        taking = self._taking(name)
        if taking is None or taking.state == "requested" or taking.run.state == "running":
            return
        why = {"approved": "start", "running": "takeover"}.get(taking.state, "resume")
        taking.attempt += 1
        taking.pending = list(taking.todo)
        started = ReversalStarted(attempt=taking.attempt, worker=WORKER, actor=ACTOR, why=why)
        events: list[tuple[str, Event]] = [(taking.stream, started)]
        if taking.attempt == 1:
            taking.run.state = "reversing"
            events.append((taking.run.run.stream, RunReversing(reversal=taking.id)))
        taking.state = "running"
        self._commit(*events, *self._claim_reversal(taking))

    def reverse_chunk(self, name: str, fates: list[bool]) -> None:
        """Take the next postings back; those whose fate is False are set aside."""
        taking = self._taking(name)
        if taking is None or taking.state != "running" or not taking.pending:
            return
        chunk = self._chunk_of(taking)
        chosen, taking.pending = taking.pending[: len(fates)], taking.pending[len(fates) :]
        events: list[tuple[str, Event]] = []
        for ordinal, goes in zip(chosen, fates, strict=False):
            events.append(self._taken_back(taking, chunk, ordinal, goes))
        done = sum(fates[: len(chosen)])
        taking.reversed += done
        taking.run.taken_back += done
        completed = ChunkCompleted(
            attempt=taking.attempt,
            first_offset={"target": 0},
            next_offset={"target": len(chosen)},
            first_ordinal=0,
            counts=Counts(read=len(chosen), succeeded=done, failed=len(chosen) - done),
        )
        taking.number += 1
        self._commit(*events, (chunk.stream, completed), *self._claim_reversal(taking))

    def end_reversal(self, name: str, how: str) -> None:
        """Stop, fail, or complete it where nothing is left to do."""
        taking = self._taking(name)
        if taking is None or taking.state != "running":
            return
        run = taking.run
        if how == "completed" and not taking.todo:
            taking.state = how
            run.state = "partly-reversed" if run.posted else "reversed"
            over = RunReversed(
                reversal=taking.id, reversed=taking.reversed, standing=len(run.posted)
            )
            event: Event = ReversalCompleted(attempt=taking.attempt, reversed=taking.reversed)
            self._commit((taking.stream, event), (run.run.stream, over))
            return
        taking.state = "failed" if how == "failed" else "stopped"
        if how == "failed":
            event = ReversalFailed(attempt=taking.attempt, error="StoreError", message="disk")
        else:
            event = ReversalStopped(
                attempt=taking.attempt, why="SIGTERM", failed=len(taking.letters)
            )
        self._commit((taking.stream, event))

    def resolve(self, name: str) -> None:
        """A person settles the first that was set aside."""
        taking = self._taking(name)
        if taking is None or not taking.letters:
            return
        ordinal, version = min(taking.letters.items())
        del taking.letters[ordinal]
        taking.todo.remove(ordinal)
        if ordinal in taking.pending:
            taking.pending.remove(ordinal)
        event = RecordReversalResolved(
            **_place(taking.run, self._chunk_of(taking).label, ordinal),
            reversal=taking.id,
            failed_version=version,
            actor=ACTOR,
            reason="in cash",
        )
        self._commit((self._stream(taking.run, ordinal), event))

    # Periods, and what changes no view.

    def close_period(self, month: str, book: str = "main") -> None:
        stream = f"period/{book.replace('%', '%25').replace('/', '%2F')}/{month}"
        if book == "main":
            self.closed.add(month)
        forced = "3 dead letters" if book != "main" else ""
        self._commit((stream, PeriodClosed(actor=ACTOR, digest="1f", reason="end", forced=forced)))

    def reopen_period(self, month: str) -> None:
        if month in self.closed:
            self.closed.remove(month)
            stream = f"period/main/{month}"
            self._commit((stream, PeriodReopened(actor=APPROVER, reason='a "late" one')))

    def refuse(self, name: str) -> None:
        event = AccessRefused(actor=ACTOR, act="reverse approve", needs="approver", about=name)
        self._commit(("access/anna", event))

    def is_taken_back(self, name: str) -> bool:
        """Whether there is a reversal of the run that is not over."""
        return self._taking(name) is not None

    def _taking(self, name: str) -> Taking | None:
        """The run's reversal that is not over."""
        run = self._run(name)
        return next(
            (
                taking
                for taking in self.reversals
                if taking.run is run and taking.state not in ("completed", "rejected")
            ),
            None,
        )

    def _chunk_of(self, taking: Taking) -> ChunkId:
        return ChunkId(taking.run.run, f"reversal-{taking.id}", taking.number)

    def _claim_reversal(self, taking: Taking) -> list[tuple[str, Event]]:
        if not taking.pending:
            return []
        claim = ChunkStarted(
            attempt=taking.attempt,
            worker=str(WORKER),
            lease_seconds=60.0,
            first_offset={"target": 0},
            first_ordinal=0,
        )
        return [(self._chunk_of(taking).stream, claim)]

    def _stream(self, run: InputRun, ordinal: int) -> str:
        return record_stream(JOB, f"{run.run.name}-{ordinal:04d}")

    def _taken_back(
        self, taking: Taking, chunk: ChunkId, ordinal: int, goes: bool
    ) -> tuple[str, Event]:
        run, stream = taking.run, self._stream(taking.run, ordinal)
        version, posting = run.posted[ordinal]
        place: dict[str, Any] = _place(run, chunk.label, ordinal) | {"attempt": taking.attempt}
        if not goes:
            taking.letters[ordinal] = self._versions.get(stream, 0) + 1
            return stream, RecordReversalFailed(
                **place,
                reversal=taking.id,
                posted_version=version,
                error="TimeoutError",
                message='"late", NUL \0',
                record=MENDED,
                tries=4,
            )
        del run.posted[ordinal]
        taking.todo.remove(ordinal)
        taking.letters.pop(ordinal, None)
        entries = tuple(self._reversing(entry, red=taking.red) for entry in posting.entries)
        return stream, RecordReversed(
            **place, reversal=taking.id, posted_version=version, entries=entries
        )

    def _reversing(self, entry: PostedEntry, *, red: bool) -> PostedEntry:
        posting = entry.posting
        while f"{posting:%Y-%m}" in self.closed:
            posting = (posting.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
        lines = tuple(reversed_line(line, red=red) for line in entry.lines)
        return msgspec.structs.replace(entry, posting=posting, lines=lines)


def _state(event: Event) -> str:
    return "succeeded" if isinstance(event, RecordSucceeded) else "failed"


def _place(run: InputRun, label: str, ordinal: int) -> dict[str, Any]:
    return {
        "run": run.run.name,
        "partition": "main",
        "chunk": label,
        "ordinal": ordinal,
        "attempt": run.attempt,
    }


def _corrected(
    run: InputRun, chunk: ChunkId, ordinal: int, version: int, moved_to: str | None
) -> RecordCorrected:
    return RecordCorrected(
        **_place(run, chunk.label, ordinal),
        failed_version=version,
        payload=MENDED,
        changed=("amount",),
        actor=ACTOR,
        reason="as on paper",
        moved_to=moved_to,
    )
