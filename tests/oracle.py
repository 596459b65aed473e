"""What must hold after every test, however the store came to be as it is."""

from __future__ import annotations

from storno.storage.store import Store
from storno.storage.views.check import check

from .bookkeeping import book_faults


def assert_views_agree(store_url: str) -> None:
    """Every live view equals a rebuild from the events."""
    store = Store.open(store_url)
    try:
        found = check(store.log)
    finally:
        store.close()
    assert not found.total, "\n".join(map(str, found.differences))


def assert_books_hold(store_url: str) -> None:
    """What the events say, read without storno's folds and views, is what correct books say."""
    store = Store.open(store_url)
    try:
        faults = book_faults(store)
    finally:
        store.close()
    assert not faults, "\n".join(faults)
