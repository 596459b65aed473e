"""``python -m tests.torture [--kills N] [--database sqlite|postgresql] [--seed N]``."""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from .driver import Tally, Trial
from .servers import RestartingServer, sqlite_store


def main() -> int:
    """Torture; exit code 1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="on each database")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    problems = 0
    for database in options.database or ["sqlite", "postgresql"]:
        started = time.monotonic()
        tally = _torture(database, options.kills, options.seed)
        problems += len(tally.problems)
        print(
            f"{database}: {tally.kills} kills, {tally.runs} runs, {tally.pauses} overtaken, "
            f"{tally.restarts} server restarts, {time.monotonic() - started:.0f} s, "
            f"{len(tally.problems)} problems (seed {options.seed})"
        )
        for problem in tally.problems:
            print(f"  {problem}")
    return 1 if problems else 0


def _torture(database: str, kills: int, seed: int) -> Tally:
    random = Random(f"{seed} {database}")
    if database == "sqlite":
        return Trial(sqlite_store, random, None).go(kills, _report)
    server = RestartingServer(fsync=False)
    try:
        return Trial(server.new_store, random, server.restart).go(kills, _report)
    finally:
        server.stop()


def _report(tally: Tally) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{tally.kills} kills, {tally.runs} runs ")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
