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


class RecordTimeoutError(StornoError):
    """A record took longer than the job's ``record_seconds``."""

    code = "timeout"


class Watchdog:
    """Watches how long the current record runs.

    The function's loop writes ``index`` before each call, which costs next to nothing; a timer
    looks at it a few times per limit. When the same record is found running past the limit, the
    timer's signal handler raises in the middle of the job's function. Where no Python code runs
    for twice the limit, because code in C hangs, a watcher outside of Python ends the process:
    the next start takes the run over, and after three such claims finds the record.

    Attributes:
        index: the record being worked on, -1 between records.
    """

    def __init__(self, limit_seconds: float | None) -> None:
        self.index = -1
        self._limit = limit_seconds
        self._seen = (-1, 0.0)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; only in the main thread, the only one that gets signals."""
        limit = self._limit
        if limit is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._look)
        self._seen = (-1, 0.0)
        period = limit / CHECKS_PER_LIMIT
        self._guard(limit)
        signal.setitimer(signal.ITIMER_REAL, period, period)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()
            self.index = -1

    def _guard(self, limit: float) -> None:
        file = sys.__stderr__
        if file is not None:
            faulthandler.dump_traceback_later(2 * limit, exit=True, file=file.fileno())

    def _look(self, signal_number: int, frame: FrameType | None) -> None:
        del signal_number, frame
        limit = self._limit
        assert limit is not None, "the timer runs only where there is a limit"
        self._guard(limit)
        index, now = self.index, time.monotonic()
        seen, since = self._seen
        if index != seen:
            self._seen = (index, now)
        elif index >= 0 and now - since >= limit * (CHECKS_PER_LIMIT - 1) / CHECKS_PER_LIMIT:
            self._seen = (-1, 0.0)
            raise RecordTimeoutError(
                f"the record took longer than {limit:g} seconds (record_seconds of the job)"
            )
