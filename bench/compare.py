"""The comparison: every leg in turn, several rounds, on each database."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .child import MODULES
from .connect import sqlite_path
from .invoices import write_invoices
from .stores import SqliteStores, Stores, open_stores
from .task import Task, run_in_child

STORNO = "storno"
FLOOR = "floor"
DBOS = "dbos"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to run.

    Attributes:
        rounds: how often each leg runs on each database.
        records: invoices in the file.
        dbos_records: invoices for DBOS, which takes milliseconds for each.
        databases: names from ``bench.stores.DATABASES``.
        folder: where the files, stores and server live.
        keep: leave the stores standing when done.
    """

    rounds: int
    records: int
    dbos_records: int
    databases: Sequence[str]
    folder: Path
    keep: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """One leg, once."""

    round: int
    database: str
    leg: str
    records: int
    seconds: float
    records_per_second: float
    cpu_seconds: float
    peak_bytes: int
    disk_bytes: int
    stored: dict[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All measurements, and what they were made on."""

    measurements: list[Measurement]
    databases: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The files the legs read."""

    invoices: Path
    few_invoices: Path
    rows: Path


def compare(plan: Plan) -> Comparison:
    """Run the plan.

    Raises:
        BenchError: a leg failed or wrote something else than it should.
    """
    inputs = _prepare(plan)
    with ExitStack() as stack:
        stores = {
            database: stack.enter_context(open_stores(database, plan.folder))
            for database in plan.databases
        }
        measurements = [
            _measure(plan, inputs, stores[database], number, database, leg)
            for number, database, leg in _turns(plan)
        ]
        facts = {database: stores[database].facts() for database in plan.databases}
    return Comparison(measurements, facts)


def _prepare(plan: Plan) -> _Inputs:
    """Write the invoices, and run Storno once for the event rows that the floor inserts."""
    invoices = write_invoices(plan.folder / "invoices.csv", plan.records)
    few = write_invoices(plan.folder / "few_invoices.csv", plan.dbos_records)
    url = SqliteStores(plan.folder).create("rows")
    run_in_child(Task(STORNO, url, str(invoices), plan.records))
    return _Inputs(invoices, few, Path(sqlite_path(url)))


def _turns(plan: Plan) -> Iterator[tuple[int, str, str]]:
    """Round, database and leg in running order; each round begins with another leg."""
    legs = list(MODULES)
    for number in range(plan.rounds):
        first = number % len(legs)
        for database in plan.databases:
            for leg in legs[first:] + legs[:first]:
                yield number + 1, database, leg


def _measure(
    plan: Plan, inputs: _Inputs, stores: Stores, number: int, database: str, leg: str
) -> Measurement:
    records = plan.dbos_records if leg == DBOS else plan.records
    source = {DBOS: inputs.few_invoices, FLOOR: inputs.rows}.get(leg, inputs.invoices)
    url = stores.create(f"{leg}_{number}")
    os.sync()
    outcome = run_in_child(Task(leg, url, str(source), records))
    disk_bytes = stores.size(url)
    if not plan.keep:
        stores.drop(url)
    print(f"round {number}: {database} {leg}: {outcome.seconds:.2f} s", file=sys.stderr)
    return Measurement(
        round=number,
        database=database,
        leg=leg,
        records=records,
        seconds=outcome.seconds,
        records_per_second=records / outcome.seconds,
        cpu_seconds=outcome.cpu_seconds,
        peak_bytes=outcome.peak_bytes,
        disk_bytes=disk_bytes,
        stored=outcome.stored,
    )
