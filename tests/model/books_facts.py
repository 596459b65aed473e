"""What the model of the books is made of: records, postings, runs, dead letters, reversals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from storno.domain.errors import StornoError

WAITING = ("open", "corrected")

Month = tuple[int, int]


class Refused(Exception):  # noqa: N818 - it is what should happen
    """The act is to be refused, with an error of exactly this class."""

    def __init__(self, kind: type[StornoError]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Item:
    """A record of an input; one with no amount (in minor units) is not valid."""

    key: str
    minor: int | None
    date: dt.date

    def row(self) -> dict[str, Any]:
        """As the job reads it, and as it is stored."""
        amount = "none" if self.minor is None else str(Decimal(self.minor) / 100)
        return {"key": self.key, "amount": amount, "date": self.date.isoformat()}


@dataclass(eq=False, slots=True)
class Posting:
    """A record that was posted.

    Attributes:
        number: which posting of its key it is.
        day: the posting date.
        tick: of its commit.
        chunk: of the run's input; None where it was tried again.
        reversed_by: the reversal that took it back, and reversed_at the tick of that.
    """

    run: str
    ordinal: int
    item: Item
    number: int
    day: dt.date
    tick: int
    chunk: int | None
    reversed_by: str | None = None
    reversed_at: int = 0
    settled_for: str | None = None
    waits_for: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is in force."""
        return self.reversed_by is None


@dataclass(slots=True)
class Letter:
    """A dead letter: what is to be tried, and the key under which it is found."""

    state: str
    error: str
    item: Item
    key: str

    @property
    def waits(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.state in WAITING


@dataclass(slots=True)
class Run:
    """A run.

    Attributes:
        moves: whether it posts into the next open month where a month is closed.
        outcomes: of the records that its pass through the input has come to.
        chunks: how many are committed, over all passes; claimed: how many ever were.
        taken: how many of its postings were taken back since the pass began.
        months: what it ever posted into, or took back from.
    """

    items: list[Item]
    moves: bool
    state: str = "new"
    outcomes: list[str] = field(default_factory=list)
    chunks: int = 0
    claimed: int = 0
    letters: dict[int, Letter] = field(default_factory=dict)
    taken: int = 0
    reversal: str | None = None
    abandoned: bool = False
    months: set[Month] = field(default_factory=set)

    def counts(self) -> tuple[int, ...]:
        """Read, succeeded, skipped, failed, discarded."""
        parts = ("succeeded", "skipped", "failed", "discarded")
        return len(self.outcomes), *(self.outcomes.count(part) for part in parts)


class Asked(NamedTuple):
    """What of a run is to be taken back, and how."""

    run: str
    chunks: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    holds: Callable[[Item], bool] = lambda item: True
    red: bool = False
    date: dt.date | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of the run is meant."""
        return not (self.chunks or self.keys or self.where)


@dataclass(slots=True)
class Plan:
    """What a reversal would do.

    Attributes:
        taken: what would be taken back, and on which day, in order.
        blocked: key, number of the posting, and why not.
    """

    taken: list[tuple[Posting, dt.date]] = field(default_factory=list)
    blocked: list[tuple[str, int, str]] = field(default_factory=list)

    def mark(self) -> tuple[object, ...]:
        """What it must not differ in from the plan that was agreed to."""
        moved = [
            (posting.item.key, posting.number, day if day != posting.day else None)
            for posting, day in self.taken
        ]
        return (*moved, *self.blocked)


@dataclass(slots=True)
class Reversal:
    """A reversal, and the dead letters that it has (ordinal to error, and to the posting)."""

    asked: Asked
    plan: Plan
    mark: tuple[object, ...]
    as_of: int
    closed: frozenset[Month]
    requester: str
    approvals: int
    approvers: list[str] = field(default_factory=list)
    state: str = "requested"
    attempt: int = 0
    taken: int = 0
    letters: dict[int, str] = field(default_factory=dict)
    set_aside: dict[int, Posting] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)

    @property
    def failed(self) -> int:
        """How many of its dead letters wait."""
        return len(self.letters.keys() - self.settled)


def month_of(day: dt.date) -> Month:
    """The month that a day is in."""
    return day.year, day.month


def first_open(day: dt.date, closed: Iterable[Month]) -> dt.date:
    """The day, or the first of the next open month where its own is closed."""
    while month_of(day) in closed:
        day = (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return day


def accounts_of(key: str) -> tuple[str, str]:
    """Where a record with this key is debited and credited."""
    return f"expense:{key}", "bank"


def mended(item: Item, **changes: Any) -> Item:
    """The record with some of it changed."""
    return replace(item, **changes)
