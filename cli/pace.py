"""How fast a run goes, and how long it will take: from what the last seconds showed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 15.0


class _Mark(NamedTuple):
    at: float
    read: int
    position: int


class Pace:
    """The pace over a sliding window, so that a slow start or a pause is soon forgotten."""

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()

    def note(self, at: float, read: int, position: int | None) -> None:
        """Remember how far the run has come.

        Args:
            at: a monotonic time, in seconds.
            read: records read so far.
            position: how far the source has been read, in the unit of its size.
        """
        self._marks.append(_Mark(at, read, position or 0))
        while len(self._marks) > 2 and at - self._marks[0].at > WINDOW_SECONDS:
            self._marks.popleft()

    @property
    def records_per_second(self) -> float | None:
        """The pace, None until two marks tell."""
        return self._per_second(lambda mark: mark.read)

    def seconds_left(self, size: int | None) -> float | None:
        """How long the rest will take at this pace, None where that cannot be said."""
        pace = self._per_second(lambda mark: mark.position)
        if size is None or not pace:
            return None
        return max(size - self._marks[-1].position, 0) / pace

    def _per_second(self, value: Callable[[_Mark], int]) -> float | None:
        if len(self._marks) < 2:
            return None
        first, last = self._marks[0], self._marks[-1]
        seconds = last.at - first.at
        return (value(last) - value(first)) / seconds if seconds > 0 else None
