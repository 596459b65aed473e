"""From a posted entry to the entry that takes it back.

The same lines at the same amounts: what was converted is reversed at the original's rate, line by
line (accounting-rules, 2 and 6).
"""

from __future__ import annotations

import datetime as dt

from ..domain.entry import PostedEntry, PostedLine, Side
from ..domain.period import Calendar
from ..domain.reversal import Form

_OTHER: dict[Side, Side] = {"D": "C", "C": "D"}


def reversing(entry: PostedEntry, form: Form, posting: dt.date) -> PostedEntry:
    """The entry that takes another one back; its effective date is the original's.

    Args:
        entry: as it was posted.
        form: black swaps debit and credit, red keeps the sides and negates the amounts.
        posting: the date that decides the reversal's own period.
    """
    if form == "red":
        lines = tuple([PostedLine(a, side, -minor, c, e) for a, side, minor, c, e in _parts(entry)])
    else:
        lines = tuple(
            [PostedLine(a, _OTHER[side], minor, c, e) for a, side, minor, c, e in _parts(entry)]
        )
    return PostedEntry(entry.book, entry.effective, posting, lines, entry.text)


def posting_date(
    calendar: Calendar, book: str, posting: dt.date, named: dt.date | None
) -> dt.date | None:
    """When a reversal is posted; None where no open period can take it.

    The original's posting date if that month is open, else the first day of the earliest open
    month not before it; or the date that was named, if its month is open (accounting-rules, 3).
    """
    if named is not None:
        return None if calendar.is_closed(book, named) else named
    return calendar.next_open_day(book, posting)


def _parts(entry: PostedEntry) -> list[tuple[str, Side, int, str, int]]:
    return [(ln.account, ln.side, ln.minor, ln.currency, ln.exponent) for ln in entry.lines]
