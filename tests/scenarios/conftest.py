"""The lab, on each database, with its oracle after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab


@pytest.fixture
def lab(store_url: str) -> Iterator[Lab]:
    """A new store to run jobs in; after the test it must be sound."""
    lab = Lab(store_url)
    yield lab
    try:
        lab.check()
    finally:
        lab.close()
