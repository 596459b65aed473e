"""Balances and movements, as documents and as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..domain.money import format_minor
from .render import amount, moment, say
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..storage.queries import AccountLine, Balance

Document = dict[str, Any]


def balance_document(row: Balance) -> Document:
    """An account's sums in one currency; the balance is debit minus credit."""
    return {
        "account": row.account,
        "currency": row.currency,
        "debit": format_minor(row.debit, row.exponent),
        "credit": format_minor(row.credit, row.exponent),
        "balance": format_minor(row.debit - row.credit, row.exponent),
    }


def totals_document(rows: Sequence[Balance]) -> list[Document]:
    """The sums per currency."""
    return [
        {
            "currency": currency,
            "debit": format_minor(debit, places),
            "credit": format_minor(credit, places),
        }
        for (currency, places), (debit, credit) in _totals(rows).items()
    ]


def write_balances(rows: Sequence[Balance], *, totals: bool) -> None:
    """The balances as a table, with their totals under it."""
    if not rows:
        say("Nothing is posted here.")
        return
    lines = [_line(row.account, row.currency, row.debit, row.credit, row.exponent) for row in rows]
    if totals:
        lines += [
            _line("total", currency, debit, credit, places)
            for (currency, places), (debit, credit) in _totals(rows).items()
        ]
    columns = (
        Column("account"),
        Column("currency"),
        Column("debit", right=True),
        Column("credit", right=True),
        Column("balance", right=True),
    )
    write_table(columns, lines)


def line_documents(lines: Iterable[AccountLine]) -> Iterator[Document]:
    """The lines of one account, each with the balance after it."""
    for line in lines:
        yield {
            "effective": line.effective,
            "posting": line.posting,
            "job": line.job,
            "key": line.key,
            "run": line.run,
            "text": line.text,
            "reversal": line.reversal,
            "currency": line.currency,
            "debit": format_minor(line.debit, line.exponent),
            "credit": format_minor(line.credit, line.exponent),
            "balance": format_minor(line.balance, line.exponent),
            "commit": line.commit_number,
            "recorded": moment(line.recorded_at),
        }


def write_statement(lines: Iterable[AccountLine]) -> None:
    """An account's lines as a table; with the reversals only where there are some."""
    shown = list(lines)
    reversals = (Column("reversal", spare=2),) if any(each.reversal for each in shown) else ()
    columns = (
        Column("effective"),
        Column("record"),
        Column("text", wraps=True, spare=1),
        *reversals,
        Column("currency"),
        Column("debit", right=True),
        Column("credit", right=True),
        Column("balance", right=True),
    )
    rows = [
        (
            line.effective,
            f"{line.job} {line.key}",
            line.text,
            *(line.reversal or "" for _ in reversals),
            line.currency,
            *(_shown(minor, line.exponent) for minor in (line.debit, line.credit)),
            amount(line.balance, line.exponent),
        )
        for line in shown
    ]
    if rows:
        write_table(columns, rows)
    else:
        say("Nothing is posted on these days.")


def _shown(minor: int, places: int) -> str:
    """The side that a line is not on stays empty."""
    return amount(minor, places) if minor else ""


def _totals(rows: Sequence[Balance]) -> dict[tuple[str, int], tuple[int, int]]:
    totals: dict[tuple[str, int], tuple[int, int]] = {}
    for row in rows:
        unit = (row.currency, row.exponent)
        debit, credit = totals.get(unit, (0, 0))
        totals[unit] = (debit + row.debit, credit + row.credit)
    return dict(sorted(totals.items()))


def _line(name: str, currency: str, debit: int, credit: int, places: int) -> tuple[str, ...]:
    amounts = (debit, credit, debit - credit)
    return (name, currency, *(amount(each, places) for each in amounts))
