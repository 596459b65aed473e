"""Committing beside the work: one thread, one commit at a time, one chunk ahead."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from .journal import Journal
from .sealing import Sealed

# A commit is a dozen short statements; each gets the interpreter back when the work beside it
# lets go, by default only after 5 ms. At 0.1 ms a commit of 1,000 records waits 1 ms, not 60.
SWITCH_SECONDS = 0.0001

# Two chunks are tens of thousands of objects that live for a moment. By default the collector
# would walk through them a dozen times a chunk and find nothing: half of the run's time, measured.
YOUNG_OBJECTS = 200_000


class Committer:
    """Appends in a thread of its own, so that the next chunk can be prepared meanwhile."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storno-commit")
        self._interval = sys.getswitchinterval()
        self._thresholds = gc.get_threshold()

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *self._thresholds[1:])
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True)
        sys.setswitchinterval(self._interval)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def submit(self, sealed: Sealed, expect: Mapping[str, int]) -> Future[None]:
        """Append in the background; the future tells how it went, as ``Journal.append`` would."""
        return self._pool.submit(self._journal.append, sealed, expect)
