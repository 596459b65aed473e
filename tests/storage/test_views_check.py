"""A view that does not say what the events say is found, and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from storno.storage.engine import writer
from storno.storage.migrate import init
from storno.storage.store import Store
from storno.storage.views.check import MOST_DIFFERENCES, check
from storno.storage.views.generation import live_tables
from storno.storage.views.tables import COLUMNS

from ..oracle import assert_views_agree
from ..projections.histories import History, histories, taken_back_history
from .writing import append, sample_history


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    yield store
    store.close()


def change(store: Store, sql: str) -> None:
    """Change a view by hand; ``{runs}`` stands for the live table of runs."""
    with writer(store.engine).begin() as connection:
        names = {view: live_tables(connection).name(view) for view in COLUMNS}
        assert connection.execute(sa.text(sql.format(**names))).rowcount == 1


ONE_MOVEMENT = "commit_number = 2 AND account = 'creditors'"

CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("runs", "UPDATE {runs} SET failed = 2", {"run": "payments/2024-01"}),
    (
        "attempts",
        "UPDATE {attempts} SET worker = 'nobody' WHERE attempt = 2",
        {"run": "payments/2024-01", "attempt": 2},
    ),
    (
        "checkpoint",
        "UPDATE {checkpoint} SET status = 'failed' WHERE number = 1",
        {"run": "payments/2024-01", "partition": "main", "number": 1},
    ),
    (
        "dead_letters",
        "UPDATE {dead_letters} SET state = 'discarded' WHERE ordinal = 4",
        {"run": "payments/2024-01", "partition": "main", "ordinal": 4},
    ),
    (
        "movements",
        f"UPDATE {{movements}} SET credit = credit - 1 WHERE {ONE_MOVEMENT}",
        {
            "commit_number": 2,
            "book": "main",
            "account": "creditors",
            "currency": "EUR",
            "exponent": 2,
            "posting": "2024-01-31",
            "effective": "2024-01-31",
        },
    ),
    (
        "reversals",
        "UPDATE {reversals} SET approved = 3 WHERE reversal = 'r-0'",
        {"reversal": "r-0"},
    ),
    (
        "periods",
        "UPDATE {periods} SET state = 'closed' WHERE period = '2024-01'",
        {"book": "main", "period": "2024-01"},
    ),
]
OF_REVERSALS = ("reversals", "periods")


def history_with(view: str, chunks: int) -> History:
    return taken_back_history() if view in OF_REVERSALS else sample_history(chunks=chunks)


@pytest.mark.parametrize(("view", "sql", "key"), CHANGES, ids=[view for view, _, _ in CHANGES])
def test_a_changed_value_is_found_in_every_view(
    store: Store, view: str, sql: str, key: dict[str, Any]
):
    append(store, history_with(view, chunks=3).commits)
    change(store, sql)
    found = check(store.log)
    (difference,) = found.differences
    assert found.total == 1
    assert (difference.view, difference.key) == (view, key)
    assert difference.column == sql.split(" SET ")[1].split(" ", maxsplit=1)[0]
    assert difference.live != difference.rebuilt


@pytest.mark.parametrize("view", COLUMNS)
def test_a_missing_row_is_found_in_every_view(store: Store, view: str):
    append(store, history_with(view, chunks=1).commits)
    where = {"movements": f" WHERE {ONE_MOVEMENT}", "reversals": " WHERE reversal = 'r-1'"}.get(
        view, ""
    )
    if view in ("checkpoint", "attempts"):
        column = "number" if view == "checkpoint" else "attempt"
        where = f" WHERE {column} = 1"
    change(store, f"DELETE FROM {{{view}}}{where}")
    (difference,) = check(store.log).differences
    assert (difference.view, difference.column, difference.live) == (view, None, None)
    assert difference.rebuilt is not None


def test_a_row_of_nobodys_is_found(store: Store):
    append(store, sample_history().commits)
    change(store, "INSERT INTO {runs} (run, state) VALUES ('payments/2024-13', 'completed')")
    (difference,) = check(store.log).differences
    assert difference.key == {"run": "payments/2024-13"}
    assert difference.rebuilt is None


def test_a_movement_that_is_there_twice_is_found(store: Store):
    append(store, sample_history().commits)
    change(store, f"INSERT INTO {{movements}} SELECT * FROM {{movements}} WHERE {ONE_MOVEMENT}")
    (difference,) = check(store.log).differences
    assert (difference.view, difference.column) == ("movements", None)
    assert difference.live["account"] == "creditors"
    assert difference.rebuilt is None


def test_a_movement_of_a_commit_that_there_is_not_is_found(store: Store):
    append(store, sample_history().commits)
    change(
        store,
        "INSERT INTO {movements} SELECT 999, book, account, currency, exponent, posting, "
        f"effective, debit, credit, lines FROM {{movements}} WHERE {ONE_MOVEMENT}",
    )
    (difference,) = check(store.log).differences
    assert (difference.key["commit_number"], difference.rebuilt) == (999, None)


def test_movements_put_into_another_commit_are_found_in_both(store: Store):
    append(store, sample_history(chunks=2).commits)
    with writer(store.engine).begin() as connection:
        movements = live_tables(connection)["movements"]
        of_second = movements.c.commit_number == 2
        connection.execute(movements.update().where(of_second).values(commit_number=3))
    found = check(store.log)
    assert found.total == 2
    assert {difference.key["commit_number"] for difference in found.differences} == {2, 3}


def test_of_movements_gone_the_first_are_listed_and_their_commits_are_counted(store: Store):
    append(store, sample_history(chunks=150, size=2).commits)
    with writer(store.engine).begin() as connection:
        connection.execute(live_tables(connection)["movements"].delete())
    found = check(store.log)
    assert (found.total, len(found.differences)) == (150, MOST_DIFFERENCES)


def test_of_many_differences_the_first_are_listed_and_all_are_counted(store: Store):
    append(store, sample_history(chunks=3, size=2).commits)
    with writer(store.engine).begin() as connection:
        for number in range(250):
            runs = live_tables(connection)["runs"]
            connection.execute(runs.insert().values(run=f"payments/{number:04d}"))
    found = check(store.log)
    assert found.total == 250
    assert [difference.key["run"] for difference in found.differences] == [
        f"payments/{number:04d}" for number in range(MOST_DIFFERENCES)
    ]


def test_an_empty_store_agrees(store: Store):
    assert check(store.log) == check(store.log)
    assert check(store.log).total == 0


def test_a_check_leaves_nothing_behind_and_reports_how_far_it_is(store: Store):
    append(store, sample_history().commits)
    tables = set(sa.inspect(store.engine).get_table_names())
    seen: list[tuple[int, int]] = []
    found = check(store.log, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (found.events, found.events)
    assert set(sa.inspect(store.engine).get_table_names()) == tables


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories())
def test_views_written_inline_agree_with_the_events(
    tmp_path_factory: pytest.TempPathFactory, history: History
):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'storno.db'}"
    init(url)
    store = Store.open(url)
    append(store, history.commits)
    store.close()
    assert_views_agree(url)


def test_the_oracle_says_what_differs(store: Store):
    append(store, sample_history().commits)
    assert_views_agree(store.url)
    change(store, "UPDATE {runs} SET state = 'failed'")
    with pytest.raises(AssertionError, match=r"'failed'.*'completed'"):
        assert_views_agree(store.url)
