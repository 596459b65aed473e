"""Entries: what a job's function says should be posted, and what is posted after every check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from .errors import StornoError
from .money import (
    AmountError,
    Rounding,
    UnknownCurrencyError,
    at_places,
    exponent,
    format_minor,
)

if TYPE_CHECKING:
    from .period import Calendar  # it builds on the events, which build on this

Side = Literal["D", "C"]
SIDES = frozenset({"D", "C"})

NO_DATE = dt.date(1, 1, 1)
"""Stands for an effective date that was not given."""

MAX_KNOWN_ACCOUNTS = 100_000
"""How many accounts are remembered as checked; further ones are checked at every line."""


class EntryError(StornoError):
    """An entry that cannot be posted; ``code`` is stable, for scripts and dead letters."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Line(msgspec.Struct, frozen=True, gc=False):
    """One side of an entry as the job's function gives it; made by ``debit`` and ``credit``."""

    account: str
    side: Side
    amount: Decimal
    currency: str


class Entry(msgspec.Struct, frozen=True):
    """A balanced set of ledger lines.

    Attributes:
        lines: debits and credits; their sums agree per currency.
        effective: the business date.
        posting: the date that decides the accounting period; the effective date where not given.
        book: the book it is posted to; the job's where not given.
        text: what an auditor reads beside the amounts.
    """

    lines: Sequence[Line]
    effective: dt.date = NO_DATE
    posting: dt.date | None = None
    book: str | None = None
    text: str = ""


class PostedLine(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A stored line: the amount in minor units, and the currency's exponent at the time."""

    account: str
    side: Side
    minor: int
    currency: str
    exponent: int


class PostedEntry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A stored entry."""

    book: str
    effective: dt.date
    posting: dt.date
    lines: tuple[PostedLine, ...]
    text: str = ""


def debit(account: str, amount: Decimal, currency: str) -> Line:
    """A line on the debit side; ``amount`` in major units, negative lowers the side's total."""
    return Line(account, "D", amount, currency)


def credit(account: str, amount: Decimal, currency: str) -> Line:
    """A line on the credit side; ``amount`` in major units, negative lowers the side's total."""
    return Line(account, "C", amount, currency)


@dataclass(frozen=True, slots=True)
class Chart:
    """The accounts and books that may be posted to; empty means any.

    Attributes:
        accounts: names or shell patterns, such as ``expense:*``.
        books: the names of the books.
    """

    accounts: tuple[str, ...] = ()
    books: tuple[str, ...] = ()
    _knows: Callable[[str], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = self.accounts

        @lru_cache(maxsize=65_536)
        def knows(account: str) -> bool:
            return any(fnmatchcase(account, pattern) for pattern in patterns)

        object.__setattr__(self, "_knows", knows)

    def check_account(self, account: str) -> None:
        """Refuse an account outside the chart."""
        if self.accounts and not self._knows(account):
            raise EntryError(
                "unknown-account",
                f"account {account!r} is not in the chart of accounts: correct the record, "
                "or add the account to [chart] in storno.toml",
            )

    def check_book(self, book: str) -> None:
        """Refuse a book that is not listed."""
        if self.books and book not in self.books:
            raise EntryError(
                "unknown-book",
                f"book {book!r} is not one of {', '.join(self.books)} (books in storno.toml)",
            )


class ClosedPeriod(StrEnum):
    """What becomes of an entry whose posting date lies in a closed period."""

    REFUSE = "refuse"
    """It is not posted: the record is a dead letter, ``period-closed``."""
    NEXT_OPEN = "next-open"
    """It is posted on the first day of the next open period; the effective date stays."""


@dataclass(frozen=True, slots=True)
class PostingRules:
    """What a job says about every entry it posts.

    Attributes:
        book: of entries that name none.
        rounding: for amounts finer than their currency; None refuses them.
        chart: what may be posted to.
        closed_period: what becomes of a posting date in a closed period.
        calendar: which periods are closed; None where none is.
        known_accounts: those that were let pass before.
        has_closed: whether any period of any book is closed.
    """

    book: str = "main"
    rounding: Rounding | None = None
    chart: Chart = field(default_factory=Chart)
    closed_period: ClosedPeriod = ClosedPeriod.REFUSE
    calendar: Calendar | None = None
    known_accounts: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    has_closed: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        has_closed = self.calendar is not None and bool(self.calendar.closed)
        object.__setattr__(self, "has_closed", has_closed)

    def posting_day(self, book: str, day: dt.date) -> dt.date:
        """The posting date that an entry gets which asks for this one.

        Raises:
            EntryError: its period is closed, and the job does not move it, or none is open later.
        """
        calendar = self.calendar
        if calendar is None or not calendar.is_closed(book, day):
            return day
        month = day.isoformat()[:7]
        closed = f"its posting date {day} is in {month} of book {book}, which is closed"
        if self.closed_period is ClosedPeriod.REFUSE:
            raise EntryError(
                "period-closed",
                f"{closed}: give it a posting date in an open period, or have the period reopened "
                "(storno periods reopen), then try the record again",
            )
        moved = calendar.next_open_day(book, day)
        if moved is None:
            raise EntryError("period-closed", f"{closed}, as is every period after it")
        return moved

    def check_account(self, account: object) -> None:
        """Let an account pass, and remember it: each is checked once, as there are few.

        Raises:
            EntryError: it is no account's name, or not in the chart.
        """
        if not isinstance(account, str) or not account or not account.isprintable():
            raise EntryError("invalid-entry", f"{account!r} is no account name")
        self.chart.check_account(account)
        if len(self.known_accounts) < MAX_KNOWN_ACCOUNTS:
            self.known_accounts.add(account)


def post(entry: Entry, rules: PostingRules) -> PostedEntry:
    """The entry as it will be stored, after every check.

    Raises:
        EntryError: with a code that says what is wrong with it.
    """
    effective = entry.effective
    if effective.__class__ is not dt.date:
        effective = _plain_date(effective, "effective")
    posting = entry.posting
    if posting is None:
        posting = effective
    elif posting.__class__ is not dt.date:
        posting = _plain_date(posting, "posting")
    if effective is NO_DATE:
        raise EntryError("invalid-entry", "the entry has no effective date: Entry(effective=...)")
    book = entry.book or rules.book
    if rules.chart.books:
        rules.chart.check_book(book)
    if entry.text or book is not rules.book:
        _check_texts(book, entry.text)
    lines = _post_lines(entry.lines, rules)
    _check_balance(lines)
    if rules.has_closed:
        posting = rules.posting_day(book, posting)
    return PostedEntry(book, effective, posting, lines, entry.text)


def post_anew(entry: PostedEntry, rules: PostingRules) -> PostedEntry:
    """An entry that was to be stored, under rules whose calendar has changed since.

    Raises:
        EntryError: its period has been closed meanwhile.
    """
    day = rules.posting_day(entry.book, entry.posting)
    return entry if day == entry.posting else msgspec.structs.replace(entry, posting=day)


def _post_lines(lines: Sequence[Line], rules: PostingRules) -> tuple[PostedLine, ...]:
    posted = []
    known, rounding = rules.known_accounts, rules.rounding
    last_amount = last_currency = None
    minor = places = 0
    for line in lines:
        if line.__class__ is not Line:
            raise EntryError(
                "invalid-entry", f"a line must come from debit() or credit(), not {line!r}"
            )
        account, amount, currency = line.account, line.amount, line.currency
        # Both sides of an entry mostly name the same amount: it is converted once.
        if amount is not last_amount or currency != last_currency:
            minor, places = _minor(line, rounding)
            last_amount, last_currency = amount, currency
        if account not in known:
            rules.check_account(account)
        side = line.side
        if side not in SIDES:
            raise EntryError("invalid-entry", f"{account}: {side!r} is no side: D or C")
        posted.append(PostedLine(account, side, minor, currency, places))
    return tuple(posted)


def _minor(line: Line, rounding: Rounding | None) -> tuple[int, int]:
    """A line's amount in minor units, and its currency's exponent."""
    try:
        places = exponent(line.currency)
        return at_places(line.amount, line.currency, places, rounding), places
    except AmountError as error:
        raise EntryError("invalid-amount", f"{line.account}: {error}") from None
    except (UnknownCurrencyError, TypeError) as error:
        raise EntryError("unknown-currency", f"{line.account}: {error}") from None


def _check_balance(lines: tuple[PostedLine, ...]) -> None:
    if len(lines) == 2:  # the usual entry, settled without a dictionary
        first, second = lines
        if (
            first.minor == second.minor
            and first.side != second.side
            and first.currency == second.currency
        ):
            return
    if not lines:
        raise EntryError("unbalanced-entry", "the entry has no lines")
    sums: dict[tuple[str, int], int] = {}
    for line in lines:
        unit = (line.currency, line.exponent)
        sums[unit] = sums.get(unit, 0) + (line.minor if line.side == "D" else -line.minor)
    for (currency, places), difference in sums.items():
        if difference:
            more = "debit" if difference > 0 else "credit"
            raise EntryError(
                "unbalanced-entry",
                f"the entry does not balance in {currency}: "
                f"{format_minor(abs(difference), places)} more on the {more} side",
            )
    if len(lines) == 1:
        raise EntryError("unbalanced-entry", "the entry has one line: what it takes has no source")


def _check_texts(book: object, text: object) -> None:
    """Refuse what could be written to the store, and not be read again."""
    if not isinstance(book, str) or not book.isprintable():
        raise EntryError("invalid-entry", f"{book!r} is no name of a book")
    if not isinstance(text, str):
        raise EntryError("invalid-entry", f"text= must be text, not {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise EntryError("invalid-entry", f"the text {text!r} is not Unicode") from None


def _plain_date(value: object, name: str) -> dt.date:
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    raise EntryError("invalid-entry", f"{name}= must be a date, not {type(value).__name__}")
