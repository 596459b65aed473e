"""Trying a run out: records are read, validated and worked on, and nothing is written.

A job that calls out or writes rows is not called: its records are only validated.
"""

from __future__ import annotations

from ..domain.events import Counts
from ..domain.ids import ChunkId
from . import retrying
from .attempt import Setting
from .decide import against
from .plan import Item
from .preparation import Prepared
from .tally import Tally
from .work import TransientError


def try_out(setting: Setting) -> Tally:
    """What the run would come to; a key that two chunks of the input repeat is not noticed.

    Raises:
        TransientError, FatalError, SourceError: as the run itself would meet them.
    """
    tally = Tally.of(setting.plan)
    for first in (*setting.plan.redo, *([setting.tail] if setting.tail else [])):
        item: Item | None = first
        while item is not None and not setting.flag:
            prepared = _prepare(setting, item)
            _add(setting, prepared, tally)
            limit = setting.limit
            if limit is not None and tally.counts.read - setting.plan.counts.read >= limit:
                return tally
            item = None if prepared.end or item.count is not None else _next(item, prepared)
    return tally


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


def _add(setting: Setting, prepared: Prepared, tally: Tally) -> None:
    drawn, outcomes = prepared.drawn, prepared.outcomes
    if outcomes is None:
        failed = len(drawn.failures)
        counts = Counts(read=prepared.read, succeeded=prepared.read - failed, failed=failed)
        tally.add(counts, {}, prepared.controls)
    else:
        states = setting.journal.records(drawn.streams)
        decided = against(drawn, states, lambda index, _: outcomes[index])
        tally.add(decided.counts, decided.totals, prepared.controls)
    setting.observer.committed(tally.counts, prepared.position)
