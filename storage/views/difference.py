"""Something that a view says and the events do not, or the other way round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

MOST_DIFFERENCES: Final = 100
"""How many are listed; all are counted."""

Values = Mapping[str, Any]


class Difference(Struct, frozen=True):
    """One difference.

    Attributes:
        view: runs, attempts, checkpoint, dead_letters or movements.
        key: the row's key by the names of its columns.
        column: what differs; None where the whole row is on one side alone.
        live: the live view's value (of a whole row, all of them by name; None: no such row).
        rebuilt: the value that the events lead to, likewise.
    """

    view: str
    key: Values
    column: str | None
    live: Any
    rebuilt: Any


def differences(
    view: str, key: tuple[str, ...], live: Values | None, rebuilt: Values | None
) -> Iterator[Difference]:
    """What differs between two rows with the same values of the key's columns."""
    there = live or rebuilt
    assert there is not None, "a row is at least on one side"
    named = {name: there[name] for name in key}
    if live is None or rebuilt is None:
        yield Difference(view, named, None, live, rebuilt)
        return
    for column, value in live.items():
        if value != rebuilt[column]:
            yield Difference(view, named, column, value, rebuilt[column])
