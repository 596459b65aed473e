"""What people did, over the whole store; and who is behind an event that names nobody."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sqlalchemy as sa
from msgspec import Struct

from ...domain.acts import OF_CHUNKS, OF_OTHERS, OF_RECORDS, Act, act_of
from ...domain.errors import StoreError
from ...domain.events import (
    ChunkStarted,
    Event,
    RecordEvent,
    RecordReversalFailed,
    RecordReversed,
    RunResumed,
    RunStarted,
)
from ...domain.ids import unescape
from ...domain.period import Period
from ...domain.reversal import ReversalApproved, ReversalRequested, ReversalStarted
from ...projections.dead_letters import is_retried_partition
from ..schema import log_tables
from ..store import Store
from .events import RecordedEvent, stream_events
from .scan import Condition, Span, collect, holding, topics_of, within

_EVENTS = log_tables().events.c


class RecordedAct(Struct, frozen=True):
    """An act, and what it was done to.

    Attributes:
        recorded: the event that holds it.
        job: None where it concerns no job, as a period does not.
        run: ``<job>/<run>``, where it concerns one.
        key: of the record, where it concerns one: the end of its stream's name.
        about: a reversal's id, ``YYYY-MM of book NAME``, or what the act was refused on.
    """

    recorded: RecordedEvent
    act: Act
    job: str | None = None
    run: str | None = None
    key: str | None = None
    about: str | None = None


def acts(store: Store, span: Span, *, job: str | None = None) -> Iterator[RecordedAct]:
    """Everything that people did, in order.

    Records are looked through in the index of streams alone, but for those to which something
    happened after their first event.

    Args:
        store: where they are.
        span: what of the log.
        job: only what concerns this job.
    """
    of_job = f"{job}/" if job is not None else ""
    records, chunks = within(f"record/{of_job}"), within(f"chunk/{of_job}")
    others = [within(f"run/{of_job}"), within("reversal/")] if job is not None else _all_others()
    of_others = _EVENTS.topic.in_(sorted(topics_of(OF_OTHERS)))
    searches = [
        (records, _EVENTS.version > 1, _EVENTS.topic.in_(sorted(topics_of(OF_RECORDS)))),
        (chunks, _EVENTS.topic.in_(sorted(topics_of(OF_CHUNKS))), holding(store, b'"actor":{')),
        *((streams, of_others) for streams in others),
    ]
    responsible = Responsible(store)
    for recorded in collect(store, span, searches):
        act = act_of(recorded.event)
        if act is None:
            continue
        found = _placed(responsible, recorded, act)
        if job is None or found.job == job:
            yield found


def _all_others() -> list[Condition]:
    """The streams that are neither of records nor of chunks, whatever they will be called."""
    stream = _EVENTS.stream
    return [
        stream < "chunk/",
        sa.and_(stream >= "chunk0", stream < "record/"),  # "0" is what follows "/"
        stream >= "record0",
    ]


def _placed(responsible: Responsible, recorded: RecordedEvent, act: Act) -> RecordedAct:
    kind, _, name = recorded.stream.partition("/")
    event = recorded.event
    if isinstance(event, RecordEvent):
        job, _, key = name.partition("/")
        about = getattr(event, "reversal", None)
        return RecordedAct(
            recorded, act, job, f"{job}/{event.run}", event.key or unescape(key), about
        )
    if kind in ("run", "chunk"):
        job, run = name.split("/")[:2]
        return RecordedAct(recorded, act, job, f"{job}/{run}")
    if kind == "reversal":
        request = responsible.request(name)
        return RecordedAct(recorded, act, request.job, f"{request.job}/{request.run}", about=name)
    if kind == "period":
        period = Period.of_stream(recorded.stream)
        return RecordedAct(recorded, act, about=f"{period} of book {period.book}")
    return RecordedAct(recorded, act, about=getattr(event, "about", None) or None)


class Attempt(Struct, frozen=True):
    """Who had something executed, and what for; ``reason`` is empty where none was asked for."""

    actor: str
    reason: str = ""


class Responsible:
    """Who is behind the events of records: the run's attempt, a retry or a reversal says it.

    Remembers what it has read; there are few attempts, whatever the number of records.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._attempts = lru_cache(maxsize=4_096)(self._read_attempts)
        self._retries = lru_cache(maxsize=4_096)(self._read_retry)
        self._reversals = lru_cache(maxsize=4_096)(self._read_reversal)

    def behind(self, stream: str, event: RecordEvent) -> Attempt | None:
        """Who acted in an event of a record, or had it done; None where nothing says it."""
        if isinstance(event, RecordReversed | RecordReversalFailed):
            return self._attempt_at(event.reversal, event.attempt)
        if (act := act_of(event)) is not None:
            return Attempt(act.actor.name, act.reason or "")
        run = f"{stream.split('/')[1]}/{event.run}"
        if is_retried_partition(event.chunk):
            retried = self._retries(f"chunk/{run}/{event.chunk}")
            if retried is not None:
                return retried
        return self._attempts(run).get(event.attempt)

    def request(self, reversal: str) -> ReversalRequested:
        """What a reversal was asked for with.

        Raises:
            StoreError: nothing says so; storno writes no other event of one before.
        """
        for event in self._reversals(reversal):
            if isinstance(event, ReversalRequested):
                return event
        raise StoreError(
            f"nobody asked for reversal {reversal}, but there are events of it. Was the store "
            "changed by hand? storno views check compares what it holds."
        )

    def approvers(self, reversal: str) -> list[str]:
        """Who agreed to a reversal, in order."""
        events = self._reversals(reversal)
        return [event.actor.name for event in events if isinstance(event, ReversalApproved)]

    def _attempt_at(self, reversal: str, attempt: int) -> Attempt | None:
        for event in self._reversals(reversal):
            if isinstance(event, ReversalStarted) and event.attempt == attempt:
                request = self.request(reversal)
                return Attempt(event.actor.name, f"{request.code}: {request.text}")
        return None

    def _read_reversal(self, reversal: str) -> tuple[Event, ...]:
        return tuple(each.event for each in stream_events(self._store, f"reversal/{reversal}"))

    def _read_attempts(self, run: str) -> dict[int, Attempt]:
        return {
            each.event.attempt: Attempt(each.event.actor.name, getattr(each.event, "reason", ""))
            for each in stream_events(self._store, f"run/{run}")
            if isinstance(each.event, RunStarted | RunResumed)
        }

    def _read_retry(self, chunk: str) -> Attempt | None:
        for each in stream_events(self._store, chunk):
            if isinstance(each.event, ChunkStarted) and each.event.actor is not None:
                return Attempt(each.event.actor.name)
        return None
