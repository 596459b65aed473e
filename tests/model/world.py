"""What a run should do, said in the simplest way: a dictionary of postings, and a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

CHUNK_SIZE = 3


@dataclass(frozen=True, slots=True)
class Item:
    """A record of an input: a key, and what is to be posted under it, in minor units."""

    key: str
    minor: int

    def row(self) -> dict[str, Any]:
        """As the job reads it."""
        return {"key": self.key, "amount": str(Decimal(self.minor) / 100)}


@dataclass(slots=True)
class ModelRun:
    """A run as the model sees it.

    Attributes:
        outcomes: of the records that are committed, in order.
    """

    items: list[Item]
    outcomes: list[str] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        return self.outcomes.count(outcome)


@dataclass(slots=True)
class World:
    """All runs, all postings, and the keys whose records fail at the moment.

    Attributes:
        posted: key to amount, run and ordinal of its posting.
    """

    runs: dict[str, ModelRun] = field(default_factory=dict)
    posted: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)

    def catch_up(self, name: str, read: int) -> None:
        """The store has committed so many records of a run: say what each came to."""
        run = self.runs[name]
        for ordinal in range(len(run.outcomes), read):
            run.outcomes.append(self._outcome(name, ordinal, run.items[ordinal]))

    def _outcome(self, name: str, ordinal: int, item: Item) -> str:
        posting = self.posted.get(item.key)
        if posting is None:
            if item.key in self.bad:
                return "failed"
            self.posted[item.key] = (item.minor, name, ordinal)
            return "succeeded"
        if posting[0] != item.minor:
            return "failed"
        return "succeeded" if posting[1:] == (name, ordinal) else "skipped"

    @property
    def total(self) -> int:
        """The sum of all postings, in minor units."""
        return sum(minor for minor, _, _ in self.posted.values())


def from_offset(items: list[Item]) -> Callable[[int], Iterator[dict[str, Any]]]:
    """The input as a source reads it."""
    return lambda offset: (item.row() for item in items[offset:])
