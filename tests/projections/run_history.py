"""Histories of runs as the chunk loop writes them: commits of events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import msgspec

from storno.domain.entry import PostedEntry, PostedLine
from storno.domain.events import (
    Actor,
    ChunkCompleted,
    ChunkFailed,
    ChunkStarted,
    Counts,
    Event,
    RecordFailed,
    RecordSucceeded,
    RunAbandoned,
    RunCompleted,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    RunStopRequested,
    Worker,
)
from storno.domain.ids import ChunkId, RunId, keyless_stream, record_stream
from storno.projections.changes import Recorded

WORKER = Worker(host="host", boot_id="boot", pid=7, process_started="1")
ACTOR = Actor(name="anna", os_user="anna", host="host")
JOB = "payments"


@dataclass
class Posting:
    """What a successful record posts."""

    account: str
    minor: int
    currency: str
    effective: dt.date

    @classmethod
    def sample(cls) -> Posting:
        return cls("expense:rent", 1250, "EUR", dt.date(2024, 1, 31))


Outcome = Posting | str
"""A posting, ``skipped``, or the message of a failure."""

CONFLICT = "the key was posted with other content"
"""The one failure that a record which is posted can have."""

CLOSED = "the period is closed"
"""What becomes of a posting into a closed month."""


@dataclass
class InputRun:
    """A run as the history knows it.

    Attributes:
        records: the outcome of each by its ordinal.
        posted: the postings in force by ordinal: version and event.
        letters: stream, version and chunk of each open failure.
        counted: the ordinals whose failure is in the run's counts, in the pass under way.
        discarded: how many of the counted were given up, in the pass under way.
        taken_back: how many postings were reversed in the pass under way.
        chose_keys: whether a choice of keys was worked on, which is outside the run's counts.
    """

    run: RunId
    state: str = "new"
    attempt: int = 0
    number: int = 0
    ordinal: int = 0
    pass_from: int = 0
    records: dict[int, str] = field(default_factory=dict)
    posted: dict[int, tuple[int, RecordSucceeded]] = field(default_factory=dict)
    letters: dict[int, tuple[str, int, str]] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)
    discarded: int = 0
    taken_back: int = 0
    abandoned: bool = False
    chose_keys: bool = False
    failed_chunks: list[tuple[int, int, int]] = field(default_factory=list)


class RunHistory:
    """Writes the commits that a chunk loop would write; what is impossible is left out."""

    def __init__(self) -> None:
        self.commits: list[list[Recorded]] = []
        self._versions: dict[str, int] = {}
        self.runs: dict[str, InputRun] = {}
        self.closed: set[str] = set()

    def __repr__(self) -> str:
        return "\n".join(
            f"{number}: " + ", ".join(f"{stream} {event}" for stream, _, event in commit)
            for number, commit in enumerate(self.commits, 1)
        )

    def start(self, name: str, *, takeover: bool = False) -> None:
        run = self._run(name)
        takes_up = run.state in ("new", "stopped", "failed")
        if run.abandoned or not (takes_up or (run.state == "running" and takeover)):
            return
        if run.state == "new":
            event: Event = RunStarted(
                attempt=1,
                identity="identity",
                parameters={"month": name},
                source={"kind": "csv", "size": 1000},
                code="code",
                worker=WORKER,
                actor=ACTOR,
                book="main",
            )
        else:
            why = "takeover" if run.state == "running" else "resume"
            event = self._resumed(run, why)
        self._begin(run, event)

    def again(self, name: str) -> None:
        run = self._run(name)
        if run.abandoned or run.state not in ("completed", "partly-reversed", "reversed"):
            return
        run.pass_from, run.ordinal = run.number, 0
        run.taken_back = run.discarded = 0
        run.failed_chunks.clear()
        run.counted.clear()
        self._begin(run, self._resumed(run, "again", again_from=run.number))

    def complete_chunk(self, name: str, outcomes: list[Outcome]) -> None:
        run = self._run(name)
        if run.state != "running":
            return
        number, first, size = self._next(run, len(outcomes))
        chunk = ChunkId(run.run, "main", number)
        events, counts = self._records(run, chunk, first, outcomes[:size])
        completed = ChunkCompleted(
            attempt=run.attempt,
            first_offset={"byte": first},
            next_offset={"byte": first + size},
            first_ordinal=first,
            counts=counts,
            position=first + size,
        )
        of_chunk = range(first, first + size)
        run.counted |= {ordinal for ordinal in of_chunk if run.records[ordinal] == "failed"}
        self._commit(*events, (chunk.stream, completed), *self._claim(run))

    def fail_chunk(self, name: str, size: int) -> None:
        run = self._run(name)
        if run.state != "running" or run.failed_chunks:
            return
        number, first, _ = self._next(run, size)
        failed = ChunkFailed(
            attempt=run.attempt,
            first_offset={"byte": first},
            next_offset={"byte": first + size},
            first_ordinal=first,
            read=size,
            error="TimeoutError",
            message="the database did not answer",
            tries=4,
        )
        claim = self._claim(run)
        run.failed_chunks.append((number, first, size))
        self._commit((ChunkId(run.run, "main", number).stream, failed), *claim)

    def work_on_keys(self, name: str, outcomes: list[Outcome]) -> None:
        """A few dead letters, chosen by their keys."""
        run = self._run(name)
        dead = [ordinal for ordinal, state in run.records.items() if state == "failed"]
        if run.state != "running" or not dead:
            return
        chunk = ChunkId(run.run, f"keys-{run.attempt}", 0)
        if chunk.stream in self._versions:
            return
        run.chose_keys = True
        events: list[tuple[str, Event]] = []
        counts = Counts()
        for ordinal, outcome in zip(dead, outcomes, strict=False):
            if outcome == "skipped":
                continue
            made, count = self._records(run, chunk, ordinal, [outcome], partition="main")
            events += made
            counts += count
        completed = ChunkCompleted(
            attempt=run.attempt,
            first_offset={},
            next_offset={},
            first_ordinal=0,
            counts=counts,
        )
        self._commit(*events, (chunk.stream, completed))

    def ask_to_stop(self, name: str) -> None:
        run = self._run(name)
        if run.state == "running":
            self._commit((run.run.stream, RunStopRequested(actor=ACTOR, reason="lunch")))

    def end(self, name: str, how: str) -> None:
        run = self._run(name)
        if run.state != "running":
            return
        events: dict[str, Event] = {
            "stopped": RunStopped(attempt=run.attempt, why="signal"),
            "failed": RunFailed(attempt=run.attempt, error="tolerance", message="too many"),
            "completed": RunCompleted(attempt=run.attempt, counts=Counts()),
        }
        if how == "completed" and run.failed_chunks:
            how = "failed"
        run.state = how
        self._commit((run.run.stream, events[how]))

    def abandon(self, name: str) -> None:
        run = self._run(name)
        if run.state in ("stopped", "failed"):
            run.state, run.abandoned = "abandoned", True
            self._commit((run.run.stream, RunAbandoned(actor=ACTOR, reason="wrong month")))

    def complete_full_chunk(self, name: str, outcomes: list[Outcome]) -> None:
        self.complete_chunk(name, outcomes)

    def takeover(self, name: str) -> None:
        self.start(name, takeover=True)

    def state(self, name: str) -> str:
        return self._run(name).state

    def pass_from(self, name: str) -> int:
        """The number of the first chunk of the run's current pass through its input."""
        return self._run(name).pass_from

    def _run(self, name: str) -> InputRun:
        return self.runs.setdefault(name, InputRun(RunId(JOB, name)))

    def _begin(self, run: InputRun, event: Event) -> None:
        run.state = "running"
        run.attempt += 1
        self._commit((run.run.stream, event), *self._claim(run))

    def _resumed(self, run: InputRun, why: str, again_from: int | None = None) -> RunResumed:
        return RunResumed(
            attempt=run.attempt + 1,
            code="code",
            worker=WORKER,
            actor=ACTOR,
            why=why,
            again_from=again_from,
            reason="asked for" if again_from is not None else "",
        )

    def _claim(self, run: InputRun) -> list[tuple[str, Event]]:
        number, first = run.number, run.ordinal
        if run.failed_chunks:
            number, first, _ = run.failed_chunks[0]
        claim = ChunkStarted(
            attempt=run.attempt,
            worker=str(WORKER),
            lease_seconds=60.0,
            first_offset={"byte": first},
            first_ordinal=first,
        )
        return [(ChunkId(run.run, "main", number).stream, claim)]

    def _next(self, run: InputRun, size: int) -> tuple[int, int, int]:
        if run.failed_chunks:
            number, first, had = run.failed_chunks.pop(0)
            return number, first, min(had, size)
        number, first = run.number, run.ordinal
        run.number += 1
        run.ordinal += size
        return number, first, size

    def _records(
        self,
        run: InputRun,
        chunk: ChunkId,
        first: int,
        outcomes: list[Outcome],
        partition: str = "main",
    ) -> tuple[list[tuple[str, Event]], Counts]:
        events: list[tuple[str, Event]] = []
        tally = {"succeeded": 0, "skipped": 0, "failed": 0}
        for ordinal, outcome in enumerate(outcomes, first):
            state = "succeeded" if isinstance(outcome, Posting) else "failed"
            if outcome == "skipped":
                state = "skipped"
            if ordinal in run.posted and outcome != CONFLICT:
                state = "succeeded"
            elif state != "skipped":
                tried = self._with_periods(outcome)
                state = "succeeded" if isinstance(tried, Posting) else "failed"
                events.append(self._record(run, chunk, partition, ordinal, tried))
            self._now(run, ordinal, state)
            tally[state] += 1
        return events, Counts(read=len(outcomes), **tally)

    def _record(
        self,
        run: InputRun,
        chunk: ChunkId,
        partition: str,
        ordinal: int,
        outcome: Outcome,
        behind: str | None = None,
    ) -> tuple[str, Event]:
        """The event of the record; ``behind``: the stream of an event right before it."""
        stream, event = _record_event(run, chunk, partition, ordinal, outcome)
        version = self._versions.get(stream, 0) + (2 if stream == behind else 1)
        if isinstance(event, RecordSucceeded):
            run.posted[ordinal] = (version, event)
        else:
            run.letters[ordinal] = (stream, version, chunk.label)
        return stream, event

    def _with_periods(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Posting) and f"{outcome.effective:%Y-%m}" in self.closed:
            return CLOSED
        return outcome

    def _now(self, run: InputRun, ordinal: int, state: str) -> None:
        run.records[ordinal] = state
        if state != "failed":
            run.letters.pop(ordinal, None)

    def _commit(self, *events: tuple[str, Event]) -> None:
        commit = []
        for stream, event in events:
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            commit.append(Recorded(stream, version, event))
        self.commits.append(commit)


def _record_event(
    run: InputRun, chunk: ChunkId, partition: str, ordinal: int, outcome: Outcome
) -> tuple[str, Event]:
    place = {
        "run": run.run.name,
        "partition": partition,
        "chunk": chunk.label,
        "ordinal": ordinal,
        "attempt": run.attempt,
    }
    stream = record_stream(JOB, f"{run.run.name}-{ordinal:04d}")
    if isinstance(outcome, Posting):
        line = (outcome.minor, outcome.currency, 2)
        entry = PostedEntry(
            "main",
            outcome.effective,
            outcome.effective,
            (PostedLine(outcome.account, "D", *line), PostedLine("creditors", "C", *line)),
        )
        return stream, RecordSucceeded(
            **place, digest="1:00", record=msgspec.Raw(b'{"amount":"1.00"}'), entries=(entry,)
        )
    if outcome.startswith("no key"):
        stream = keyless_stream(run.run, partition, ordinal)
    return stream, RecordFailed(
        **place, error="invalid-record", message=outcome, payload=msgspec.Raw(b'{"a":"\\u0000"}')
    )
