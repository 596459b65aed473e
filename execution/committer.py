"""Committing beside the work: one thread, one commit at a time, one chunk ahead."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Self

from .journal import Journal
from .sealing import Sealed

# A commit is a dozen short statements; each gets the interpreter back when the work beside it
# lets go, by default only after 5 ms. At 0.1 ms a commit of 1,000 records waits 1 ms, not 60.
SWITCH_SECONDS = 0.0001

# Two chunks are tens of thousands of objects that live for a moment. By default the collector
# would walk through them a dozen times a chunk and find nothing: half of the run's time, measured.
YOUNG_OBJECTS = 200_000


class Order(NamedTuple):
    """A commit to make."""

    sealed: Sealed
    expect: Mapping[str, int]
    done: Future[None]


class Committer:
    """Appends in a thread of its own, so that the next chunk can be prepared meanwhile.

    The thread is no executor's: those are waited for when the process ends, and a commit that
    hangs in a database that does not answer would keep the process that somebody interrupts.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="storno-commit", daemon=True)
        self._interval = sys.getswitchinterval()
        self._thresholds = gc.get_threshold()

    def __enter__(self) -> Self:
        self._thread.start()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *self._thresholds[1:])
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._orders.put(None)
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            self._thread.join()
        sys.setswitchinterval(self._interval)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> Future[None]:
        """Append in the background; the future tells how it went, as ``Journal.append`` would."""
        done: Future[None] = Future()
        self._orders.put(Order(sealed, expect, done))
        return done

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._journal.append(order.sealed, order.expect)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                order.done.set_exception(error)
            else:
                order.done.set_result(None)
