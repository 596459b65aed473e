"""Whether a second process would help: for work that is too much for one core."""

from __future__ import annotations

import os
import sys


def can_share_work() -> bool:
    """Whether there is an interpreter to start, and a second core that would run it.

    A frozen program would start itself again.
    """
    return bool(sys.executable) and not getattr(sys, "frozen", False) and cores() > 1


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
