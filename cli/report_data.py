"""What a report says of a run, gathered from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..domain.dead_letter import of_reversal
from ..domain.events import ChunkCompleted, RunResumed
from ..domain.ids import ChunkId
from ..execution.controls import ControlSums
from ..projections.dead_letters import is_of_input
from ..storage import queries
from .report_chart import Progress
from .reversal_pages import reversal_document

if TYPE_CHECKING:
    from ..storage.queries import (
        AttemptRow,
        ChunkRow,
        DeadLetterGroup,
        DeadLetterRow,
        LogHead,
        RecordedEvent,
        ReversalRow,
        RunBalance,
        RunRow,
    )
    from ..storage.store import Store

LETTERS_SHOWN: Final = 500
"""Dead letters that are listed one by one; the others are counted."""

LETTER_STATES: Final = ("open", "corrected", "discarded", "resolved")


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A reversal of the run: what happened, and which records are or were set aside."""

    row: ReversalRow
    events: list[dict[str, Any]]
    letters: list[DeadLetterRow]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What is said of a run.

    Attributes:
        history: the events of the run itself.
        controls: name to what the input came to, and to what its trailer promised.
        letters: the first dead letters, in the order of the input.
        letter_groups: state to how many there are of each error.
    """

    store_id: str
    head: LogHead
    run: RunRow
    attempts: list[AttemptRow]
    history: list[RecordedEvent]
    progress: Progress
    controls: Mapping[str, tuple[str, str | None]]
    balances: list[RunBalance]
    letters: list[DeadLetterRow]
    letter_groups: Mapping[str, list[DeadLetterGroup]]
    reversals: list[TakenBack]


def gathered(store: Store, run: str) -> RunReport:
    """What the report says of a run."""
    events = list(queries.run_events(store, run))
    chunks = queries.chunks(store, run)
    attempts = queries.attempts(store, run)
    head = queries.log_head(store)
    assert head is not None, "there is a run, so there are events"
    return RunReport(
        store_id=store.store_id,
        head=head,
        run=queries.run(store, run),
        attempts=attempts,
        history=[each for each in events if each.stream == f"run/{run}"],
        progress=_progress(chunks, [each.started_at for each in attempts]),
        controls=_control_sums(events),
        balances=queries.run_balances(store, run),
        letters=queries.first_dead_letters(store, run, LETTERS_SHOWN),
        letter_groups={
            state: groups
            for state in LETTER_STATES
            if (groups := queries.dead_letter_groups(store, run=run, states=(state,)))
        },
        reversals=[_taken_back(store, each) for each in queries.reversals(store, run=run)[::-1]],
    )


def _progress(chunks: list[ChunkRow], starts: list[int]) -> Progress:
    """Records read so far, after each chunk of the input."""
    ended = sorted(
        (chunk.completed_at, chunk.read)
        for chunk in chunks
        if chunk.completed_at is not None and is_of_input(chunk.partition)
    )
    points, records = [], 0
    for time, read in ended:
        records += read
        points.append((time, records))
    return Progress(points, starts)


def _control_sums(events: list[RecordedEvent]) -> dict[str, tuple[str, str | None]]:
    """What the job's control totals came to, and what a trailer in the input promised.

    An attempt that reads every record anew begins to sum anew.
    """
    first, sums = 0, ControlSums()
    for recorded in events:
        match recorded.event:
            case RunResumed(again_from=int(number)):
                first, sums = number, ControlSums()
            case ChunkCompleted(controls=controls) if controls:
                chunk = ChunkId.parse(recorded.stream)
                if chunk.number >= first and is_of_input(chunk.partition):
                    sums.add(controls)
            case _:
                pass
    promised: dict[str, Any] = sums.promised
    return {
        name: (f"{value:f}", f"{promised[name]:f}" if name in promised else None)
        for name, value in sums.sums.items()
    }


def _taken_back(store: Store, row: ReversalRow) -> TakenBack:

    events = queries.stream_events(store, f"reversal/{row.reversal}")
    return TakenBack(
        row,
        reversal_document(row, events)["events"],
        queries.first_dead_letters(store, of_reversal(row.reversal), LETTERS_SHOWN),
    )
