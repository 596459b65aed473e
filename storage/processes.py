"""A second process, for work that is too much for one core: whether it helps, and its start."""

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


def command(module: str, call: str) -> list[str]:
    """What starts a fresh interpreter that finds the modules that this one does.

    Args:
        module: where the function is.
        call: of the function; ``parent`` stands for the process that starts it.
    """
    code = (
        "import os, sys; parent = os.getppid(); "
        f"sys.path[:] = {list(map(str, sys.path))!r}; "
        f"from {module} import {call.partition('(')[0]}; {call}"
    )
    return [sys.executable, "-c", code]
