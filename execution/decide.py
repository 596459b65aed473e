"""From a chunk's outcomes to what is appended, given what the store already holds of its keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from ..domain.events import Counts, RecordFailed, RecordSucceeded
from ..domain.period import Month
from ..domain.record import (
    NEW,
    RecordState,
    Standing,
    conflict_message,
    content_digest,
    evolve,
    same_content,
    standing,
)
from ..projections import ledger
from ..projections.changes import Movements, Recorded
from .draw import Drawn
from .sealing import Bulk
from .work import Outcome


class Decided(Struct):
    """What a chunk's records come to.

    Attributes:
        first: first postings of new keys, sealed already.
        events: all other record events, in file order, versions in order per stream.
        counts: of all records of the chunk.
        skipped_keys: posted before with the same content.
        totals: currency to minor units debited.
        months: what is posted to.
        kept: the ordinals of failed and discarded records whose dead letters stay as they are.
    """

    counts: Counts
    first: Bulk = field(default_factory=Bulk)
    events: list[Recorded] = field(default_factory=list)
    skipped_keys: list[str] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    months: frozenset[Month] = frozenset()
    kept: list[int] = field(default_factory=list)


class AsNew(Struct):
    """Settles a chunk as if the store knew none of its keys; a conflict tells when it does.

    Slice by slice: of what was added only what is appended is kept.
    """

    _first: Bulk = field(default_factory=Bulk)
    _failed: list[Recorded] = field(default_factory=list)

    def add(self, streams: Sequence[str], outcomes: Sequence[Outcome]) -> None:
        """Settle the next records; streams and outcomes are aligned."""
        posted = [outcome for outcome in outcomes if isinstance(outcome, RecordSucceeded)]
        if len(posted) < len(outcomes):
            both = list(zip(streams, outcomes, strict=True))
            streams = [stream for stream, outcome in both if isinstance(outcome, RecordSucceeded)]
            self._failed += [
                Recorded(stream, 1, each) for stream, each in both if isinstance(each, RecordFailed)
            ]
        self._first.add(streams, posted)

    def decided(self) -> Decided | None:
        """What they come to; None where a key repeats: then one must be settled after the other."""
        first, failed = self._first, self._failed
        streams = {*first.streams, *(each.stream for each in failed)}
        succeeded = len(first.streams)
        if len(streams) < succeeded + len(failed):
            return None
        counts = Counts(read=succeeded + len(failed), succeeded=succeeded, failed=len(failed))
        return Decided(
            counts,
            first,
            failed,
            totals=totals(first.movements),
            months=ledger.months(first.movements),
        )


def against(
    drawn: Drawn,
    states: Mapping[str, RecordState],
    outcome: Callable[[int, int], Outcome],
    is_full: Callable[[], bool] = lambda: False,
) -> Decided:
    """Settle a chunk's records one after the other against what their streams hold.

    Args:
        states: of the streams that have events; not changed.
        outcome: index and posting number to the record's outcome; called only for records that
            may be posted, so that nothing is done twice.
        is_full: asked after each record whether the chunk closes with it.
    """
    current = dict(states)
    decided = Decided(Counts())
    counted: Counter[str] = Counter()
    for index, stream in enumerate(drawn.streams):
        if counted and is_full():
            break
        if index in drawn.settled:
            counted[_keep(drawn, index, decided)] += 1
            continue
        state = current.get(stream, NEW)
        stands = _standing(drawn, index, state)
        if stands is Standing.POSTED_HERE:
            counted["succeeded"] += 1
            continue
        if stands is Standing.POSTED_ELSEWHERE:
            counted["skipped"] += 1
            decided.skipped_keys.append(drawn.keys[index])
            continue
        if stands is Standing.CONFLICT:
            event: Outcome = _conflict(drawn, index, state)
        elif stands is Standing.IN_DOUBT:
            event = _in_doubt(drawn, index, state)
        else:
            event = outcome(index, state.postings + 1)
        counted["succeeded" if isinstance(event, RecordSucceeded) else "failed"] += 1
        decided.events.append(Recorded(stream, state.version + 1, event))
        current[stream] = evolve(state, event)
    decided.counts = Counts(read=counted.total(), **counted)
    movements: Movements = {}
    ledger.fold(
        movements,
        [each.event for each in decided.events if isinstance(each.event, RecordSucceeded)],
    )
    decided.totals = totals(movements)
    decided.months = ledger.months(movements)
    return decided


def _keep(drawn: Drawn, index: int, decided: Decided) -> str:
    """Leave a record as somebody settled it."""
    outcome, key = drawn.settled[index]
    if outcome in ("failed", "discarded"):
        decided.kept.append(drawn.ordinal(index))
    elif outcome == "skipped":
        decided.skipped_keys.append(key or drawn.keys[index])
    return outcome


def may_be_posted(drawn: Drawn, states: Mapping[str, RecordState]) -> list[int]:
    """The indexes of valid records whose keys are free, the first of each repeated key."""
    seen: set[str] = set()
    free = []
    for index, stream in enumerate(drawn.streams):
        if drawn.records[index] is None or index in drawn.settled or stream in seen:
            continue
        if _standing(drawn, index, states.get(stream, NEW)) is Standing.FREE:
            seen.add(stream)
            free.append(index)
    return free


def _standing(drawn: Drawn, index: int, state: RecordState) -> Standing:
    record = drawn.records[index]
    if record is None or (state.posting is None and state.in_doubt is None):
        return Standing.FREE
    digest = content_digest(*drawn.content(index))
    place = (drawn.chunk.run.name, drawn.partition, drawn.ordinal(index))
    same = same_content if drawn.sealing is None else drawn.sealing.same
    return standing(state, record, digest, place, same)


def _conflict(drawn: Drawn, index: int, state: RecordState) -> RecordFailed:
    digest = content_digest(*drawn.content(index))
    return drawn.failed(
        index,
        "key-conflict",
        conflict_message(state, drawn.chunk.run.job),
        digest=digest,
        posted_version=state.posting_version,
    )


def _in_doubt(drawn: Drawn, index: int, state: RecordState) -> RecordFailed:
    attempted = state.in_doubt
    assert attempted is not None, "in doubt is an attempt"
    return drawn.failed(
        index,
        "in-doubt",
        f"run {drawn.chunk.run.job}/{attempted.run} called out for this key and its outcome is not "
        "known: resume that run first",
    )


def totals(movements: Movements) -> dict[str, int]:
    """Currency to minor units debited."""
    debited: defaultdict[str, int] = defaultdict(int)
    for (_, currency, _, _, _), sums in movements.items():
        debited[currency] += sum(sums.debits)
    return dict(debited)
