"""Output: data on stdout, everything else on stderr; for people on a terminal, plain in a pipe."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from ..domain.money import format_minor

if TYPE_CHECKING:
    from rich.table import Table

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
    "released": "dim",
    "resolved": "dim",
}


@cache
def stdout() -> Console:
    """Where data goes."""
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)


@cache
def stderr() -> Console:
    """Where everything else goes."""
    return Console(stderr=True, highlight=False, emoji=False)


def for_people() -> bool:
    """Whether stdout is a terminal: somebody reads it."""
    return stdout().is_terminal


def say(message: str) -> None:
    """A remark on stderr, after all that was written to stdout before it."""
    sys.stdout.flush()
    stderr().print(message, markup=False, soft_wrap=True)


def write_json(document: Any) -> None:
    """The one document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_json_list(documents: Iterable[Any]) -> None:
    """One document that is a list, written as its parts come: it may be long."""
    separator = "\n"
    sys.stdout.write("[")
    for document in documents:
        sys.stdout.write(f"{separator}  {json.dumps(document, ensure_ascii=False)}")
        separator = ",\n"
    sys.stdout.write("]\n" if separator == "\n" else "\n]\n")


def write_json_line(document: Any) -> None:
    """One line of a stream."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its heading.
        right: whether its values stand on the right, as numbers do.
        wraps: whether it gives way where the terminal is narrow.
        states: whether its values are states, with colours of their own.
    """

    title: str
    right: bool = False
    wraps: bool = False
    states: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Table:
    """A table without lines: what lines up needs none."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in rows:
        cells = zip(columns, row, strict=True)
        made.add_row(
            *(
                Text(value, style=STATE_STYLES.get(value, "") if column.states else "")
                for column, value in cells
            )
        )
    return made


def write_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout."""
    console = stdout()
    with console.capture() as captured:
        console.print(table(columns, rows))
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


def write_fields(fields: Mapping[str, str]) -> None:
    """Names and values, one a line."""
    width = max(map(len, fields)) + 2
    console = stdout()
    for name, value in fields.items():
        console.print(f"{name:<{width}}", end="", style="dim")
        console.print(value, style=STATE_STYLES.get(value, ""), soft_wrap=True)


def write_line(text: str = "", style: str = "") -> None:
    """A line of data, or between data."""
    stdout().print(text, style=style, soft_wrap=True)


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
    return f"{records / seconds:,.0f} records/s" if seconds and seconds > 0 else "-"


def counted(number: int, noun: str) -> str:
    """``1 dead letter``, ``2 dead letters``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
