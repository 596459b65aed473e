"""The accounting period: a month of a book, open or closed.

A closed month takes no posting, and no reversal either: what is to be reversed goes to the first
day of the earliest open month not before it (accounting-rules, 3).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from .errors import NotAllowedError, UsageError
from .events import Actor, Event
from .ids import MAX_NAME_BYTES, escape, unescape


class PeriodClosed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A month of a book takes no more postings.

    ``digest`` is ``balance_digest`` of the book's trial balance up to its last day by posting date,
    ``forced`` what stood in the way where it was closed all the same.
    """

    TOPIC: ClassVar[str] = "storno.PeriodClosed.v1"
    actor: Actor
    digest: str
    reason: str = ""
    forced: str = ""


class PeriodReopened(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A closed month takes postings again."""

    TOPIC: ClassVar[str] = "storno.PeriodReopened.v1"
    actor: Actor
    reason: str


EVENTS: tuple[type[Event], ...] = (PeriodClosed, PeriodReopened)

PERIODS = "period/"
"""What the streams of all periods begin with."""

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Period(Struct, frozen=True, order=True):
    """A month of a book."""

    book: str
    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def stream(self) -> str:
        """The stream of what happens to it."""
        return f"{PERIODS}{escape(self.book)}/{self}"

    @property
    def first_day(self) -> dt.date:
        """Its first day."""
        return dt.date(self.year, self.month, 1)

    @property
    def last_day(self) -> dt.date:
        """Its last day."""
        return dt.date(self.year, self.month, monthrange(self.year, self.month)[1])

    @property
    def following(self) -> Period:
        """The month after it."""
        if self.month < 12:
            return Period(self.book, self.year, self.month + 1)
        return Period(self.book, self.year + 1, 1)

    @classmethod
    def of(cls, book: str, day: dt.date) -> Period:
        """The month that a day is in."""
        return cls(book, day.year, day.month)

    @classmethod
    def of_stream(cls, stream: str) -> Period:
        """The month whose stream has this name."""
        _, book, month = stream.split("/")
        return cls.parse(unescape(book), month)

    @classmethod
    def parse(cls, book: str, text: str) -> Period:
        """Read ``YYYY-MM``.

        Raises:
            UsageError: it is no month, or the book's name is too long for a stream's.
        """
        found = _MONTH.fullmatch(text)
        if found is None or not int(found[1]):
            raise UsageError(f"{text!r} is no month: write YYYY-MM, such as 2026-01.")
        period = cls(book, int(found[1]), int(found[2]))
        if len(period.stream.encode()) > MAX_NAME_BYTES:
            raise UsageError(
                f"the name of the book {book[:40]!r}... is too long to close its periods: "
                f"with the month it may have {MAX_NAME_BYTES} bytes."
            )
        return period


class PeriodState(Struct, frozen=True):
    """The fold of a period's stream.

    Attributes:
        version: of its last event; 0 where there is none.
        closed: the event that closed it; None where it is open.
    """

    version: int = 0
    closed: PeriodClosed | None = None


def evolve(state: PeriodState, event: Event) -> PeriodState:
    """The state after one more event."""
    state = replace(state, version=state.version + 1)
    match event:
        case PeriodClosed():
            return replace(state, closed=event)
        case PeriodReopened():
            return replace(state, closed=None)
        case _:
            return state


def close(
    period: Period,
    state: PeriodState,
    actor: Actor,
    *,
    digest: str,
    reason: str = "",
    obstacles: tuple[str, ...] = (),
    forced: bool = False,
) -> tuple[Event, ...]:
    """Close a month; nothing where it is closed.

    Args:
        digest: of the trial balance up to its last day.
        obstacles: what speaks against it, each for a person.
        forced: close it all the same; needs a reason.

    Raises:
        NotAllowedError: something speaks against it, and it is not forced.
        UsageError: forced without a reason.
    """
    if state.closed is not None:
        return ()
    if forced and not reason.strip():
        raise UsageError("forcing a period closed needs a reason: add --reason TEXT.")
    if obstacles and not forced:
        raise NotAllowedError(
            f"{period} of book {period.book} cannot be closed: {'; '.join(obstacles)}. Settle "
            "that, or close it all the same with --force and a --reason."
        )
    return (PeriodClosed(actor=actor, digest=digest, reason=reason, forced="; ".join(obstacles)),)


def reopen(period: Period, state: PeriodState, actor: Actor, reason: str) -> tuple[Event, ...]:
    """Let a closed month take postings again.

    Raises:
        NotAllowedError: it is open.
        UsageError: no reason.
    """
    if not reason.strip():
        raise UsageError("reopening a period needs a reason: add --reason TEXT.")
    if state.closed is None:
        raise NotAllowedError(
            f"{period} of book {period.book} is open: 'storno periods list' shows what is closed."
        )
    return (PeriodReopened(actor=actor, reason=reason),)


def fiscal_year(day: dt.date, begins: int = 1) -> int:
    """The fiscal year that a day is in, by the calendar year in which it begins.

    Args:
        begins: the number of its first month.
    """
    return day.year if day.month >= begins else day.year - 1


Balance = tuple[str, str, int, int, int]
"""A row of a trial balance: account, currency, its exponent, debits and credits in minor units."""


def balance_digest(rows: Iterable[Balance]) -> str:
    """The digest of a trial balance: SHA-256, in hexadecimal, of its rows as canonical JSON.

    One array of the rows, sorted by account (in the order of Unicode code points), currency and
    exponent; each row an array ``["bank","EUR",2,0,12500]``; UTF-8 with nothing escaped that need
    not be, without a blank or a line break. The trial balance without a row is ``[]``.
    """
    text = json.dumps(sorted(rows), ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


Month = tuple[str, int, int]
"""A book, a year and a month: a period's parts, for where there are very many to look up."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which months are closed, and at which versions of their streams that was read.

    Attributes:
        states: of the months that anything ever happened to; all others are open.
        closed: those that are closed.
    """

    states: dict[Period, PeriodState]
    closed: frozenset[Month] = field(init=False)

    def __post_init__(self) -> None:
        closed = (period for period, state in self.states.items() if state.closed is not None)
        months = frozenset((period.book, period.year, period.month) for period in closed)
        object.__setattr__(self, "closed", months)

    def is_closed(self, book: str, day: dt.date) -> bool:
        """Whether a posting date lies in a closed month."""
        return (book, day.year, day.month) in self.closed

    def next_open_day(self, book: str, day: dt.date) -> dt.date | None:
        """The day itself where its month is open, else the first day of the next open month.

        None where the calendar of Python's dates ends before one is open.
        """
        if not self.is_closed(book, day):
            return day
        period = Period.of(book, day)
        while period.year < dt.MAXYEAR or period.month < 12:
            period = period.following
            if not self.is_closed(book, period.first_day):
                return period.first_day
        return None

    def expectation(self, book: str, day: dt.date) -> tuple[str, int]:
        """The stream, and its version, that a posting on this day rests on."""
        return self._expectation(Period.of(book, day))

    def expectations(self, months: Iterable[Month]) -> dict[str, int]:
        """The streams, and their versions, that postings into these months rest on."""
        return dict(self._expectation(Period(*month)) for month in sorted(months))

    def _expectation(self, period: Period) -> tuple[str, int]:
        state = self.states.get(period)
        return period.stream, 0 if state is None else state.version


ALL_OPEN = Calendar({})
