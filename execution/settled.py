"""What a person did about a dead letter holds, however often the input is read.

A record that is read once more just as it was when it failed keeps what became of its dead letter:
corrected and posted, it is posted; discarded, it stays discarded; corrected and not yet tried
again, it waits for that. A record that the input gives differently by now is worked on as new.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..domain.codec import decode
from ..domain.dead_letter import Status
from ..domain.events import RecordEvent, RecordFailed, RecordResolved
from ..domain.ids import RunId, record_stream
from ..domain.personal import WHOLE
from ..domain.record import RecordState
from ..projections.dead_letters import is_retried_partition
from . import retrying
from .ciphers import Document, Opener
from .draw import Drawn, Kept, payload
from .journal import DeadLetterPlace, Journal, Row

_SETTLED = (Status.CORRECTED, Status.DISCARDED, Status.RESOLVED)


def settled(journal: Journal, drawn: Drawn) -> dict[int, Kept]:
    """What records count as whose dead letters somebody has seen to, by index.

    One whose posting was taken back since is left out: it may be posted anew.
    """
    if drawn.attempt == 1 or is_retried_partition(drawn.chunk.partition):
        return {}
    places = retrying.store_call(lambda: _places(journal, drawn))
    if not places:
        return {}
    streams = [drawn.streams[index] for index in places]
    streams += [place.stream for place in places.values()]
    rows = retrying.store_call(lambda: journal.rows(streams))
    posted_in = {index: _posted_in(place) for index, place in places.items()}
    states = retrying.store_call(lambda: journal.records(list(posted_in.values())))
    found: dict[int, Kept] = {}
    for index in _as_before(journal, drawn, places, rows):
        place = places[index]
        kept = _kept(place, rows[place.stream], states.get(posted_in[index]))
        if kept is not None:
            found[index] = kept
    return found


def _places(journal: Journal, drawn: Drawn) -> dict[int, DeadLetterPlace]:
    """The dead letters of these records that somebody has seen to."""
    indexes = {ordinal: index for index, ordinal in enumerate(drawn.all_ordinals())}
    if not indexes:
        return {}
    between = (min(indexes), max(indexes))
    run = str(drawn.chunk.run)
    places = journal.dead_letter_places(run=run, states=_SETTLED, between=between)
    return {
        indexes[place.ordinal]: place
        for place in places
        if place.partition == drawn.partition and place.ordinal in indexes
    }


def _posted_in(place: DeadLetterPlace) -> str:
    """The stream that has the posting, if there is one: the key may have been corrected."""
    return place.stream if place.moved_to is None else record_stream(place.job, place.moved_to)


def _kept(place: DeadLetterPlace, rows: Sequence[Row], state: RecordState | None) -> Kept | None:
    if place.state == Status.DISCARDED:
        return Kept("discarded")
    if place.state == Status.CORRECTED:
        return Kept("failed")
    posting = None if state is None else state.posting
    if posting is None:
        return None
    if _is_of(posting, place):
        return Kept("succeeded")
    resolved = [event for event in _events_of(place, rows) if isinstance(event, RecordResolved)]
    if resolved and resolved[-1].skipped:
        return Kept("skipped", place.moved_to or place.key)
    return None


def _as_before(
    journal: Journal,
    drawn: Drawn,
    places: Mapping[int, DeadLetterPlace],
    rows: Mapping[str, Sequence[Row]],
) -> Iterator[int]:
    """The records that are as they were when they failed; not as a person had corrected them."""
    failed = {}
    for index, place in places.items():
        for event in _events_of(place, rows.get(drawn.streams[index], ())):
            if isinstance(event, RecordFailed) and not is_retried_partition(event.chunk):
                failed[index] = event
    opener = Opener(journal)
    before = opener.documents([bytes(event.payload) for event in failed.values()])
    now = opener.documents([_payload(drawn, index) for index in failed])
    for index, was, is_ in zip(failed, before, now, strict=True):
        if _same(was, is_):
            yield index


def _payload(drawn: Drawn, index: int) -> bytes:
    """What a dead letter of the record would hold."""
    if index in drawn.failures:
        return bytes(drawn.failures[index].payload)
    record = drawn.records[index]
    assert record is not None, "a record is valid, or has failed"
    return bytes(payload(record.__dict__))


def _same(was: Document, is_: Document) -> bool:
    """Whether two payloads hold the same; what was erased of the first agrees with anything."""
    if was.locked or is_.closed:
        return False
    if WHOLE in was.erased:
        return True
    return _readable(was, was.erased) == _readable(is_, was.erased)


def _readable(document: Document, erased: Collection[str]) -> object:
    if not erased or not isinstance(document.values, Mapping):
        return document.values
    return {name: value for name, value in document.values.items() if name not in erased}


def _events_of(place: DeadLetterPlace, rows: Iterable[Row]) -> Iterator[RecordEvent]:
    """What a stream says of the record at this place of this run."""
    for row in rows:
        event = decode(row.topic, row.state)
        if isinstance(event, RecordEvent) and _is_of(event, place):
            yield event


def _is_of(event: RecordEvent, place: DeadLetterPlace) -> bool:
    run = RunId.parse(place.run).name
    return (event.run, event.partition, event.ordinal) == (run, place.partition, place.ordinal)
