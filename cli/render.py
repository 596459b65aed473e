"""Output: data on stdout, everything else on stderr; for people on a terminal, plain in a pipe."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ..domain.money import format_minor

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 100_000
"""In a pipe nothing is cut or wrapped."""

STATE_STYLES = {
    "completed": "green",
    "failed": "red",
    "open": "red",
    "running": "cyan",
    "processing": "cyan",
    "stopped": "yellow",
    "abandoned": "dim",
    "reversing": "cyan",
    "partly-reversed": "yellow",
    "reversed": "dim",
    "requested": "yellow",
    "approved": "cyan",
    "rejected": "dim",
    "corrected": "dim",
    "discarded": "dim",
    "released": "dim",
    "resolved": "dim",
}

_SPELLED_OUT = {
    code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160)) if chr(code) != "\n"
}


@cache
def stdout() -> Console:
    """Where data goes."""
    from rich.console import Console  # here, so that a run commits before this is needed

    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


@cache
def stderr() -> Console:
    """Where everything else goes."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def for_people() -> bool:
    """Whether stdout is a terminal: somebody reads it."""
    return stdout().is_terminal


def is_watched() -> bool:
    """Whether stderr is a terminal: somebody waits in front of it."""
    return sys.stderr.isatty()


def say(message: str) -> None:
    """A remark on stderr, after all that was written to stdout before it."""
    sys.stdout.flush()
    if is_watched():  # by the console, which keeps a bar below what is said
        stderr().print(visible(message), markup=False, soft_wrap=True)
    else:
        sys.stderr.write(f"{visible(message)}\n")
        sys.stderr.flush()


def typed(*words: str) -> str:
    """A command as it can be typed, whatever its words hold: ``storno resume 'rents/A B'``."""
    return shlex.join(("storno", *words))


def visible(text: str) -> str:
    """The text with control characters spelled out: what came in must not steer a terminal."""
    return text.translate(_SPELLED_OUT)


def as_text(value: Any) -> str:
    """A JSON value for people: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write_json(document: Any) -> None:
    """The one document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_json_list(documents: Iterable[Any]) -> None:
    """One document that is a list, written as its parts come: it may be long."""
    _write_list(documents, "")
    sys.stdout.write("\n")


def write_json_ending(document: Mapping[str, Any], name: str, parts: Iterable[Any]) -> None:
    """One document whose last field is a list that may be long, written as its parts come."""
    whole = json.dumps(document, indent=2, ensure_ascii=False)
    begun = whole.removesuffix("\n}")
    sys.stdout.write(f"{begun},\n  {json.dumps(name)}: ")
    _write_list(parts, "  ")
    sys.stdout.write("\n}\n")


def _write_list(parts: Iterable[Any], indent: str) -> None:
    separator = "\n"
    sys.stdout.write("[")
    for part in parts:
        sys.stdout.write(f"{separator}{indent}  {json.dumps(part, ensure_ascii=False)}")
        separator = ",\n"
    sys.stdout.write("]" if separator == "\n" else f"\n{indent}]")


def write_json_line(document: Any) -> None:
    """One line of a stream."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_fields(fields: Mapping[str, str]) -> None:
    """Names and values, one a line."""
    width = max(map(len, fields)) + 2
    console = stdout()
    for name, value in fields.items():
        console.print(f"{name:<{width}}", end="", style="dim")
        console.print(visible(value), style=STATE_STYLES.get(value, ""), soft_wrap=True)


def write_line(text: str = "", style: str = "") -> None:
    """A line of data, or between data."""
    stdout().print(visible(text), style=style, soft_wrap=True)


def count(number: int) -> str:
    """A number: with thousands separators for people, plain in a pipe."""
    return f"{number:,}" if for_people() else str(number)


def amount(minor: int, places: int) -> str:
    """An amount: ``1,250.00`` for people, ``1250.00`` in a pipe."""
    return thousands(format_minor(minor, places))


def thousands(text: str) -> str:
    """An amount that is text already, with separators where people read it."""
    if not for_people():
        return text
    whole, point, decimals = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{decimals}"


def moment(microseconds: int | None) -> str | None:
    """Microseconds since 1970 as RFC 3339 in UTC: ``2026-01-31T22:04:05.123456Z``."""
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    time = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def clock(microseconds: int | None) -> str:
    """The same to the second: ``2026-01-31 22:04:05Z``; a dash where there is none."""
    return clock_text(moment(microseconds))


def clock_text(text: str | None) -> str:
    """What ``moment`` gave, to the second, for people."""
    return f"{text[:10]} {text[11:19]}Z" if text else "-"


def duration(seconds: float | None) -> str:
    """``0.31 s``, ``2 m 05 s``, ``1 h 02 m``; a dash where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


def rate(records: int, seconds: float | None) -> str:
    """Records per second, ``-`` where too little time has passed to tell."""
    return f"{count(round(records / seconds))} records/s" if seconds and seconds > 0 else "-"


def counted(number: int, noun: str) -> str:
    """``1 dead letter``, ``2,000 dead letters``, for a remark on stderr."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The noun alone, as it follows the number."""
    return noun if number == 1 else f"{noun}s"
