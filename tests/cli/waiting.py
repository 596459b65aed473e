"""Waiting for what another process does: on a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_SECONDS = 90.0


def until(condition: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
    """Ask again and again until the answer is true; each answer takes a process's start."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {seconds} seconds"
    return answer
