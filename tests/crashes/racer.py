"""Run as a process: starts a run whenever it is told to, and says what came of it.

``python -m tests.crashes.racer URL FOLDER``; each line it reads is ``RUN [LIMIT]``, or empty.
"""

from __future__ import annotations

import sys
from pathlib import Path

from storno import RunOptions, Store, StornoError, run_job
from storno.domain.events import Actor

from .payments import payments

ACTOR = Actor(name="racer", os_user="racer", host="host")


def main(url: str, folder: str) -> None:
    """Race until there is nothing more to read."""
    store = Store.open(url)
    print("ready", flush=True)
    for line in sys.stdin:
        run, _, limit = line.strip().partition(" ")
        if not run:
            print("rested", flush=True)
            continue
        options = RunOptions(limit=int(limit) if limit else None)
        try:
            result = run_job(store, payments, {"run": run}, ACTOR, options, base=Path(folder))
        except StornoError as error:
            print(f"{type(error).__name__} {error}", flush=True)
        else:
            print("noop" if result.noop else result.state, result.counts.skipped, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
