"""Scenario 35: no clean store is accused, whatever was stored in it, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storno.domain.seal import NewEvents
from storno.storage.migrate import init
from storno.storage.store import Store
from storno.storage.verification.views import view_problems

from ..projections.histories import History, histories
from ..storage.writing import append, sample_history
from .attacker import found, kept, key_of, readable, told

FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# NUL is in no name of storno's, and PostgreSQL takes none in a text.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
EXAMPLES = [
    b'{"b":1,"a":2}', b'{"a":2,"b":1}', b'{"amount":"1250.00"}', b'{"amount":"1250.0"}',
    b'{"at":"2026-01-31T22:04:05.123456Z"}', '{"name":"Zo\u00eb"}'.encode(),
    '{"name":"Zoe\u0308"}'.encode(), b'{"a":1e3}', b"", b"\x00\xff", b" {} ",
]  # fmt: skip
states = st.one_of(st.sampled_from(EXAMPLES), st.binary(max_size=60))
commits = st.lists(
    st.lists(st.tuples(texts, texts, states), min_size=1, max_size=5), min_size=1, max_size=4
)


@pytest.fixture
def empty(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    yield store
    store.close()


@FEW
@given(drawn=commits)
def test_scenario_35_whatever_is_stored_comes_back_byte_for_byte(
    empty: Store, drawn: list[list[tuple[str, str, bytes]]]
):
    for commit in drawn:
        versions = empty.log.versions([stream for stream, _, _ in commit])
        rows = []
        for stream, topic, state in commit:
            versions[stream] = versions.get(stream, 0) + 1
            rows.append((stream, versions[stream], topic, state))
        empty.log.append(NewEvents.of(rows))
    verification = found(empty, kept(empty), since=kept(empty))
    assert not verification.total, told(verification)
    verification = found(empty)
    assert verification.total == verification.events
    # That is told only where all else holds.
    assert all("does not know events" in each.message for each in verification.problems)


def test_scenario_35_a_run_with_its_views_is_verified(store: Store):
    checkpoint = kept(store)
    checkpoint.verify(key_of(store).public)
    verification = found(store, checkpoint)
    assert not verification.total, told(verification)
    assert (verification.commits, verification.events) == (10, 48)
    last = store.log.head()
    assert last is not None
    assert (verification.head, verification.root) == (last.chain_hash, checkpoint.root)
    assert view_problems(store.log) == ([], 0)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=histories())
def test_scenario_35_no_history_is_accused(
    tmp_path_factory: pytest.TempPathFactory, history: History
):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'storno.db'}"
    init(url)
    store = Store.open(url)
    append(store, history.commits)
    verification = found(store)
    assert {each.field for each in verification.problems} == (
        {"log"} if not history.commits else set()
    )
    assert view_problems(store.log) == ([], 0)
    store.close()


def test_scenario_35_both_databases_hash_the_same_bytes(new_database: Callable[[str], str]):
    history = sample_history(chunks=2)
    roots = []
    for database in ("sqlite", "postgresql"):
        url = new_database(database)
        init(url)
        store = Store.open(url)
        append(store, history.commits)
        roots.append([commit.merkle_root for commit in store.log.commits()])
        assert not found(store).total
        store.close()
    assert roots[0] == roots[1]


def test_a_store_that_is_written_to_meanwhile_is_not_accused(store: Store):
    def write(count: int) -> None:
        for number in range(count):
            store.log.append(readable([f"meanwhile/{number}"] * 2, [1, 2]))

    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(write, 200)
        seen = set()
        while not writing.done() or len(seen) < 2:
            checkpoint = kept(store)
            verification = found(store, checkpoint)
            assert not verification.total, told(verification)
            seen.add(verification.commits)
        writing.result()
    assert found(store).commits == 210


def test_progress_is_reported_up_to_the_end(empty: Store):
    from storno.storage.verification.verify import verify

    for number in range(3):
        names = [f"many/{number}-{place}" for place in range(8_000)]
        empty.log.append(NewEvents(names, [1] * 8_000, ["t"] * 8_000, [b"{}"] * 8_000))
    reports: list[tuple[int, int]] = []
    verify(empty, progress=lambda done, total: reports.append((done, total)))
    assert reports == [(16_000, 24_000)]
