"""Closing months in a lab, and what must hold of those that are closed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from storno.domain.events import RecordSucceeded
from storno.domain.period import Period, balance_digest
from storno.execution.periods import close_period, reopen_period
from storno.storage import queries

from .lab import ACTOR, Lab, Rows

JANUARY, FEBRUARY, MARCH = (dt.date(2026, month, 15) for month in (1, 2, 3))
OPENED_AGAIN = dt.date(2026, 2, 1)
RULES = ["refuse", "next-open"]


def dated(rows: Rows, *days: dt.date) -> Rows:
    """The rows with these dates by turns."""
    return [row | {"date": days[n % len(days)]} for n, row in enumerate(rows)]


def close(lab: Lab, month: str = "2026-01", book: str = "main", **more: Any) -> None:
    assert close_period(lab.store, book, month, ACTOR, **more).changed


def reopen(lab: Lab, month: str = "2026-01", reason: str = "late invoice") -> None:
    assert reopen_period(lab.store, "main", month, ACTOR, reason).changed


def digest_of(lab: Lab, month: str = "2026-01", book: str = "main") -> str:
    """The digest of what is in the ledger up to a month's end, from the events."""
    last = Period.parse(book, month).last_day
    sums: dict[tuple[str, str, int], list[int]] = {}
    for event in lab.events(RecordSucceeded):
        for entry in event.entries:
            if entry.book == book and entry.posting <= last:
                for line in entry.lines:
                    unit = sums.setdefault((line.account, line.currency, line.exponent), [0, 0])
                    unit[line.side == "C"] += line.minor
    return balance_digest((*unit, debit, credit) for unit, (debit, credit) in sums.items())


def check_closed(lab: Lab) -> None:
    """What is in every closed month is what was in it when it was closed."""
    rows = queries.periods(lab.store, state="closed")
    assert rows
    for row in rows:
        assert row.digest == digest_of(lab, row.period, row.book)


def posting_days(lab: Lab) -> dict[int, dt.date]:
    """Ordinal to posting date."""
    events = lab.events(RecordSucceeded)
    return {event.ordinal: entry.posting for event in events for entry in event.entries}
