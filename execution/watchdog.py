"""The time limit of a record: a signal ends Python code, and the process where C code hangs."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..domain.errors import StornoError

CHECKS_PER_LIMIT = 4
"""How often in a limit's time the running record is looked at."""

ALWAYS_ON_GUARD_FROM_SECONDS = 30.0
"""From this limit on the guard stays up between chunks, where nothing of ours waits in C code for
twice as long. Putting it up for each chunk would cost two switches of threads."""


class RecordTimeoutError(StornoError, KeyboardInterrupt):
    """A record took longer than the job's ``record_seconds``.

    It is raised at any moment, as a KeyboardInterrupt is, and is one: then psycopg cancels the
    statement that it hits, and the connection can still be used.
    """

    code = "timeout"


class Watchdog:
    """Watches how long the current record runs.

    The function's loop writes ``record`` before each call, which costs next to nothing; a timer
    looks at it a few times per limit. When the same record is found running past the limit, the
    timer's signal handler raises in the middle of the job's function. Where no Python code runs
    for twice the limit, because code in C hangs, a guard outside of Python ends the process: the
    next start takes the run over, and after three such claims finds the record.

    Attributes:
        record: the one being worked on, None between two. Seen twice, it is the same object: its
            number would be the same in the next chunk too.
    """

    def __init__(self, limit_seconds: float | None) -> None:
        self.record: object | None = None
        self._limit = limit_seconds
        self._seen: tuple[object | None, float] = (None, 0.0)
        self._watches = False
        self._on_guard = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; only in the main thread, the only one that gets signals."""
        limit = self._limit
        if limit is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, limit / CHECKS_PER_LIMIT, limit / CHECKS_PER_LIMIT)
        self._watches = True
        try:
            if limit >= ALWAYS_ON_GUARD_FROM_SECONDS:
                self._put_up_guard()
            yield
        finally:
            self._watches = False
            self._take_down_guard()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Be on guard while records are worked on in the block."""
        if not self._watches or self._on_guard:
            yield
            return
        self._put_up_guard()
        try:
            yield
        finally:
            self._take_down_guard()
            self.record = None

    def _put_up_guard(self) -> None:
        file = sys.__stderr__
        if file is not None and self._limit is not None:
            faulthandler.dump_traceback_later(2 * self._limit, exit=True, file=file.fileno())
            self._on_guard = True

    def _take_down_guard(self) -> None:
        if self._on_guard:
            self._on_guard = False  # first, or a look in between would put it up again
            faulthandler.cancel_dump_traceback_later()

    def _look(self, signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        limit = self._limit
        assert limit is not None, "the timer runs only where there is a limit"
        if self._on_guard:
            self._put_up_guard()  # Python code runs: the guard's time begins anew
        record, now = self.record, time.monotonic()
        seen, since = self._seen
        if record is not seen:
            self._seen = (record, now)
        elif record is not None and now - since >= limit:
            self._seen = (None, 0.0)
            raise RecordTimeoutError(
                f"the record took longer than {limit:g} seconds (record_seconds of the job)"
            )
