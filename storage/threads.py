"""Threads that take turns at the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH_SECONDS: Final = 0.0001
"""A thread that comes back from the database gets the interpreter when the one that computes lets
go, by default only after 5 ms. At 0.1 ms a commit of 1,000 records waits 1 ms, not 60."""


@contextmanager
def quick_turns() -> Iterator[None]:
    """The interpreter changes hands as soon as somebody has waited for it for a moment.

    That is the whole process's business, so it is for as long as the threads work, and no longer.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
