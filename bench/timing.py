"""A stopwatch that counts wall and processor seconds and can be paused."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self


class Stopwatch:
    """Runs inside ``with``; entering it again goes on counting."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Self:
        self._wall = time.perf_counter()
        self._cpu = _cpu_seconds()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += time.perf_counter() - self._wall
        self.cpu_seconds += _cpu_seconds() - self._cpu

    @property
    def reading(self) -> tuple[float, float]:
        """Wall and processor seconds so far."""
        return self.seconds, self.cpu_seconds


def _cpu_seconds() -> float:
    """Of this process, and of the processes that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
