"""What commits move in the ledger, as the values of rows of the view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ...projections.changes import Movement
from .tables import COLUMNS, MOVEMENTS

SAFE_LINES: Final = 9_000
"""So many lines at the cap of 10^15 minor units each still sum up within 64 bits."""

MOVEMENT_WIDTH: Final = len(COLUMNS[MOVEMENTS])


def flat_movements(number: int, movements: Mapping[Movement, list[int]]) -> list[Any]:
    """The values of a commit's rows, one row after the other, in the order of the columns.

    Args:
        number: the commit's.
        movements: the commit's.
    """
    flat: list[Any] = []
    extend = flat.extend
    dates: dict[dt.date, str] = {}
    for movement, sums in movements.items():
        book, account, currency, exponent, posting, effective = movement
        post = dates.get(posting) or dates.setdefault(posting, posting.isoformat())
        effect = dates.get(effective) or dates.setdefault(effective, effective.isoformat())
        if sums[2] <= SAFE_LINES:
            extend((number, book, account, currency, exponent, post, effect, *sums))
            continue
        for part in _parts(sums):
            extend((number, book, account, currency, exponent, post, effect, *part))
    return flat


def _parts(sums: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Sums that may not fit 64 bits, as several that do."""
    count = -(-sums[2] // SAFE_LINES)
    for part in range(count):
        yield tuple(amount * (part + 1) // count - amount * part // count for amount in sums)
