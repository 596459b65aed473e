"""Which postings of a run a reversal is about: all, chunks, records, or those that match.

Partial is by whole records, never a part of one entry's lines (accounting-rules, 7).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Self

import msgspec
from msgspec import Struct

from ..domain.errors import UsageError
from ..domain.personal import token_of
from ..domain.suggest import did_you_mean

_NAME = r"[^\W\d]\w*"
# A value cannot begin with a further sign: == and => are slips, and would match nothing.
_CONDITION = re.compile(
    rf"\s*({_NAME}(?:\.{_NAME})*)\s*(!=|<=|>=|=|<|>)(?![=<>])\s*(.*?)\s*", re.DOTALL
)

# Plain notation alone: 0100 is an account, 1e3 and 1_000 are names, and none of them is a number.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")

_ORDER = frozenset({"<", "<=", ">", ">="})

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Condition(Struct, frozen=True):
    """A condition on a field of the stored record: ``date>=2020-02-01``.

    Where both sides are numbers in plain notation they compare as numbers, else as text: dates and
    times in ISO notation compare as they should, and so do names such as ``0100``. A field that is
    empty (null) equals the empty text, and is neither below nor above anything.
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
        """Whether a record meets it.

        Raises:
            UsageError: the record has no such field, or it is made of further fields.
        """
        stored = self._find(record)
        if stored is None and self.operator in _ORDER:
            return False
        compare = _OPERATORS[self.operator]
        numbers = (_number(stored), _number(self.value))
        if numbers[0] is not None and numbers[1] is not None:
            return compare(*numbers)
        return compare(_text(stored), self.value)

    def _find(self, record: Mapping[str, Any]) -> Any:
        stored: Any = record
        for part in self.field.split("."):
            if stored is None:  # a part that is empty has empty fields
                return None
            if not isinstance(stored, Mapping) or part not in stored:
                known = list(stored) if isinstance(stored, Mapping) else []
                names = f" --where names one of {', '.join(known)}." if known else ""
                raise UsageError(
                    f"the records have no field {self.field!r}.{did_you_mean(part, known)}{names}"
                )
            stored = stored[part]
        if token_of(stored) is not None:
            raise UsageError(
                f"field {self.field!r} is personal: what it is compared with would stand in the "
                "reversal's request, for good. Name the records with --record instead."
            )
        if isinstance(stored, (Mapping, list)):
            raise UsageError(
                f"field {self.field!r} of the records holds more than one value: --where compares "
                f"single ones{', such as ' + self._below(stored) if stored else ''}."
            )
        return stored

    def _below(self, stored: Mapping[str, Any] | list[Any]) -> str:
        names = stored if isinstance(stored, Mapping) else ()
        return " or ".join(f"{self.field}.{name}" for name in names) or "another field's"


class Scope(Struct, frozen=True):
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
        """What ``stored`` wrote.

        Raises:
            ValueError: it did not write this.
            UsageError: a condition is none.
        """
        chunks, keys = stored.get("chunks", []), stored.get("keys", [])
        where = stored.get("where", [])
        for values, kind in ((chunks, int), (keys, str), (where, str)):
            if not isinstance(values, list) or not all(type(each) is kind for each in values):
                raise ValueError(f"{values!r} is no list of {kind.__name__}")
        scope = cls(tuple(chunks), tuple(keys), tuple(Condition.parse(text) for text in where))
        if scope.stored() != stored:
            raise ValueError(f"{stored!r} says more than one thing")
        return scope

    def matches(self, record: msgspec.Raw) -> bool:
        """Whether a stored record meets all conditions.

        Raises:
            UsageError: it has no field of a condition's name.
        """
        if not self.where:
            return True
        fields = msgspec.json.decode(record)
        return all(each.holds(fields) for each in self.where)

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


def _number(value: Any) -> Decimal | None:
    """A number, or text that is one; decimals are stored as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Decimal(str(value))
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None
