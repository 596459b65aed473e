"""The lab, on each database, with its oracle after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from .lab import Lab


@contextmanager
def checked(url: str, *, is_new: bool = True) -> Iterator[Lab]:
    lab = Lab(url, is_new=is_new)
    yield lab
    try:
        lab.check()
    finally:
        lab.close()


@pytest.fixture
def lab(made_url: str) -> Iterator[Lab]:
    """A new store to run jobs in; after the test it must be sound."""
    with checked(made_url, is_new=False) as lab:
        yield lab


@pytest.fixture
def sqlite_lab(new_store: Callable[[str], str]) -> Iterator[Lab]:
    """The same on SQLite alone, for what the database has no part in."""
    with checked(new_store("sqlite"), is_new=False) as lab:
        yield lab
