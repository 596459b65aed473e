"""What a reversal would do: counts, net effect, blockers, and a digest of it all.

The plan is made of postings as they come; it holds sums and blockers, never the postings. The
digest says whether what was approved is what will be done: it covers the order, the streams and
versions of what is taken back, where closed periods move it, what is blocked and why, and what was
asked for. It is the same whether it was made with all details or in haste.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, Protocol

from ..domain.entry import PostedEntry
from ..domain.period import Calendar, Period, fiscal_year
from ..domain.reversal import Form, MovedEntries, NetLine
from .entries import Dates
from .scope import Scope

LINES_AT_ONCE = 1_000

BLOCKERS_NAMED = 1_000
"""So many blockers are named; of further ones only the number is known."""


class Digest(Protocol):
    """A hash under way."""

    def update(self, data: bytes, /) -> None:
        """Take in more."""

    def hexdigest(self) -> str:
        """What it comes to so far."""


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        run: ``<job>/<run>``.
        date: the posting date of all of it, where one is named.
    """

    run: str
    scope: Scope
    form: Form = "black"
    date: dt.date | None = None


class Blocker(NamedTuple):
    """A posting that cannot be taken back, and why."""

    key: str
    why: str


class Dated(NamedTuple):
    """The dates of an entry, which is all that a hasty look needs of it."""

    book: str
    posting: dt.date


class Move(NamedTuple):
    """Entries whose reversal a closed period moves."""

    book: str
    period: str
    to: dt.date


class Foreseen(NamedTuple):
    """What a plan said, as whoever asks or agrees saw it.

    Attributes:
        digest: of the plan.
        reversible: how many postings were to be taken back.
        blocked: how many could not be.
        net: the net effect.
        moves: where closed periods, or a date that was named, were to move entries.
        blockers: the named ones; None where they are not known any more.
    """

    digest: str
    reversible: int = 0
    blocked: int = 0
    net: tuple[NetLine, ...] = ()
    moves: tuple[MovedEntries, ...] = ()
    blockers: tuple[Blocker, ...] | None = None


@dataclass(slots=True)
class Plan:
    """What a reversal would do.

    Attributes:
        reversible: how many postings would be taken back.
        blocked: how many cannot be.
        blockers: the first thousand of them.
        moves: closed periods to how many entries they move.
        year_begins: the number of the month in which a fiscal year begins.
        other_years: how many entries that takes into another fiscal year (accounting-rules, 11).
        net: book, account, currency, exponent to [debit, credit], in minor units.
    """

    request: Request
    calendar: Calendar
    year_begins: int = 1
    reversible: int = 0
    blocked: int = 0
    blockers: list[Blocker] = field(default_factory=list)
    moves: Counter[Move] = field(default_factory=Counter)
    other_years: int = 0
    net: dict[tuple[str, str, str, int], list[int]] = field(default_factory=dict)
    _dates: Dates = field(init=False)
    _whole: Digest = field(default_factory=sha256)
    _lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        request = self.request
        self._dates = Dates(self.calendar, request.date)
        asked = [request.run, str(request.scope.stored()), request.form, str(request.date)]
        self._whole.update("\0".join(asked).encode() + b"\n")

    def add(
        self, stream: str, version: int, key: str, dated: Sequence[Dated | PostedEntry]
    ) -> bool:
        """A posting in force; whether it can be taken back.

        Args:
            stream: of the record.
            version: of the posting in it.
            dated: its entries, or what is to be known of them.
        """
        dates, moves = [], False
        for entry in dated:
            book, posting = entry.book, entry.posting
            to = self._dates.of(book, posting)
            if to is None:
                self.block(stream, version, key, self._closed(book, posting))
                return False
            dates.append(to)
            moves = moves or to != posting
        self.reversible += 1
        if moves:
            self._note_moves(dated)
        # All dates or none: which of two entries is moved makes a difference.
        moved = ",".join(f"{to}" for to in dates) if moves else ""
        self._note(f"+{stream}\0{version}\0{moved}\n")
        return True

    def _note_moves(self, dated: Sequence[Dated | PostedEntry]) -> None:
        begins = self.year_begins
        for entry in dated:
            posting, to = entry.posting, self._dates.of(entry.book, entry.posting)
            if to is not None and to != posting:
                period = Period.of(entry.book, posting)
                self.moves[Move(entry.book, str(period), to)] += 1
                self.other_years += fiscal_year(to, begins) != fiscal_year(posting, begins)

    def add_net(self, entries: Iterable[PostedEntry]) -> None:
        """Add what taking these entries back moves."""
        red = self.request.form == "red"
        for entry in entries:
            for line in entry.lines:
                key = (entry.book, line.account, line.currency, line.exponent)
                sums = self.net.setdefault(key, [0, 0])
                if red:
                    sums[0 if line.side == "D" else 1] -= line.minor
                else:
                    sums[1 if line.side == "D" else 0] += line.minor

    def block(self, stream: str, version: int, key: str, why: str) -> None:
        """A posting that cannot be taken back."""
        self.blocked += 1
        if len(self.blockers) < BLOCKERS_NAMED:
            self.blockers.append(Blocker(key, why))
        self._note(f"-{stream}\0{version}\0{why}\n")

    def _note(self, line: str) -> None:
        """Take a line into the digest, many at once: hashing each alone takes twice the time."""
        self._lines.append(line)
        if len(self._lines) >= LINES_AT_ONCE:
            self._hash()

    def _hash(self) -> None:
        self._whole.update("".join(self._lines).encode())
        self._lines.clear()

    @property
    def digest(self) -> str:
        """What is approved, in 64 hexadecimal digits."""
        self._hash()
        return self._whole.hexdigest()

    def foreseen(self) -> Foreseen:
        """What it says, to be held against what is so later."""
        counts = (self.reversible, self.blocked)
        blockers = tuple(self.blockers)
        return Foreseen(self.digest, *counts, self.net_lines(), self.moved(), blockers)

    def net_lines(self) -> tuple[NetLine, ...]:
        """The net effect by book, account and currency, in that order."""
        return tuple(NetLine(*key, *sums) for key, sums in sorted(self.net.items()))

    def moved(self) -> tuple[MovedEntries, ...]:
        """Where closed periods, or the date that is named, move entries; month by month."""
        return tuple(
            MovedEntries(move.book, move.period, move.to.isoformat(), entries)
            for move, entries in sorted(self.moves.items())
        )

    def debits(self) -> dict[str, tuple[int, int]]:
        """Currency to what is taken back, in minor units, and its exponent.

        It is the sum of the debits, which is that of the credits; as an amount, without its sign.
        """
        sums: dict[str, tuple[int, int]] = {}
        for (_, _, currency, exponent), (debit, _) in self.net.items():
            minor, _ = sums.get(currency, (0, exponent))
            sums[currency] = (minor + abs(debit), exponent)
        return sums

    def _closed(self, book: str, posting: dt.date) -> str:
        day = self.request.date or posting
        rest = "" if self.request.date else " and no later one is open"
        return f"period-closed: {Period.of(book, day)} of book {book} is closed{rest}"
