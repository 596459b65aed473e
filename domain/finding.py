"""What auditors look for, as rules over what was recorded. Pure.

The questions are those of accounting-rules, 13, and what follows from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from msgspec import Struct

from .entry import PostedLine
from .money import from_minor
from .reversal import ReversalRequested

SHORTEST_TEXT: Final = 4
"""A text with fewer letters and digits says nothing: ``x``, ``ok``, ``n/a``, ``...``."""

FILLERS: Final = frozenset(
    {"none", "null", "test", "reason", "dummy", "various", "asdf", "qwerty", "same", "todo"}
)
"""Words that stand where a reason should."""

DAY: Final = 24 * 3_600 * 1_000_000
"""Microseconds of a day."""


def says_nothing(text: str, shortest: int = SHORTEST_TEXT) -> bool:
    """Whether a text is empty, blank-like, too short, one sign repeated, or a filler.

    Args:
        text: as it was recorded.
        shortest: how many letters and digits it takes to say something.
    """
    signs = [sign for sign in text.casefold() if sign.isalnum()]
    return len(signs) < shortest or len(set(signs)) == 1 or "".join(signs) in FILLERS


def is_round(line: PostedLine, multiple: int, above: Decimal) -> bool:
    """Whether a line's amount is a whole multiple of so many major units, and more than a bound.

    Args:
        multiple: in major units of the line's own currency, from 1.
        above: in major units; the sign of the line does not matter.
    """
    minor = abs(line.minor)
    if not minor or minor % (multiple * 10**line.exponent):
        return False
    return from_minor(minor, line.exponent) > above


Debits = Mapping[str, tuple[int, int]]
"""Currency to minor units and the currency's exponent."""

Limits = Mapping[str, Decimal]
"""Currency to the amount in major units up to which nobody has to agree."""


def debits_of(request: ReversalRequested) -> dict[str, tuple[int, int]]:
    """What a reversal debits in all, without its sign, as approvals are decided on."""
    sums: dict[str, tuple[int, int]] = {}
    for line in request.net:
        minor, _ = sums.get(line.currency, (0, line.exponent))
        sums[line.currency] = (minor + abs(line.debit), line.exponent)
    return sums


@dataclass(frozen=True, slots=True)
class Asked:
    """A reversal that was asked for and needed nobody's approval.

    Attributes:
        reversal: its id.
        recorded_at: microseconds since 1970-01-01 UTC.
        limits: under which it needed none.
        debits: what it moves.
        stands: whether it was not rejected.
    """

    reversal: str
    recorded_at: int
    request: ReversalRequested
    limits: Limits
    stands: bool = True
    debits: Debits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "debits", debits_of(self.request))

    @property
    def is_within(self) -> bool:
        """Whether no amount of it is over its limit, and no one had to agree."""
        return (
            not self.request.approvals
            and bool(self.debits)
            and all(
                currency in self.limits and self.amount(currency) <= self.limits[currency]
                for currency in self.debits
            )
        )

    def amount(self, currency: str) -> Decimal:
        """What it debits in a currency, in major units."""
        return from_minor(*self.debits[currency])


class UnderLimit(Struct, frozen=True):
    """Reversals that needed no approval, and only just.

    Attributes:
        kind: ``near``: one, close below its limit; ``together``: several by one person, each
            within its limit, over it in sum.
        asked: the reversals, in the order in which they were asked for.
        amount: what they debit in the currency, major units.
        limit: in major units.
    """

    kind: str
    asked: tuple[Asked, ...]
    currency: str
    amount: Decimal
    limit: Decimal


def near_limit(asked: Iterable[Asked], percent: Decimal) -> Iterator[UnderLimit]:
    """Reversals within so many percent below the limit, the limit itself included.

    Args:
        asked: in the order in which they were asked for.
        percent: 10 finds those from 90 % of the limit on.
    """
    for each in asked:
        if not each.is_within:
            continue
        for currency in sorted(each.debits):
            limit, amount = each.limits[currency], each.amount(currency)
            if amount >= limit * (100 - percent) / 100:
                yield UnderLimit("near", (each,), currency, amount, limit)


def together_over_limit(asked: Iterable[Asked], days: int) -> Iterator[UnderLimit]:
    """Several reversals of one job by one person within so many days that together exceed a limit.

    Each finding is as long as it can be: what was asked for in one stretch of days is found once.
    """
    groups: dict[tuple[str, str, str], list[Asked]] = {}
    for each in asked:
        if each.is_within and each.stands:
            for currency in sorted(each.debits):
                who = (each.request.actor.name, each.request.job, currency)
                groups.setdefault(who, []).append(each)
    for (_, _, currency), group in groups.items():
        yield from _stretches(group, currency, days * DAY)


def _stretches(group: Sequence[Asked], currency: str, span: int) -> Iterator[UnderLimit]:
    """The longest stretches of a group that are over the limit, none of them part of another."""
    end = 0
    for start, first in enumerate(group):
        before = end
        while end < len(group) and group[end].recorded_at - first.recorded_at <= span:
            end += 1
        stretch = tuple(group[start:end])
        amount = sum((each.amount(currency) for each in stretch), Decimal(0))
        limit = max(each.limits[currency] for each in stretch)
        if end > before and len(stretch) > 1 and amount > limit:
            yield UnderLimit("together", stretch, currency, amount, limit)
