"""What a verification found: where, which field, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from msgspec import Struct

MOST_PROBLEMS: Final = 100
"""How many are kept; all are counted. One change may show in every commit behind it."""


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written.

    Attributes:
        field: what does not fit: a column (``recorded_at``), or what is made of several
            (``event``, ``events``, ``checkpoint``, ``triggers``, ``views``, ``log``).
        message: what was found, for a person.
        commit: the commit's number, None where it concerns none.
        position: the event's, where it can be named.
        stream: the event's, as it is stored now.
        version: the same.
    """

    field: str
    message: str
    commit: int | None = None
    position: int | None = None
    stream: str | None = None
    version: int | None = None


class Problems:
    """Keeps the first, and counts all."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Take one more."""
        self.total += 1
        if len(self._kept) < MOST_PROBLEMS:
            self._kept.append(problem)

    def extend(self, problems: Iterable[Problem]) -> None:
        """Take more of them."""
        for problem in problems:
            self.add(problem)

    def in_order(self) -> tuple[Problem, ...]:
        """Those kept: of the store as a whole first, then as the log goes on."""
        return tuple(sorted(self._kept, key=_place))


def _place(problem: Problem) -> tuple[float, float]:
    if problem.commit is None and problem.position is not None:
        return inf, problem.position
    return problem.commit or 0, problem.position or 0
