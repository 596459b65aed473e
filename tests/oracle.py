"""What must hold after every test, however the store came to be as it is."""

from __future__ import annotations

from contextlib import closing

from storno.storage.store import Store
from storno.storage.views.check import check

from .bookkeeping import book_faults


def assert_sound(store_url: str) -> None:
    """The views agree and the books hold, as somebody finds who opens the store anew."""
    with closing(Store.open(store_url)) as store:
        _compare_views(store)
        _audit(store)


def assert_views_agree(store_url: str) -> None:
    """Every live view equals a rebuild from the events."""
    with closing(Store.open(store_url)) as store:
        _compare_views(store)


def assert_books_hold(store_url: str) -> None:
    """What the events say, read without storno's folds and views, is what correct books say."""
    with closing(Store.open(store_url)) as store:
        _audit(store)


def _compare_views(store: Store) -> None:
    found = check(store.log)
    assert not found.total, "\n".join(map(str, found.differences))


def _audit(store: Store) -> None:
    faults = book_faults(store)
    assert not faults, "\n".join(faults)
