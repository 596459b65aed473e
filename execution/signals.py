"""Signals: the first asks the run to stop after the current chunk, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType


class Notice:
    """An event that a signal handler may set at any moment.

    A ``threading.Event`` is set under a lock: a handler that runs while the same thread is about
    to wait for it would wait for itself. A SimpleQueue may be put into from anywhere.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Set it for good."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait so long for it, in one thread at a time; whether it was set."""
        if not self._is_set:
            with suppress(Empty):
                self._wake.get(timeout=seconds)
        return self._is_set


class StopFlag:
    """Whether, and why, the attempt is to stop. Safe to set from any thread or signal handler."""

    def __init__(self) -> None:
        self.event = Notice()
        self.why = ""
        self.by_signal = False

    def set(self, why: str, *, by_signal: bool = False) -> None:
        """Ask for a stop; the first reason stays."""
        if not self.event.is_set():
            self.why = why
            self.by_signal = by_signal
            self.event.set()

    def __bool__(self) -> bool:
        return self.event.is_set()


@contextmanager
def stopping(flag: StopFlag) -> Iterator[None]:
    """Set the flag on SIGINT and SIGTERM while the block runs; a second one interrupts it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        if flag:
            raise KeyboardInterrupt
        flag.set(signal.Signals(number).name, by_signal=True)

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
