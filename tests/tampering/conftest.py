"""Stores to tamper with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from storno.storage.store import Store

from ..storage.writing import append, sample_history


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    """A run in six chunks on each database, stopped and resumed; its views are written too."""
    yield from _filled(made_url)


@pytest.fixture
def sqlite_store(new_store: Callable[[str], str]) -> Iterator[Store]:
    """The same on SQLite alone."""
    yield from _filled(new_store("sqlite"))


def _filled(url: str) -> Iterator[Store]:
    store = Store.open(url)
    append(store, sample_history(chunks=6).commits)
    yield store
    store.close()
