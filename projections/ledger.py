"""Ledger movements: what each commit moves per book, account, currency and dates.

Balances are sums over movements, so no account's row is ever locked by two workers.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.events import RecordReversed, RecordSucceeded
from .changes import Movement


def fold(
    movements: dict[Movement, list[int]],
    events: Iterable[RecordSucceeded | RecordReversed],
) -> None:
    """Add the lines of posted and of reversing entries."""
    for event in events:
        for entry in event.entries:
            book, effective, posting = entry.book, entry.effective, entry.posting
            for line in entry.lines:
                key = (book, line.account, line.currency, line.exponent, posting, effective)
                sums = movements.get(key)
                if sums is None:
                    movements[key] = sums = [0, 0, 0]
                sums[0 if line.side == "D" else 1] += line.minor
                sums[2] += 1
