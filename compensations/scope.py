"""Which postings of a run a reversal is about: all, chunks, records, or those that match.

Partial is by whole records, never a part of one entry's lines (accounting-rules, 7).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import msgspec

from ..domain.errors import UsageError

_CONDITION = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a field of the stored record: ``date>=2020-02-01``.

    Where both sides are numbers they compare as numbers, else as text: dates and times in ISO
    notation compare as they should.
    """

    field: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``FIELD=VALUE``; also ``!= < <= > >=``.

        Raises:
            UsageError: it is no condition.
        """
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise UsageError(
                f"--where {text}: write FIELD=VALUE, such as supplier=ACME or date>=2026-02-01 "
                "(also !=, <, <=, >)."
            )
        return cls(*found.groups())

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether a record meets it; a field that is empty (null) equals the empty text.

        Raises:
            KeyError: the record has no such field.
        """
        stored: Any = record
        for part in self.field.split("."):
            stored = stored[part]
        text = _text(stored)
        numbers = (_number(text), _number(self.value))
        compare = _OPERATORS[self.operator]
        if numbers[0] is not None and numbers[1] is not None:
            return compare(*numbers)
        return compare(text, self.value)


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a run is meant; with nothing given all of it.

    Attributes:
        chunks: numbers of the run's chunks.
        keys: business keys.
        where: conditions that all hold.
    """

    chunks: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the run."""
        return not (self.chunks or self.keys or self.where)

    def stored(self) -> dict[str, Any]:
        """As it stands in the event of the request."""
        if self.keys:
            return {"kind": "records", "keys": list(self.keys)}
        if self.chunks:
            return {"kind": "chunks", "chunks": list(self.chunks)}
        if self.where:
            return {"kind": "where", "where": [str(each) for each in self.where]}
        return {"kind": "run"}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """What ``stored`` wrote."""
        return cls(
            tuple(stored.get("chunks", ())),
            tuple(stored.get("keys", ())),
            tuple(Condition.parse(text) for text in stored.get("where", ())),
        )

    def matches(self, record: msgspec.Raw) -> bool:
        """Whether a stored record meets all conditions.

        Raises:
            UsageError: it has no field of a condition's name.
        """
        if not self.where:
            return True
        fields = msgspec.json.decode(record)
        try:
            return all(each.holds(fields) for each in self.where)
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"the records have no field {error}: --where names one of {', '.join(fields)}."
            ) from None

    def __str__(self) -> str:
        if self.keys:
            return _counted(len(self.keys), "record")
        if self.chunks:
            return ", ".join(f"chunk {number}" for number in self.chunks)
        if self.where:
            return "records with " + " and ".join(map(str, self.where))
        return "the whole run"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
