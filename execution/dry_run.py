"""Trying a run out: records are read, validated and worked on, and nothing is written.

A job that calls out or writes rows is not called: its records are only validated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from msgspec import Struct, field

from ..domain.events import Counts, RecordFailed
from ..domain.ids import ChunkId
from . import retrying
from .attempt import Setting
from .decide import against
from .draw import Drawn
from .plan import Item
from .preparation import Prepared
from .settled import settled
from .tally import Tally
from .work import TransientError

FAILURES_NAMED = 1_000
"""So many records are named that would fail; of further ones only the number is known."""


class TriedOut(Struct):
    """What a run would come to.

    Attributes:
        failures: of the first thousand records that would fail, by key.
    """

    tally: Tally
    failures: list[tuple[str, RecordFailed]] = field(default_factory=list)


def try_out(setting: Setting) -> TriedOut:
    """What the run would come to; a key that two chunks of the input repeat is not noticed.

    Raises:
        TransientError, FatalError, SourceError: as the run itself would meet them.
    """
    tried = TriedOut(Tally.of(setting.plan))
    tally = tried.tally
    for first in (*setting.plan.redo, *([setting.tail] if setting.tail else [])):
        item: Item | None = first
        while item is not None and not setting.flag:
            prepared = _prepare(setting, item)
            _add(setting, prepared, tried)
            limit = setting.limit
            if limit is not None and tally.counts.read - setting.plan.counts.read >= limit:
                return tried
            item = None if prepared.end or item.count is not None else _next(item, prepared)
    return tried


def _prepare(setting: Setting, item: Item) -> Prepared:
    preparer = setting.preparer
    prepare = preparer.prepare if setting.job.looks_ahead else preparer.draw
    return retrying.call(
        lambda tries: prepare(item, tries=tries, limit=setting.limit),
        setting.job.retry,
        transient=TransientError,
        interrupt=setting.flag.event,
        waiting=lambda error, tries, delay: setting.observer.retrying(str(error), tries, delay),
    )


def _next(item: Item, prepared: Prepared) -> Item:
    chunk = ChunkId(item.chunk.run, item.chunk.partition, item.chunk.number + 1)
    return Item(chunk, 0, prepared.next_offset, item.first_ordinal + prepared.read)


def _add(setting: Setting, prepared: Prepared, tried: TriedOut) -> None:
    drawn, outcomes, tally = prepared.drawn, prepared.outcomes, tried.tally
    drawn.settled = settled(setting.journal, drawn)
    if outcomes is None:
        failures = [each for at, each in drawn.failures.items() if at not in drawn.settled]
        _name(tried, drawn, failures)
        counted = Counter[str](kept.outcome for kept in drawn.settled.values())
        counted["failed"] += len(failures)
        counted["succeeded"] += prepared.read - counted.total()
        tally.add(Counts(read=prepared.read, **counted), {}, prepared.controls)
    else:
        states = setting.journal.records(drawn.streams)
        decided = against(drawn, states, lambda index, _: outcomes[index])
        tally.add(decided.counts, decided.totals, prepared.controls)
        events = (each.event for each in decided.events)
        _name(tried, drawn, (event for event in events if isinstance(event, RecordFailed)))
    setting.observer.committed(tally.counts, prepared.position)


def _name(tried: TriedOut, drawn: Drawn, failed: Iterable[RecordFailed]) -> None:
    room = FAILURES_NAMED - len(tried.failures)
    keys = {drawn.ordinal(index): key for index, key in enumerate(drawn.keys)}
    tried.failures += [(keys[each.ordinal], each) for each in islice(failed, room)]
