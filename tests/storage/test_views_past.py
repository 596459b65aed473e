"""The views as they stood: a replay says at every commit what the live views said then."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from sqlalchemy.exc import OperationalError

from storno.domain.errors import NotFoundError, StoreError
from storno.storage import queries
from storno.storage.engine import writer
from storno.storage.migrate import init
from storno.storage.store import Store
from storno.storage.views.check import check
from storno.storage.views.generation import live_views
from storno.storage.views.past import reached, views_at
from storno.storage.views.rebuild import rebuild
from storno.storage.views.replay import Reach
from storno.storage.views.tables import COLUMNS, ViewTables

from ..oracle import assert_views_agree
from ..projections.histories import (
    History,
    Posting,
    histories,
    repaired_history,
    taken_back_history,
)
from .writing import append, sample_history

Views = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    yield store
    store.close()


def dump(connection: sa.Connection, tables: ViewTables) -> Views:
    """Every row of every view, in an order that does not depend on how it was written."""
    return {
        view: sorted(map(tuple, connection.execute(sa.select(tables[view]))), key=repr)
        for view in COLUMNS
    }


def live(store: Store) -> Views:
    with live_views(store.engine) as (connection, tables):
        return dump(connection, tables)


def replayed(store: Store, at: Reach | None = None) -> Views:
    with views_at(store.log, at) as (connection, tables):
        return dump(connection, tables)


def assert_every_commit_is_replayed(store: Store, history: History) -> None:
    stood = [live(store)]
    for commit in history.commits:
        append(store, [commit])
        stood.append(live(store))
    assert replayed(store) == stood[-1]
    for number, views in enumerate(stood):
        assert replayed(store, Reach(number)) == views
    assert live(store) == stood[-1]
    assert len(stood) > 1


def test_a_life_of_repairs_is_replayed_at_every_commit(store: Store):
    assert_every_commit_is_replayed(store, repaired_history())


def test_a_reversal_is_replayed_at_every_commit(store: Store):
    assert_every_commit_is_replayed(store, taken_back_history())


@settings(max_examples=10, deadline=None)
@example(sample_history())
@given(histories(max_steps=15))
def test_any_history_is_replayed_at_every_commit(
    tmp_path_factory: pytest.TempPathFactory, history: History
):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'storno.db'}"
    init(url)
    store = Store.open(url)
    assert_every_commit_is_replayed(store, history)
    store.close()


def balance_of(store: Store, as_of: int | None = None, **chosen: Any) -> dict[str, int]:
    rows = queries.balances(store, as_of=as_of, **chosen)
    return {row.account: row.debit - row.credit for row in rows}


def times(store: Store) -> list[int]:
    return [commit.recorded_at for commit in store.log.commits()]


def test_the_books_of_a_time_are_what_the_live_books_were(store: Store):
    stood = [{}]
    lines: list[list[queries.AccountLine]] = [[]]
    for commit in taken_back_history().commits:
        append(store, [commit])
        stood.append(balance_of(store))
        lines.append(list(queries.account_lines(store, Posting.sample().account)))
    moments = times(store)
    for number, recorded_at in enumerate(moments, 1):
        if moments.count(recorded_at) > 1:
            continue  # of commits with the same time only the last can be asked for
        assert balance_of(store, recorded_at) == stood[number]
        assert (
            list(queries.account_lines(store, Posting.sample().account, as_of=recorded_at))
            == lines[number]
        )
    assert balance_of(store, moments[0] - 1) == {}
    assert balance_of(store, moments[-1] + 1) == stood[-1] != {}


def test_what_was_recorded_and_what_is_effective_are_chosen_apart(store: Store):
    history = History()
    history.start("2024-01")
    january, february = dt.date(2024, 1, 31), dt.date(2024, 2, 1)
    early = Posting("expense:rent", 100, "EUR", january)
    for late in (
        Posting("expense:rent", 20, "EUR", february),
        Posting("expense:rent", 3, "EUR", january),
    ):
        history.complete_chunk("2024-01", [early, late])
    append(store, history.commits)
    *_, before_last, last = times(store)
    if before_last == last:
        pytest.skip("the clock did not move between two commits")
    both = {"as_of": before_last, "effective_to": january}
    assert balance_of(store, **both)["expense:rent"] == 100
    assert balance_of(store, effective_to=january)["expense:rent"] == 203
    assert balance_of(store, as_of=before_last)["expense:rent"] == 120


def test_it_answers_from_the_events_and_not_from_the_live_views(store: Store):
    append(store, sample_history().commits)
    right, now = balance_of(store), times(store)[-1]
    with writer(store.engine).begin() as connection:
        connection.exec_driver_sql("UPDATE movements_g1 SET debit = debit + 1")
        connection.exec_driver_sql("DELETE FROM runs_g1")
    assert balance_of(store) != right
    assert balance_of(store, now) == right
    assert replayed(store)["runs"]
    assert not live(store)["runs"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"book": "none"},
        {"account": "expense:rent"},
        {"account": "expense:*"},
        {"currency": "EUR"},
        {"effective_to": dt.date(2024, 1, 31), "account": "*"},
        {"posting_to": dt.date(2024, 1, 31), "currency": "EUR"},
    ],
)
def test_books_of_a_time_are_chosen_from_like_those_of_today(store: Store, chosen: dict[str, Any]):
    append(store, taken_back_history().commits)
    history = History()
    history.start("2024-02")
    days = [dt.date(2024, 1, 30), dt.date(2024, 2, 1)]
    accounts, currencies = ("expense:rent", "income:rent"), ("EUR", "JPY")
    history.complete_chunk(
        "2024-02",
        [
            Posting(account, 7, currency, day)
            for account in accounts
            for currency in currencies
            for day in days
        ],
    )
    append(store, history.commits)
    today = queries.balances(store, **chosen)
    assert queries.balances(store, as_of=times(store)[-1], **chosen) == today
    assert bool(today) is (chosen != {"book": "none"})
    assert today != queries.balances(store)


def test_rows_that_sqlite_would_keep_in_memory_are_in_a_file_that_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store
):
    append(store, sample_history().commits)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with views_at(store.log) as (connection, tables):
        assert dump(connection, tables) == live(store)
        if store.dialect == "sqlite":
            *_, (_, name, path) = connection.exec_driver_sql("PRAGMA database_list")
            assert (name, Path(path).parent.parent) == ("scratch", folder)
    assert list(folder.iterdir()) == []
    if store.dialect == "sqlite":
        with store.engine.connect() as connection:
            rows = connection.exec_driver_sql("PRAGMA database_list").all()
            assert [row[1] for row in rows] == ["main"]


def test_a_position_stands_for_its_whole_commit(store: Store):
    append(store, sample_history().commits)
    for commit in store.log.commits():
        for position in (commit.first_position, commit.last_position):
            at = queries.moment_of(store, position=position)
            assert at == Reach(commit.number, commit.last_position, commit.recorded_at)
            assert reached(store.log, position=position) == at
    assert queries.moment_of(store, position=0) == Reach()
    with pytest.raises(NotFoundError, match="the last one is at"):
        queries.moment_of(store, position=store.log.head().last_position + 1)


def test_a_replay_leaves_nothing_behind_and_connections_that_only_read(store: Store):
    append(store, sample_history().commits)
    for _ in range(2):
        assert replayed(store) == live(store)
    if store.dialect == "sqlite":
        with store.engine.connect() as connection, pytest.raises(OperationalError):
            connection.exec_driver_sql("DELETE FROM runs_g1")


def test_many_batches_and_commits_of_every_size(store: Store):
    append(store, sample_history(chunks=30, size=1000).commits)
    append(store, sample_history(chunks=3, size=1, name="2024-02").commits)
    seen: list[tuple[int, int]] = []
    with views_at(store.log, None, lambda *progress: seen.append(progress)) as (connection, tables):
        views = dump(connection, tables)
    assert views == live(store)
    last = store.log.head().last_position
    assert len(seen) > 1
    assert seen[-1] == (last, last)
    assert_views_agree(store.url)


BROKEN = "UPDATE events SET state = {bytes} WHERE topic = 'storno.RecordSucceeded.v1'"


def test_a_state_that_holds_two_events_is_refused(store: Store):
    append(store, sample_history(chunks=1).commits)
    with writer(store.engine).begin() as connection:
        if store.dialect == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER events_no_update")
            connection.exec_driver_sql(BROKEN.format(bytes="CAST(state || ',' || state AS BLOB)"))
        else:
            connection.exec_driver_sql("DROP TRIGGER events_append_only ON events")
            connection.exec_driver_sql(BROKEN.format(bytes="state || ','::bytea || state"))
    reads = (lambda: check(store.log), lambda: rebuild(store.log), lambda: replayed(store))
    for read in reads:
        with pytest.raises(StoreError, match="the postings of commit 2 cannot be read"):
            read()
