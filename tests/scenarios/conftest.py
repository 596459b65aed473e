"""The lab, on each database, with its oracle after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .lab import Lab


@contextmanager
def checked(url: str) -> Iterator[Lab]:
    lab = Lab(url)
    yield lab
    try:
        lab.check()
    finally:
        lab.close()


@pytest.fixture
def lab(store_url: str) -> Iterator[Lab]:
    """A new store to run jobs in; after the test it must be sound."""
    with checked(store_url) as lab:
        yield lab


@pytest.fixture
def sqlite_lab(sqlite_url: str) -> Iterator[Lab]:
    """The same on SQLite alone, for what the database has no part in."""
    with checked(sqlite_url) as lab:
        yield lab
