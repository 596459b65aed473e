"""A process that appends to a store until it is told to end: ``python -m tests.storage.appender``.

Prints a line after every commit, and ends when its standard input is closed.
"""

from __future__ import annotations

import os
import select
import sys

from storno.storage.store import Store

from ..projections.histories import History, Posting
from .writing import append


def main(url: str) -> None:
    store = Store.open(url)
    name = f"process-{os.getpid()}"
    history = History()
    history.start(name)
    while not select.select([sys.stdin], [], [], 0)[0]:
        append(store, history.commits)
        print(len(history.commits), flush=True)
        history.commits.clear()
        history.complete_chunk(name, [Posting.sample()] * 40 + ["not a date"])


if __name__ == "__main__":
    main(sys.argv[1])
