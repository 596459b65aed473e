"""Stores to tamper with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storno.storage.migrate import init
from storno.storage.store import Store

from ..storage.writing import append, sample_history


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A run in six chunks on each database, stopped and resumed; its views are written too."""
    yield from _filled(store_url)


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """The same on SQLite alone."""
    yield from _filled(sqlite_url)


def _filled(url: str) -> Iterator[Store]:
    init(url)
    store = Store.open(url)
    append(store, sample_history(chunks=6).commits)
    yield store
    store.close()
