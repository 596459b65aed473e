"""From the columns of a file to the fields of a record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from ...domain.errors import DefinitionError, SourceError
from .templates import did_you_mean


def check_distinct(columns: Sequence[str]) -> None:
    """Refuse names declared twice, empty, or none at all, with DefinitionError."""
    if not columns:
        raise DefinitionError("columns is empty: name the file's columns, or leave it out.")
    for name in columns:
        if not name:
            raise DefinitionError("columns holds an empty name.")
        if columns.count(name) > 1:
            raise DefinitionError(f"columns holds {name!r} twice.")


def field_names(
    place: str,
    header: Sequence[str],
    aliases: Mapping[str, str],
    required: Collection[str],
    remedy: str = "If one of them is meant, say so: aliases={{...: '{}'}}.",
) -> tuple[str, ...]:
    """The fields' names for a header.

    White space around a column's name does not count; a column without a name is ``column_3``.

    Args:
        place: the file, for messages.
        header: the columns' names as found.
        aliases: a column's name -> the field's.
        required: fields there must be a column for.
        remedy: what to do about a missing one, ``{}`` for its name.

    Raises:
        SourceError: two columns give one field, or a required field has no column.
    """
    stripped = [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)]
    fields = tuple(aliases.get(name, name) for name in stripped)
    _check_doubled(place, stripped, fields)
    for missing in sorted(set(required) - set(fields)):
        raise SourceError(
            f"{place} has no column {missing!r}{did_you_mean(missing, stripped)}; it has "
            f"{_listed(stripped)}. {remedy.format(missing)}"
        )
    return fields


Builder = Callable[[Iterable[Sequence[Any]]], list[dict[str, Any]]]


@lru_cache(maxsize=64)
def builder(fields: tuple[str, ...]) -> Builder:
    """A function from rows of values to one dict each.

    It raises ValueError where a row's length is not the fields'. It is ``dict(zip(fields, row))``
    written out as a dict display, which takes less than half the time.
    """
    variables = [f"v{index}" for index in range(len(fields))]
    pairs = ", ".join(f"{name!r}: {value}" for name, value in zip(fields, variables, strict=True))
    source = f"lambda rows: [{{{pairs}}} for [{', '.join(variables)}] in rows]"
    built = eval(source, {"__builtins__": {}})  # noqa: S307 - names enter as literals only
    return cast("Builder", built)


def _check_doubled(place: str, header: Sequence[str], fields: Sequence[str]) -> None:
    for number, name in enumerate(fields):
        first = fields.index(name)
        if first < number:
            columns = (
                f"columns {first + 1} ({header[first]!r}) and {number + 1} ({header[number]!r})"
            )
            raise SourceError(
                f"{place}: {columns} are both the field {name!r}; rename one, or give it an alias."
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
