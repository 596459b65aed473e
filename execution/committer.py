"""Committing beside the work, so that it goes on meanwhile.

A run begins to commit in a thread. Threads take turns at the interpreter, so a run that turns out
to be long gets a process that commits, and the thread is what remains where there can be none.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, Protocol, Self

from .journal import Journal, can_share_work, quick_turns
from .sealing import Sealed
from .writer_process import WriterGoneError, WriterProcess

_log = logging.getLogger(__name__)

# Two chunks are tens of thousands of objects that live for a moment. By default the collector
# would walk through them a dozen times a chunk and find nothing: half of the run's time, measured.
YOUNG_OBJECTS = 200_000

WORTH_A_PROCESS = 2_000
"""Events after which a run may turn out to be a long one: a process takes a moment to start."""


class Pending(Protocol):
    """A commit under way."""

    def done(self) -> bool:
        """Whether ``result`` would not wait."""

    def result(self) -> None:
        """Wait for it, and raise what ``Journal.append`` raised."""


class Order(NamedTuple):
    """A commit to make in the thread."""

    sealed: Sealed
    expect: Mapping[str, int]
    done: Future[None]


class Ordered(NamedTuple):
    """A commit that the process makes; ``give_up`` is called when it ends instead."""

    process: WriterProcess
    give_up: Callable[[Exception], None]

    def done(self) -> bool:
        """Whether ``result`` would not wait; asked of the one that was ordered first."""
        return self.process.has_answered()

    def result(self) -> None:
        """Wait for it, and raise what ``Journal.append`` raised."""
        try:
            self.process.result()
        except WriterGoneError as error:
            self.give_up(error)
            raise


class Committer:
    """Appends beside the work, so that the next chunk can be prepared meanwhile.

    The thread is no executor's: those are waited for when the process ends, and a commit that
    hangs in a database that does not answer would keep the process that somebody interrupts.

    Attributes:
        queues: whether a commit may be sent behind the one sent last, before that is made. The
            process takes them in order, as it has a database to itself; the thread would only take
            time from the work.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="storno-commit", daemon=True)
        self._turns = quick_turns()
        self._thresholds = gc.get_threshold()
        self._events = 0
        self._process: WriterProcess | None = None
        self._may_have_process = can_share_work()
        self.queues = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._turns.__enter__()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *self._thresholds[1:])
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        # Whoever interrupts does not wait for a database that may not answer.
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._orders.put(None)
        if self._process is not None:
            self._process.close(wait=not interrupted)
        if not interrupted:
            self._thread.join()
        self._turns.__exit__(None, None, None)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> Pending:
        """Append in the background; the result tells how it went, as ``Journal.append`` would."""
        self._events += len(sealed.events)
        process = self._ready_process()
        if process is not None:
            try:
                process.submit(sealed, expect)
            except WriterGoneError as error:
                self._give_up(error)
            except OverflowError:
                pass  # a sum that only the way through Python can split
            else:
                self.queues = True
                return Ordered(process, self._give_up)
        self.queues = False
        done: Future[None] = Future()
        self._orders.put(Order(sealed, expect, done))
        return done

    def _ready_process(self) -> WriterProcess | None:
        if not self._may_have_process or self._events < WORTH_A_PROCESS:
            return None
        try:
            if self._process is None:
                self._process = WriterProcess(self._journal.url)
            return self._process if self._process.is_ready() else None
        except (OSError, WriterGoneError) as error:
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        """Commit in the thread from now on."""
        if self._may_have_process:
            _log.warning("commits are made in the run's own process from now on: %s", error)
        self._may_have_process = False

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._journal.append(order.sealed, order.expect)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                order.done.set_exception(error)
            else:
                order.done.set_result(None)
