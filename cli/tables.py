"""Tables on stdout. No value is ever cut: a figure without its last digits is another figure.

On a terminal that is too narrow, columns that matter less are left out; where that is not enough,
every row becomes a block of lines. In a pipe a table has all its columns, however wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from .render import STATE_STYLES, stdout, visible

if TYPE_CHECKING:
    from rich.table import Table

MARGIN: Final = 2
"""Between two columns."""

READABLE: Final = 24
"""A column of sentences is not made narrower than this."""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its heading.
        right: whether its values stand on the right, as numbers do.
        wraps: whether its values go on in a next line where the terminal is narrow.
        states: whether its values are states, with colours of their own.
        spare: how soon it is left out where the terminal is too narrow: the highest first, 0 never.
    """

    title: str
    right: bool = False
    wraps: bool = False
    states: bool = False
    spare: int = 0


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], width: int | None = None
) -> Table | Text:
    """A table without lines: what lines up needs none.

    Args:
        columns: what it could show.
        rows: a value for each column.
        width: of the terminal, in cells; stdout's where not given.
    """
    cells = [[visible(value).replace("\n", "\\n") for value in row] for row in rows]
    shown = _fitting(columns, cells, stdout().width if width is None else width)
    if shown is None:
        return _blocks(columns, cells)
    chosen = [columns[place] for place in shown]
    return _side_by_side(chosen, [[row[place] for place in shown] for row in cells])


def write_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout."""
    console = stdout()
    with console.capture() as captured:
        console.print(table(columns, rows))
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> list[int] | None:
    """The places of the columns that fit side by side, None where too little would be left."""
    needs = [_need(column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    shown = list(range(len(columns)))
    while sum(needs[place] + MARGIN for place in shown) - MARGIN > width:
        spare = [place for place in shown if columns[place].spare]
        if not spare:
            return None
        shown.remove(max(spare, key=lambda place: columns[place].spare))
    return shown


def _need(column: Column, values: Iterable[str]) -> int:
    natural = max(map(cell_len, (column.title, *values)))
    return min(natural, READABLE) if column.wraps else natural


def _side_by_side(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Table:
    from rich.table import Table

    made = Table(box=None, padding=(0, MARGIN, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in rows:
        cells = zip(columns, row, strict=True)
        made.add_row(*(Text(value, style=_style(column, value)) for column, value in cells))
    return made


def _blocks(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Text:
    """For each row a line a value, after its title; empty values are left out."""
    width = max(len(column.title) for column in columns) + MARGIN
    blocks = []
    for row in rows:
        lines = [
            Text.assemble((f"{column.title:<{width}}", "dim"), (value, _style(column, value)))
            for column, value in zip(columns, row, strict=True)
            if value
        ]
        blocks.append(Text("\n").join(lines))
    return Text("\n\n").join(blocks)


def _style(column: Column, value: str) -> str:
    return STATE_STYLES.get(value, "") if column.states else ""
