"""Rebuilding the views: nothing is lost, nobody waits, and a kill leaves what was there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from sqlalchemy import event

from storno.domain.errors import ConflictError, SchemaVersionError
from storno.storage.engine import writer
from storno.storage.migrate import init
from storno.storage.schema import VIEW_GENERATION
from storno.storage.store import Store
from storno.storage.views.check import check
from storno.storage.views.generation import all_generations, live_generation, live_views
from storno.storage.views.rebuild import bring_up_to_date, rebuild
from storno.storage.views.tables import COLUMNS

from .. import forking
from ..cli.command import Storno
from ..oracle import assert_books_hold, assert_views_agree
from ..projections.histories import History, histories, taken_back_history
from .writing import append, sample_history

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    yield store
    store.close()


def generations(store: Store) -> tuple[int, set[int]]:
    """The live generation, and all of which there are tables."""
    with store.engine.connect() as connection:
        return live_generation(connection), all_generations(connection)


def counts(store: Store) -> dict[str, int]:
    with live_views(store.engine) as (connection, tables):
        return {
            view: connection.execute(
                sa.select(sa.func.count()).select_from(tables[view])
            ).scalar_one()
            for view in COLUMNS
        }


def test_a_rebuild_takes_the_place_of_the_views_and_of_nothing_else(store: Store):
    append(store, sample_history().commits)
    before = counts(store)
    rebuilt = rebuild(store.log)
    assert generations(store) == (2, {2})
    assert rebuilt == (2, store.log.head().last_position, ())
    assert counts(store) == before
    assert_views_agree(store.url)


def test_a_rebuild_repairs_what_was_changed(store: Store):
    append(store, sample_history().commits)
    with writer(store.engine).begin() as connection:
        connection.exec_driver_sql("DELETE FROM movements_g1")
    assert check(store.log).total
    rebuild(store.log)
    assert_views_agree(store.url)


def test_the_commit_that_moves_the_pointer_waits_for_the_disk(store: Store):
    """Those before it do not: what is lost of them, no pointer that lasts points to."""
    append(store, sample_history().commits)
    ask, lasting = "SHOW synchronous_commit", "on"
    if store.engine.dialect.name == "sqlite":
        ask, lasting = "PRAGMA synchronous", 2
    seen: list[tuple[int, bool]] = []

    @event.listens_for(store.engine, "commit")
    def see(connection: sa.Connection) -> None:
        execute = connection.connection.driver_connection.execute
        (pointer,) = execute(f"SELECT generation FROM {VIEW_GENERATION.name}").fetchone()
        seen.append((pointer, execute(ask).fetchone()[0] == lasting))

    rebuild(store.log)
    assert (1, False) in seen
    assert next(waits for pointer, waits in seen if pointer == 2)


def test_runs_go_on_after_a_rebuild_by_another_connection(store: Store):
    history = sample_history(chunks=1)
    append(store, history.commits)
    other = Store.open(store.url)
    rebuild(other.log)
    other.close()
    append(store, sample_history(name="2024-02").commits)
    assert_views_agree(store.url)


def test_many_batches_and_the_progress_of_them(store: Store):
    append(store, sample_history(chunks=25, size=1000).commits)
    seen: list[tuple[int, int]] = []
    rebuilt = rebuild(store.log, lambda done, total: seen.append((done, total)))
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1] == (rebuilt.events, rebuilt.events)
    assert_views_agree(store.url)


def test_an_empty_store_is_rebuilt_to_empty_views(store: Store):
    assert rebuild(store.log) == (2, 0, ())
    assert set(counts(store).values()) == {0}


@settings(max_examples=15, deadline=None)
@given(history=histories())
def test_any_history(tmp_path_factory: pytest.TempPathFactory, history: History):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'storno.db'}"
    init(url)
    store = Store.open(url)
    append(store, history.commits)
    rebuild(store.log)
    store.close()
    assert_views_agree(url)


@contextmanager
def beside(module: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has begun with its work when this is entered."""
    process = forking.start(
        [sys.executable, "-m", f"tests.storage.{module}", url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline()
        yield process
        process.stdin.close()
        process.stdout.read()
    assert process.returncode == 0


def more(store: Store, appender: subprocess.Popen[str], done: int) -> int:
    """Wait until something is appended behind a commit; the number of the last one then."""
    while (number := store.log.head().number) <= done:
        assert appender.stdout.readline(), "the appender ended"
    return number


def shown(reader: subprocess.Popen[str], generation: int, number: int) -> None:
    """Wait until the reader has found a commit in the views, in this generation or a later one."""
    seen = (0, 0)
    while seen[0] < generation or seen[1] < number:
        line = reader.stdout.readline()
        assert line, "the reader ended"
        seen = tuple(map(int, line.split()))


def test_rebuilds_while_another_process_appends_lose_nothing(store: Store):
    append(store, sample_history(chunks=5, size=200).commits)
    with beside("appender", store.url) as appender:
        for _ in range(3):
            done = store.log.head().number
            rebuild(store.log)
            more(store, appender, done)
    assert generations(store)[0] == 4
    assert_views_agree(store.url)


def test_live_views_serve_while_they_are_rebuilt_and_the_swap_loses_nothing(store: Store):
    append(store, sample_history(chunks=25, size=1000).commits)
    with beside("appender", store.url) as appender, beside("reader", store.url) as reader:
        for live in (1, 2):
            served = 0

            def meanwhile(done: int, total: int, live: int = live) -> None:
                """Behind each batch: what is appended now is read at once, in the live views."""
                nonlocal served
                served += generations(store)[0] == live
                shown(reader, live, more(store, appender, store.log.head().number))

            rebuild(store.log, meanwhile, patience_seconds=0)
            assert served >= 3
            shown(reader, live + 1, more(store, appender, store.log.head().number))
    assert generations(store)[0] == 3
    assert_views_agree(store.url)


KILLED = """
import os, signal, sys
from storno.storage.store import Store
from storno.storage.views.rebuild import rebuild
rebuild(Store.open(sys.argv[1]).log, lambda done, total: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_rebuild_leaves_the_live_views_and_the_next_one_cleans_up(store: Store):
    append(store, sample_history().commits)
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", KILLED, store.url], check=False)
        assert killed.returncode == -signal.SIGKILL
        live, there = generations(store)
        assert live == 1
        assert len(there) == 2
        assert_views_agree(store.url)
    append(store, sample_history(name="2024-02").commits)
    rebuilt = rebuild(store.log)
    assert generations(store) == (rebuilt.generation, {rebuilt.generation})
    assert_views_agree(store.url)


def test_of_two_rebuilds_the_later_one_wins_and_the_earlier_one_says_so(store: Store):
    append(store, sample_history().commits)
    with pytest.raises(ConflictError, match="Another rebuild"):
        rebuild(store.log, lambda done, total: rebuild(store.log) and None)
    assert len(generations(store)[1]) == 1
    assert_views_agree(store.url)


def test_readers_keep_what_they_read_and_are_not_waited_for(store: Store):
    append(store, sample_history().commits)
    with live_views(store.engine) as (connection, tables):
        runs = sa.select(sa.func.count()).select_from(tables["runs"])
        assert connection.execute(runs).scalar_one() == 1
        rebuilt = rebuild(store.log, patience_seconds=0)
        assert connection.execute(runs).scalar_one() == 1
        assert rebuilt.left_over == ((1,) if store.dialect == "postgresql" else ())
        append(store, sample_history(name="2024-02").commits)
    rebuilt = rebuild(store.log)
    assert generations(store) == (rebuilt.generation, {rebuilt.generation})


def test_views_of_another_version_are_refused_and_made_anew_by_a_migration(store: Store):
    history = sample_history(chunks=1)
    append(store, history.commits)
    with writer(store.engine).begin() as connection:
        connection.execute(VIEW_GENERATION.update().values(view="views.v0"))
    with pytest.raises(SchemaVersionError, match="storno db migrate"):
        Store.open(store.url)
    with pytest.raises(SchemaVersionError):
        append(store, sample_history(name="2024-02").commits)
    assert bring_up_to_date(store.log)
    assert not bring_up_to_date(store.log)
    append(store, sample_history(name="2024-02").commits)
    assert_views_agree(store.url)
    assert generations(store) == (2, {2})


ADDED_IN_2 = {
    "runs": ("reversed", "reversal"),
    "dead_letters": ("moved_to", "settled_by", "settled_at", "reason"),
}


def as_version_1_left_it(store: Store) -> None:
    """Views as they were before there were reversals and periods."""
    with writer(store.engine).begin() as connection:
        for view in ("reversals", "periods"):
            connection.exec_driver_sql(f"DROP TABLE {view}_g1")
        for view, columns in ADDED_IN_2.items():
            for column in columns:
                connection.exec_driver_sql(f"ALTER TABLE {view}_g1 DROP COLUMN {column}")
        connection.execute(VIEW_GENERATION.update().values(view="views.v1"))


def test_a_store_of_version_1_is_refused_and_brought_forward(store: Store, tmp_path: Path):
    append(store, sample_history().commits)
    as_version_1_left_it(store)
    with pytest.raises(SchemaVersionError, match="storno db migrate"):
        Store.open(store.url)
    storno = Storno(tmp_path, {"STORNO_STORE": store.url})
    assert "storno db migrate" in storno("runs", code=None).stderr
    assert storno.json("db", "migrate")["views_rebuilt"] is True
    assert [run["reversed"] for run in storno.json("runs")] == [0]
    assert storno.json("db", "migrate")["views_rebuilt"] is False
    append(store, taken_back_history("2024-02").commits)
    assert generations(store) == (2, {2})
    assert_views_agree(store.url)
    assert_books_hold(store.url)
