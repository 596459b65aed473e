"""Tables on terminals of any width: whatever is shown is shown whole."""

from __future__ import annotations

import re

import pytest

from storno.cli.tables import Column, table
from storno.domain.money import format_minor

from .command import Storno
from .terminal import on_terminal

COLUMNS = (
    Column("account"),
    Column("why", wraps=True),
    Column("noted", spare=1),
    Column("by", spare=2),
    Column("debit", right=True),
)
ROW = ("expense:stationery", "", "2026-01-31 22:04:05Z", "ada", "1,234,567.89")


def drawn(columns: tuple[Column, ...], row: tuple[str, ...], width: int) -> list[str]:
    """The lines that a terminal of this width shows."""
    from rich.console import Console

    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as captured:
        console.print(table(columns, [row], width))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_with_room_every_column_is_shown() -> None:
    header, line = drawn(COLUMNS, ROW, 70)

    assert header.split() == ["account", "why", "noted", "by", "debit"]
    assert line.split() == ["expense:stationery", "2026-01-31", "22:04:05Z", "ada", "1,234,567.89"]


def test_what_matters_less_is_left_out_first() -> None:
    assert drawn(COLUMNS, ROW, 62)[0].split() == ["account", "why", "noted", "debit"]
    assert drawn(COLUMNS, ROW, 40)[0].split() == ["account", "why", "debit"]


def test_where_even_that_is_too_wide_a_row_becomes_a_block() -> None:
    assert drawn(COLUMNS, ROW, 30) == [
        "account  expense:stationery",
        "noted    2026-01-31 22:04:05Z",
        "by       ada",
        "debit    1,234,567.89",
    ]


def test_sentences_go_on_in_the_next_line() -> None:
    columns = (Column("key"), Column("message", wraps=True))
    sentence = "the key was posted with other content"

    lines = drawn(columns, ("P1", sentence), 30)

    assert len(lines) == 3
    assert " ".join(line[5:] for line in lines[1:]) == sentence


@pytest.mark.parametrize("width", range(24, 72))
def test_no_figure_is_ever_cut(width: int) -> None:
    figure = format_minor(-123_456_789_012, 2)

    lines = drawn(
        (Column("account"), Column("debit", right=True), Column("credit", right=True)),
        ("expense:stationery", figure, "0.00"),
        width,
    )

    assert any(figure in line for line in lines)


def test_what_came_in_does_not_steer_the_terminal() -> None:
    [_, line] = drawn((Column("key"),), ("P1\x1b[2J\x9b\r\nP2",), 40)

    assert line == r"P1\x1b[2J\x9b\r\nP2"


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_the_books_are_whole_on_a_narrow_terminal(ran: Storno, width: int) -> None:
    screen = on_terminal(ran, "ledger", "trial-balance", COLUMNS=str(width))

    amounts = set(re.findall(r"-?[\d,]+\.\d\d\b", screen.text))
    accounts = ran.json("ledger", "trial-balance")["accounts"]
    expected = {f"{float(row[side]):,.2f}" for row in accounts for side in ("debit", "balance")}
    assert expected <= amounts
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.text)
    assert max(map(len, plain.splitlines())) <= width


def test_runs_fit_eighty_columns_with_their_counts(ran: Storno) -> None:
    screen = on_terminal(ran, "runs", COLUMNS="80", NO_COLOR="1", TERM="dumb")

    header, line = screen.text.splitlines()[:2]
    assert header.split()[:6] == ["run", "state", "read", "succeeded", "skipped", "failed"]
    assert line.split()[:6] == ["payments/2026-01", "completed", "240", "237", "0", "3"]
