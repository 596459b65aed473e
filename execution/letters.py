"""Dead letters as they are worked on: where they stand, and whose totals they are in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..domain import run as runs
from ..domain.dead_letter import DeadLetter, Status
from ..domain.errors import NotFoundError
from ..domain.events import ChunkCompleted, RecordFailed
from ..domain.ids import RunId, record_stream
from ..domain.run import RunState
from . import retrying
from .ciphers import Opener
from .holding import refuse_if_held, refuse_if_tried
from .journal import DeadLetterPlace, Journal


class Letter(Struct, frozen=True):
    """A dead letter.

    Attributes:
        place: which record of which run, and the stream it is in.
        version: of that stream.
        letter: what the stream says of it.
        values: what is to be tried: a row as the source gave it, or the record's fields.
        failed_values: what failed.
        closed: the fields of ``values`` that cannot be read, because somebody was forgotten.
    """

    place: DeadLetterPlace
    version: int
    letter: DeadLetter
    values: Any
    failed_values: Any
    closed: tuple[str, ...] = ()

    @property
    def ordinal(self) -> int:
        """The record's number in its partition."""
        return self.place.ordinal

    @property
    def stream(self) -> str:
        """The stream that it is in; its record may be posted in another one."""
        return self.place.stream

    @property
    def name(self) -> str:
        """The key, or the end of the stream's name where it has none."""
        key = self.place.key
        return key if key is not None else self.stream.split("/", 2)[2]


def is_of_reversal(place: DeadLetterPlace) -> bool:
    """Whether it is something that a reversal could not take back."""
    return not place.run.startswith(f"{place.job}/")


def read(journal: Journal, places: Sequence[DeadLetterPlace]) -> list[Letter]:
    """Where these dead letters of one run stand by now.

    Whoever acts on it reads the run's state before, and expects it: then no pass through the
    input settles them in between.
    """
    places = retrying.store_call(lambda: _anew(journal, places))
    streams = [place.stream for place in places]
    found = retrying.store_call(lambda: journal.dead_letters(streams))
    known_letters = []
    for place in places:
        version, known = found[place.stream]
        run = place.run if is_of_reversal(place) else RunId.parse(place.run).name
        letter = known[run, place.partition, place.ordinal]
        if place.state == Status.RESOLVED:  # a later pass went through, which no stream need tell
            letter = replace(letter, status=Status.RESOLVED)
        known_letters.append((place, version, letter))
    return _with_doubts(journal, _opened(journal, known_letters))


def _opened(
    journal: Journal, known: Sequence[tuple[DeadLetterPlace, int, DeadLetter]]
) -> list[Letter]:
    """The letters with what they hold."""
    opener = Opener(journal)
    tried = opener.documents([bytes(letter.payload) for _, _, letter in known])
    failed = opener.documents([bytes(letter.failed_payload) for _, _, letter in known])
    return [
        Letter(*each, now.values, before.values, now.closed)
        for each, now, before in zip(known, tried, failed, strict=True)
    ]


def _anew(journal: Journal, places: Sequence[DeadLetterPlace]) -> list[DeadLetterPlace]:
    ordinals = [place.ordinal for place in places]
    between = (min(ordinals), max(ordinals))
    found = journal.dead_letter_places(run=places[0].run, states=None, between=between)
    by_record = {(place.partition, place.ordinal): place for place in found}
    return [by_record[place.partition, place.ordinal] for place in places]


def _with_doubts(journal: Journal, letters: list[Letter]) -> list[Letter]:
    """Those that were attempted with another key, without an outcome, are in doubt as well."""
    elsewhere = {
        index: record_stream(each.place.job, correction.moved_to)
        for index, each in enumerate(letters)
        if (correction := each.letter.correction) is not None and correction.moved_to is not None
    }
    if not elsewhere:
        return letters
    states = retrying.store_call(lambda: journal.records(list(elsewhere.values())))
    for index, stream in elsewhere.items():
        each = letters[index]
        attempted = states[stream].in_doubt if stream in states else None
        failed = each.letter.failed
        if attempted is not None and (
            (attempted.run, attempted.partition, attempted.ordinal)
            == (failed.run, failed.partition, failed.ordinal)
        ):
            letters[index] = replace(each, letter=replace(each.letter, in_doubt=True))
    return letters


def run_at_rest(journal: Journal, run: RunId, *, held: bool = False) -> RunState:
    """Where a run stands whose dead letters are to be worked on.

    Args:
        held: whether its dead letters are held by the caller.

    Raises:
        NotFoundError: there is none.
        ConflictError: somebody who lives works on it, or on its dead letters.
    """
    state = journal.run(run)
    if state.status is runs.Status.NEW:
        raise NotFoundError(f"there is no run {run}: see 'storno runs'.")
    if state.status is runs.Status.RUNNING:
        refuse_if_held(journal, run, state)
    if not held:
        refuse_if_tried(journal, run)
    return state


class Covered:
    """Which records the run's totals count: those of the chunks committed in the pass under way."""

    def __init__(self, journal: Journal, run: RunId, state: RunState) -> None:
        self._journal = journal
        self._run = run
        self._pass_from = state.pass_from
        self._ranges: dict[str, list[tuple[int, int]]] = {}

    def __contains__(self, letter: tuple[str, int]) -> bool:
        """Whether they count the record with this partition and ordinal."""
        partition, ordinal = letter
        if partition not in self._ranges:
            self._ranges[partition] = sorted(self._committed(partition))
        ranges = self._ranges[partition]
        at = bisect_right(ranges, (ordinal, float("inf"))) - 1
        return at >= 0 and ordinal < ranges[at][1]

    def _committed(self, partition: str) -> Iterable[tuple[int, int]]:
        chunks = retrying.store_call(lambda: self._journal.chunks(self._run, partition))
        for number, chunk in chunks.items():
            outcome = chunk.outcome
            if number >= self._pass_from and isinstance(outcome, ChunkCompleted):
                yield outcome.first_ordinal, outcome.first_ordinal + outcome.counts.read


def failure(letter: Letter) -> RecordFailed:
    """Why the record of a run failed."""
    failed = letter.letter.failed
    assert isinstance(failed, RecordFailed), "what a reversal could not take back is no such letter"
    return failed
