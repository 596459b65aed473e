"""From a posted entry to the entry that takes it back.

The same lines at the same amounts: what was converted is reversed at the original's rate, line by
line (accounting-rules, 2 and 6).
"""

from __future__ import annotations

import datetime as dt

from msgspec import Struct, field

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
        lines = tuple(
            [
                PostedLine(line.account, line.side, -line.minor, line.currency, line.exponent)
                for line in entry.lines
            ]
        )
    else:
        lines = tuple(
            [
                PostedLine(
                    line.account, _OTHER[line.side], line.minor, line.currency, line.exponent
                )
                for line in entry.lines
            ]
        )
    return PostedEntry(entry.book, entry.effective, posting, lines, entry.text)


class Dates(Struct):
    """When what is taken back is posted: there are few dates, so each is decided once.

    The original's posting date if that month is open, else the first day of the earliest open
    month not before it; or the date that was named, if its month is open (accounting-rules, 3).

    Attributes:
        calendar: which months are closed.
        named: the date of all of it, where one is.
    """

    calendar: Calendar
    named: dt.date | None
    _known: dict[tuple[str, dt.date], dt.date | None] = field(default_factory=dict)

    def of(self, book: str, posting: dt.date) -> dt.date | None:
        """When the reversal of an entry is posted; None where no open period can take it."""
        key = (book, posting)
        if key not in self._known:
            self._known[key] = self._decided(book, posting)
        return self._known[key]

    def _decided(self, book: str, posting: dt.date) -> dt.date | None:
        if self.named is not None:
            return None if self.calendar.is_closed(book, self.named) else self.named
        return self.calendar.next_open_day(book, posting)
