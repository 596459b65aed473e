"""A book as text that other accounting programs read: beancount and hledger.

Amounts are written as they are stored, with their currency's decimals: debits as they are,
credits with the other sign. What both programs cannot tell by the sign, a negative debit of a red
reversal and a negative credit, is told beside the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..domain.account_names import AccountNames, percent, to_hledger
from ..domain.money import format_minor
from .render import moment

if TYPE_CHECKING:
    import datetime as dt

    from ..domain.entry import PostedLine
    from ..storage.dialect import Commit
    from ..storage.queries import EntryFilter, RecordedEntry, UsedAccount

HLEDGER_TYPES: Final = {
    "Assets": "A",
    "Liabilities": "L",
    "Equity": "E",
    "Income": "R",
    "Expenses": "X",
}

_NO_LINK: Final = re.compile(r"[^A-Za-z0-9_/.]")
_HLEDGERS_OWN: Final = re.compile(r"[;\x00-\x1f\x7f-\xa0\u2028\u2029]|^ | $|%(?=[0-9A-F]{2})")
_SIDES: Final = {"D": "debit", "C": "credit"}
_ESCAPES: Final = {
    **{code: f"\\\\x{code:02x}" for code in (*range(32), 127)},
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


@dataclass(frozen=True, slots=True)
class ExportedBook:
    """What is written of a book.

    Attributes:
        store_id: the store's.
        last: the last commit that is taken up; None where there is none.
        accounts: those that entries post to.
        names: what accounts are called elsewhere.
    """

    store_id: str
    chosen: EntryFilter
    last: Commit | None
    accounts: list[UsedAccount]
    names: AccountNames


def link_of(entry: RecordedEntry) -> str:
    """What an entry and the one that takes it back have in common: ``payments/P00041.1``.

    The record's job and key and the posting's version in the record's stream; what beancount
    takes into no link is a hyphen and two hexadecimal digits for each byte.
    """
    name = entry.stream.removeprefix("record/")
    escaped = _NO_LINK.sub(lambda found: percent(found[0]).replace("%", "-"), name)
    return f"{escaped}.{entry.posted_version}"


def beancount_text(book: ExportedBook, entries: Iterable[RecordedEntry]) -> Iterator[str]:
    """The book for beancount, piece by piece; entries stand in the order of the log."""
    yield _heading(book)
    yield f'option "title" {_quoted(book.chosen.book)}\n\n'
    for account, currencies, day in _opened(book):
        name = book.names.to_beancount(account)
        yield f"{day} open {name} {','.join(currencies)}\n  account: {_quoted(account)}\n"
    for each in entries:
        yield _beancount_entry(book, each)


def hledger_text(book: ExportedBook, entries: Iterable[RecordedEntry]) -> Iterator[str]:
    """The book for hledger, piece by piece; entries stand in the order of the log."""
    yield _heading(book)
    yield "decimal-mark .\n\n"
    for currency, places in sorted({(each.currency, each.exponent) for each in book.accounts}):
        yield f"commodity 1000.{'0' * places} {currency}\n"
    for account, _, _ in _opened(book):
        yield f"account {to_hledger(account)}  ; type:{HLEDGER_TYPES[book.names.root(account)]}\n"
    for each in entries:
        yield _hledger_entry(book, each)


def _heading(book: ExportedBook) -> str:
    """Where it comes from; nothing in it changes from one export to the next."""
    chosen, last = book.chosen, book.last
    days = f"; {chosen.by} dates"
    days += f" from {chosen.first}" if chosen.first else ""
    days += f" to {chosen.last}" if chosen.last else ""
    until = f"{last.number}, {last.chain_hash.hex()}" if last else "none"
    return (
        f"; Book {_one_line(chosen.book)} of store {book.store_id}\n{days}\n"
        f"; last commit and its chain hash: {until}\n\n"
    )


def _opened(book: ExportedBook) -> Iterator[tuple[str, list[str], str]]:
    """Each account with its currencies and the first day it is used."""
    found: dict[str, list[UsedAccount]] = {}
    for each in book.accounts:
        found.setdefault(each.account, []).append(each)
    for account, rows in found.items():
        currencies = sorted({row.currency for row in rows})
        yield account, currencies, min(row.first_day for row in rows)


def _beancount_entry(book: ExportedBook, each: RecordedEntry) -> str:
    links = f"^{link_of(each)}"
    if each.reversal is not None:
        links += f" ^{each.reversal} #reversal"
    lines = [f"\n{_day(book, each)} * {_quoted(each.entry.text)} {links}"]
    texts = {"job": each.job, "key": each.key, "run": each.run}
    if each.reversal is not None:
        texts["reversal"] = each.reversal
    texts["recorded"] = str(moment(each.recorded_at))
    lines += [f"  {name}: {_quoted(value)}" for name, value in texts.items()]
    lines += [f"  {name}: {value}" for name, value in _numbers_and_days(each).items()]
    for line in each.entry.lines:
        lines.append(f"  {book.names.to_beancount(line.account)}  {_signed(line)}")
        if _is_unusual(line):
            lines.append(f'    side: "{_SIDES[line.side]}"')
    return "\n".join(lines) + "\n"


def _hledger_entry(book: ExportedBook, each: RecordedEntry) -> str:
    text = _HLEDGERS_OWN.sub(lambda found: percent(found[0]), each.entry.text)
    lines = [f"\n{_day(book, each)} * {text}".rstrip()]
    tags = {"record": link_of(each), "job": each.job, "key": each.key, "run": each.run}
    if each.reversal is not None:
        tags["reversal"] = each.reversal
    lines += [f"    ; {name}:{_tag_value(value)}" for name, value in tags.items()]
    rest = {"recorded": moment(each.recorded_at)} | _numbers_and_days(each)
    lines.append("    ; " + ", ".join(f"{name}:{value}" for name, value in rest.items()))
    for line in each.entry.lines:
        side = f"  ; side:{_SIDES[line.side]}" if _is_unusual(line) else ""
        lines.append(f"    {to_hledger(line.account)}  {_signed(line)}{side}")
    return "\n".join(lines) + "\n"


def _numbers_and_days(each: RecordedEntry) -> dict[str, object]:
    return {
        "effective": each.entry.effective,
        "posting": each.entry.posting,
        "position": each.position,
        "commit": each.commit_number,
    }


def _day(book: ExportedBook, each: RecordedEntry) -> dt.date:
    return book.chosen.day(each.entry)


def _signed(line: PostedLine) -> str:
    minor = line.minor if line.side == "D" else -line.minor
    return f"{format_minor(minor, line.exponent)} {line.currency}"


def _is_unusual(line: PostedLine) -> bool:
    """Whether the sign does not tell the side: zero and above is taken for a debit."""
    return line.minor < 0 if line.side == "D" else line.minor <= 0


def _quoted(text: str) -> str:
    """A string of beancount's; control characters that it has no escape for are spelled out."""
    return f'"{text.translate(_ESCAPES)}"'


def _tag_value(text: str) -> str:
    """The value of a tag of hledger's, which ends at a comma."""
    escaped = _HLEDGERS_OWN.sub(lambda found: percent(found[0]), text)
    return escaped.replace(",", "%2C")


def _one_line(text: str) -> str:
    return " ".join(text.split())
