"""``python -m tests.torture [--what WHAT] [--kills N] [--database NAME] [--seed N]``."""

from __future__ import annotations

import argparse
import sys
import time
from random import Random

from . import disk
from .driver import RunLife, Tally, Torture
from .servers import RestartingServer, sqlite_store
from .taking_back import BillLife

KILLS_PER_DISK = 50
"""One full disk and one read-only store for so many kills, and at least one."""

RUNS, TAKING_BACK = "runs", "taking-back"
DATABASES = ("sqlite", "postgresql")


def main() -> int:
    """Torture; exit code 1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--what", choices=[RUNS, TAKING_BACK], action="append")
    parser.add_argument("--kills", type=int, default=500, help="of each, on each database")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    problems = 0
    for database in options.database or DATABASES:
        for what in options.what or (RUNS, TAKING_BACK):
            started = time.monotonic()
            tally = _torture(database, what, options.kills, options.seed)
            _report(None)
            problems += len(tally.problems)
            seconds = time.monotonic() - started
            print(f"{database}, {what}: {tally}, {seconds:.0f} s,", end=" ")
            print(f"{len(tally.problems)} problems (seed {options.seed})")
            for problem in tally.problems:
                print(f"  {problem}")
    return 1 if problems else 0


def _torture(database: str, what: str, kills: int, seed: int) -> Tally:
    if database == "sqlite":
        return _in_stores(None, Random(f"{seed} {database}"), what, kills)
    server = RestartingServer(fsync=False)
    try:
        return _in_stores(server, Random(f"{seed} {database}"), what, kills)
    finally:
        server.stop()


def _in_stores(server: RestartingServer | None, random: Random, what: str, kills: int) -> Tally:
    tally = Tally()
    new_store = sqlite_store if server is None else server.new_store
    restart = None if server is None else server.restart
    life = BillLife if what == TAKING_BACK else RunLife
    Torture(new_store, random, restart, tally, life).go(kills, _report)
    if what == RUNS:
        disk.trials(server, random, max(1, kills // KILLS_PER_DISK), tally)
    return tally


def _report(tally: Tally | None) -> None:
    """Say how far it is, where a person looks on; None at the end."""
    if sys.stderr.isatty():
        said = "\n" if tally is None else f"\r{tally.kills} kills "
        sys.stderr.write(said)
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
