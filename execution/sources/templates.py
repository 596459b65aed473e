"""Placeholders in paths: ``payments-{month}.csv`` for a run with a parameter ``month``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from string import Formatter
from typing import Any

from ...domain.errors import DefinitionError


def placeholders(template: str) -> frozenset[str]:
    """The names between braces; ``{{`` and ``}}`` stand for braces.

    Raises:
        DefinitionError: the braces do not match, or hold something that is not a name.
    """
    try:
        names = frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)
    except ValueError as error:
        raise DefinitionError(f"{template!r}: {error}; write {{{{ and }}}} for braces.") from None
    for name in names:
        if not name.isidentifier():
            raise DefinitionError(
                f"{template!r}: {{{name}}} is no parameter's name; write {{{{ and }}}} for braces."
            )
    return names


def fill(template: str, parameters: Mapping[str, Any], quote: Callable[[str], str] = str) -> str:
    """The template with its placeholders filled, each value passed through ``quote``.

    Raises:
        DefinitionError: a placeholder names no parameter, or its format does not fit the value.
    """
    for missing in sorted(placeholders(template) - parameters.keys()):
        known = _known(missing, parameters)
        raise DefinitionError(f"{template!r} needs a parameter {missing!r}; {known}")
    parts: list[str] = []
    for literal, name, form, conversion in Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            pattern = f"{{0!{conversion}:{form}}}" if conversion else f"{{0:{form}}}"
            try:
                parts.append(quote(pattern.format(parameters[name])))
            except ValueError as error:
                raise DefinitionError(f"{template!r}: {{{name}}} does not fit: {error}.") from None
    return "".join(parts)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'month'?)``, or nothing."""
    close = get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _known(name: str, parameters: Mapping[str, Any]) -> str:
    if not parameters:
        return "the job has no parameters."
    return f"the job's are {', '.join(sorted(parameters))}{did_you_mean(name, parameters)}."
