"""``python -m tests.torture [--kills N] [--database sqlite|postgresql] [--seed N]``."""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from . import disk
from .driver import Tally, Torture
from .servers import RestartingServer, sqlite_store

KILLS_PER_DISK = 50
"""One full disk and one read-only store for so many kills, and at least one."""


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
        _report(None)
        problems += len(tally.problems)
        seconds = time.monotonic() - started
        print(f"{database}: {tally}, {seconds:.0f} s, {len(tally.problems)} problems", end=" ")
        print(f"(seed {options.seed})")
        for problem in tally.problems:
            print(f"  {problem}")
    return 1 if problems else 0


def _torture(database: str, kills: int, seed: int) -> Tally:
    random, tally = Random(f"{seed} {database}"), Tally()
    disks = max(1, kills // KILLS_PER_DISK)
    if database == "sqlite":
        Torture(sqlite_store, random, None, tally).go(kills, _report)
        disk.trials(None, random, disks, tally)
        return tally
    server = RestartingServer(fsync=False)
    try:
        Torture(server.new_store, random, server.restart, tally).go(kills, _report)
        disk.trials(server, random, disks, tally)
    finally:
        server.stop()
    return tally


def _report(tally: Tally | None) -> None:
    """Say how far it is, where a person looks on; None at the end."""
    if sys.stderr.isatty():
        said = "\n" if tally is None else f"\r{tally.kills} kills, {tally.runs} runs "
        sys.stderr.write(said)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
