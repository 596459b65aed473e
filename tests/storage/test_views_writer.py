"""What the statements write is what ``apply`` says, on every database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings

from storno.projections.changes import Changes, Sums, Tables, Upsert, apply
from storno.projections.project import project
from storno.storage.dialect import Commit
from storno.storage.engine import writer as writes
from storno.storage.views import writer
from storno.storage.views.batch import NUL_SIGN, Batch
from storno.storage.views.movement_rows import MovementValues
from storno.storage.views.tables import COLUMNS, MOVEMENTS, Kind, ViewTables, temporary_tables

from ..projections.histories import (
    History,
    histories,
    repaired_history,
    settled_history,
    taken_back_history,
)

ON_REAL_DATABASES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Scratch:
    """Views that are gone after the test."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.tables: ViewTables = temporary_tables()

    def write(self, changes: Changes, number: int = 1, recorded_at: int = 1_000_000) -> None:
        prepared = writer.prepare(self.connection.dialect.name, changes)
        commit = Commit(number, number, 1, recorded_at, b"", b"")
        writer.write(self.connection, self.tables, prepared, commit)

    def read(self) -> dict[str, list[dict[str, Any]]]:
        return {
            view: [
                dict(row)
                for row in self.connection.execute(sa.select(self.tables[view])).mappings()
            ]
            for view in COLUMNS
        }


@pytest.fixture
def scratch(engine: sa.Engine) -> Iterator[Scratch]:
    with writes(engine).connect() as connection:
        yield Scratch(connection)


def fresh(scratch: Scratch) -> Scratch:
    scratch.connection.rollback()
    scratch.tables.create(scratch.connection)
    return scratch


def reference(history: History) -> dict[str, list[dict[str, Any]]]:
    tables = Tables()
    for number, commit in enumerate(history.commits, 1):
        apply(tables, project(commit), number, number * 1_000_000)
    rows = {view: [whole(view, row) for row in rows.values()] for view, rows in tables.rows.items()}
    rows[MOVEMENTS] = [
        dict(
            zip(
                COLUMNS[MOVEMENTS],
                (number, *movement[:4], *map(str, movement[4:]), *sums),
                strict=True,
            )
        )
        for number, movement, sums in tables.movements
    ]
    return rows


def whole(view: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what the database puts where nothing was put."""
    empty = {name: 0 if kind is Kind.COUNT else None for name, kind in COLUMNS[view].items()}
    return empty | {
        name: value.replace("\0", NUL_SIGN) if isinstance(value, str) else value
        for name, value in row.items()
    }


def assert_same(
    found: dict[str, list[dict[str, Any]]], expected: dict[str, list[dict[str, Any]]]
) -> None:
    for view in COLUMNS:
        assert sorted(found[view], key=repr) == sorted(expected[view], key=repr), view


@ON_REAL_DATABASES
@example(history=settled_history())
@example(history=repaired_history())
@example(history=taken_back_history())
@given(history=histories())
def test_commit_by_commit(scratch: Scratch, history: History):
    fresh(scratch)
    for number, commit in enumerate(history.commits, 1):
        scratch.write(project(commit), number, number * 1_000_000)
    assert_same(scratch.read(), reference(history))


@ON_REAL_DATABASES
@example(history=settled_history())
@example(history=repaired_history())
@example(history=taken_back_history())
@given(history=histories())
def test_many_commits_at_once(scratch: Scratch, history: History):
    fresh(scratch)
    batch = Batch()
    for number, commit in enumerate(history.commits, 1):
        batch.add(project(commit), number, number * 1_000_000)
    writer.write_batch(scratch.connection, scratch.tables, batch)
    assert_same(scratch.read(), reference(history))


def sums_of(accounts: Mapping[str, tuple[int, int, int]]) -> Sums:
    places = {account: place for place, account in enumerate(accounts)}
    debits, credits_, lines = zip(*accounts.values(), strict=True)
    return Sums(places, list(debits), list(credits_), list(lines))


@pytest.mark.parametrize("count", [1, 31, 32, 999, 1000, 1001, 2345])
def test_any_number_of_movements(scratch: Scratch, count: int):
    fresh(scratch)
    shared = ("main", "EUR", 2, dt.date(2024, 2, 1), dt.date(2024, 1, 31))
    many = sums_of({f"expense:{number:05d}": (number, -number, 1) for number in range(count)})
    few = sums_of({"cash": (0, 7, 2), "bank": (7, 0, 3)})
    changes = Changes(movements={shared: many, ("tax", "JPY", 0, *shared[3:]): few})
    expected = [
        (7, book, account, *unit, "2024-02-01", "2024-01-31", *amounts)
        for (book, *unit, _, _), sums in changes.movements.items()
        for account, *amounts in sums.rows()
    ]
    scratch.write(changes, number=7)
    assert sorted(map(in_order, scratch.read()[MOVEMENTS])) == sorted(expected)
    values = MovementValues()
    values.add(7, changes.movements)
    assert sorted(values.rows()) == sorted(expected)
    assert sorted(zip(*values.columns(), strict=True)) == sorted(expected)


def in_order(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in COLUMNS[MOVEMENTS])


def test_any_number_of_dead_letters(scratch: Scratch):
    fresh(scratch)
    rows = [
        Upsert("dead_letters", ("job/run", "main", ordinal), put={"message": f"bad {ordinal}"})
        for ordinal in range(2_345)
    ]
    scratch.write(Changes(rows=list(rows)))
    found = {row["ordinal"]: row["message"] for row in scratch.read()["dead_letters"]}
    assert found == {row.key[2]: row.put["message"] for row in rows}


@pytest.mark.parametrize("others", [0, 100])
def test_a_movement_beyond_64_bits_is_kept_in_parts(scratch: Scratch, others: int):
    fresh(scratch)
    day = dt.date(2024, 1, 31)
    lines = 20_001
    cash = (lines * 10**15, -lines * 10**15, lines)
    assert cash[0] > 2**63
    accounts = {f"expense:{number}": (number, 0, 1) for number in range(others)}
    sums = sums_of(accounts | {"cash": cash})
    scratch.write(Changes(movements={("main", "EUR", 2, day, day): sums}))
    rows = scratch.read()[MOVEMENTS]
    of_cash = [row for row in rows if row["account"] == "cash"]
    assert len(of_cash) > 1
    found = tuple(sum(row[name] for row in of_cash) for name in ("debit", "credit", "lines"))
    assert found == cash
    assert sorted((row["account"], row["debit"]) for row in rows if row["account"] != "cash") == [
        (account, debit) for account, (debit, _, _) in sorted(accounts.items())
    ]
