"""How what a reversal would do now differs from what a plan said of it, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from ..domain.money import format_minor
from ..domain.reversal import MovedEntries, NetLine, ReversalRequested
from .plan import Blocker, Foreseen

NAMED = 5
"""So many accounts, and so many blockers, are named."""


def foreseen_by(asked: ReversalRequested) -> Foreseen:
    """What the request says that it would do; its blockers were counted, not kept."""
    return Foreseen(asked.digest, asked.records, asked.blocked, asked.net, asked.moves)


def difference(now: Foreseen, then: Foreseen) -> str:
    """What is another one now: counts, blockers, net effect by account and currency, dates."""
    parts = []
    if (now.reversible, now.blocked) != (then.reversible, then.blocked):
        parts.append(
            f"it would take back {now.reversible:,} records, not {then.reversible:,}, and "
            f"{now.blocked:,} cannot be, not {then.blocked:,}"
        )
    parts += _blockers(now, then)
    if now.net != then.net:
        parts.append(f"its net effect would be {_net(now.net, then.net)}")
    if now.moves != then.moves:
        parts.append(f"it would move {_moves(now.moves)}, not {_moves(then.moves)}")
    return "; ".join(parts) or "it would take back other records, or other postings of them"


def _blockers(now: Foreseen, then: Foreseen) -> list[str]:
    """What cannot be taken back by now, or can be: only where no blocker is without a name."""
    here = now.blockers or ()
    if then.blockers is None:
        return _named("blocked now", here) if now.blocked != then.blocked else []
    there = then.blockers
    if (now.blocked, then.blocked) != (len(here), len(there)):
        return []
    fresh = [each for each in here if each not in set(there)]
    gone = [each for each in there if each not in set(here)]
    return _named("blocked now", fresh) + _named("blocked no more", gone)


def _named(what: str, blockers: Sequence[Blocker]) -> list[str]:
    named = ", ".join(f"{each.key} ({each.why})" for each in blockers[:NAMED])
    return [f"{what}: {named}{_more(len(blockers))}"] if blockers else []


def _net(now: Sequence[NetLine], then: Sequence[NetLine]) -> str:
    """The accounts on which a net effect is another one; a few are named."""
    sums: dict[tuple[str, str, str, int], list[tuple[int, int]]] = {}
    for index, lines in enumerate((now, then)):
        for line in lines:
            key = (line.book, line.account, line.currency, line.exponent)
            sums.setdefault(key, [(0, 0), (0, 0)])[index] = (line.debit, line.credit)
    differ = [
        f"{account} {currency} {_sides(is_now, exponent)}, not {_sides(was, exponent)}"
        for (_, account, currency, exponent), (is_now, was) in sorted(sums.items())
        if is_now != was
    ]
    return " / ".join(differ[:NAMED]) + _more(len(differ))


def _more(count: int) -> str:
    return f" and {count - NAMED:,} more" if count > NAMED else ""


def _sides(sums: tuple[int, int], exponent: int) -> str:
    debit, credit = (format_minor(minor, exponent) for minor in sums)
    return f"debit {debit} and credit {credit}"


def _moves(moves: Sequence[MovedEntries]) -> str:
    named = [f"{each.entries:,} of {each.period} to {each.to}" for each in moves]
    return " and ".join(named) or "no entries"
