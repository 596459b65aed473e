"""What is left after a kill, held against the input: the oracle."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

import sqlalchemy as sa

from storno.domain.codec import decode
from storno.domain.events import RecordFailed, RecordSucceeded
from storno.domain.seal import EMPTY_CHAIN, commit_leaf, event_leaf, merkle_root
from storno.storage.log import EventLog, Row
from storno.storage.store import Store
from storno.storage.views.check import check

RECORDS = 5_000
"""Of the input of a run."""

ACCOUNTS = 40


@dataclass(frozen=True, slots=True)
class Input:
    """An input file, and what a run of it comes to.

    Attributes:
        records: how many it has.
        good: key to amount in minor units, of those that can be posted.
        bad: how many cannot.
        repeated: how many repeat a key with the same content.
    """

    records: int
    good: dict[str, int]
    bad: int
    repeated: int


def write_input(folder: Path, run: str, records: int, random: Random) -> Input:
    """A file of invoices: most are good, some are not, and some come twice."""
    good: dict[str, int] = {}
    bad = repeated = 0
    rows: list[list[str]] = []
    for number in range(records):
        key = f"{run}-{number:06d}"
        row = [key, f"expense:{random.randrange(ACCOUNTS):02d}", f"2026-01-{1 + number % 28:02d}"]
        fate = random.random()
        if fate < 0.01:
            bad += 1
            rows.append([*row, "1,234.50"])
        elif fate < 0.02 and rows and good:
            repeated += 1
            rows.append(random.choice([each for each in rows if each[0] in good]))
        else:
            good[key] = random.randrange(100, 1_000_000)
            rows.append([*row, str(Decimal(good[key]) / 100)])
    with (folder / f"{run}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("number", "account", "date", "amount"), *rows])
    return Input(records, good, bad, repeated)


def faults(url: str, run: str, given: Input, acknowledged: int, *, completed: bool) -> list[str]:
    """Everything that is wrong with a store after a kill; nothing, if all is well.

    Args:
        acknowledged: how many records the store told the victim were committed.
        completed: whether the run should be at its end.
    """
    store = Store.open(url)
    try:
        rows = [row for page in pages(store.log) for row in page]
        found = [*log_faults(store.log, rows), *_record_faults(rows, run, given, completed)]
        found += _count_faults(store, run, given, acknowledged, completed)
        compared = check(store.log)
        found += [f"view differs: {difference}" for difference in compared.differences]
    finally:
        store.close()
    return found


def pages(log: EventLog) -> list[list[Row]]:
    pages: list[list[Row]] = []
    after = 0
    while page := log.read_log(after_position=after, limit=5_000):
        pages.append(page)
        after = page[-1].position
    return pages


def log_faults(log: EventLog, rows: list[Row]) -> list[str]:
    """Positions without gaps, and a chain that can be recomputed."""
    if [row.position for row in rows] != list(range(1, len(rows) + 1)):
        return ["positions have gaps"]
    chain, after = EMPTY_CHAIN, 0
    found = []
    while commits := log.commits(after_number=after):
        for commit in commits:
            events = rows[commit.first_position - 1 : commit.last_position]
            leaves = [event_leaf(row.stream, row.version, row.topic, row.state) for row in events]
            root = merkle_root(leaves)
            chain = commit_leaf(
                commit.number, commit.first_position, commit.count, commit.recorded_at, root, chain
            )
            if (root, chain) != (commit.merkle_root, commit.chain_hash):
                found.append(f"commit {commit.number} is not what its hashes say")
        after = commits[-1].number
    return found


def _record_faults(rows: list[Row], run: str, given: Input, completed: bool) -> list[str]:
    posted: Counter[str] = Counter()
    amounts: dict[str, int] = {}
    failed = 0
    for row in rows:
        if not row.stream.startswith("record/"):
            continue
        event = decode(row.topic, row.state)
        if isinstance(event, RecordFailed):
            failed += event.run == run
        elif isinstance(event, RecordSucceeded) and event.run == run:
            key = row.stream.rpartition("/")[2]
            posted[key] += 1
            amounts[key] = sum(
                line.minor for entry in event.entries for line in entry.lines if line.side == "D"
            )
    found = [f"{key} was posted {times} times" for key, times in posted.items() if times > 1]
    found += [
        f"{key} was posted with {amount}, not {given.good.get(key)}"
        for key, amount in amounts.items()
        if amount != given.good.get(key)
    ]
    if completed and set(amounts) != set(given.good):
        found.append(f"{len(set(given.good) - set(amounts))} good records are lost")
    if completed and failed != given.bad:
        found.append(f"{failed} records failed, not {given.bad}")
    return found


def _count_faults(
    store: Store, run: str, given: Input, acknowledged: int, completed: bool
) -> list[str]:
    from storno.storage.views.generation import live_tables

    with store.engine.connect() as connection:
        views = live_tables(connection)
        row = connection.execute(
            sa.select(views["runs"]).where(views["runs"].c.name == run)
        ).one_or_none()
        moved = connection.execute(
            sa.select(
                sa.func.sum(views["movements"].c.debit),
                sa.func.sum(views["movements"].c.credit),
            )
        ).one()
    found = []
    if moved[0] != moved[1]:
        found.append(f"debits {moved[0]} are not credits {moved[1]}")
    if row is None:
        return [*found, "the run is not there"] if acknowledged or completed else found
    if row.read != row.succeeded + row.skipped + row.failed + row.discarded:
        found.append(f"counts do not reconcile: {row}")
    if row.read < acknowledged:
        found.append(f"{acknowledged} records were acknowledged, {row.read} are there")
    expected = (given.records, len(given.good), given.repeated, given.bad)
    if completed and (row.read, row.succeeded, row.skipped, row.failed) != expected:
        found.append(f"the run came to {row}, not {expected}")
    return found
