"""Entries: what a job's function says should be posted, and what is posted after every check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class PostingRules:
    """What a job says about every entry it posts.

    Attributes:
        book: of entries that name none.
        rounding: for amounts finer than their currency; None refuses them.
        chart: what may be posted to.
        known_accounts: those that were let pass before.
    """

    book: str = "main"
    rounding: Rounding | None = None
    chart: Chart = field(default_factory=Chart)
    known_accounts: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

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
    return PostedEntry(book, effective, posting, lines, entry.text)


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
