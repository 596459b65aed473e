"""Two runs, or two attempts, compared: the document, and the page for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..domain.errors import NotFoundError
from ..domain.money import format_minor
from ..storage import queries
from ..storage.queries.comparison import (
    Amounts,
    KeyDifference,
    Side,
    Unit,
    key_differences,
    posted_totals,
)
from .documents import COUNTS, attempt_document
from .find import find_run
from .render import clock_text, count, duration, plural, thousands, write_line
from .standing import standing
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..storage.store import Store

Document = dict[str, Any]
KINDS = ("only_first", "only_second", "other_amounts")
ALIKE = ("state", *COUNTS, "reversed")
"""What of two runs is compared; ``reversed`` is no attempt's."""

TIMES = ("chunks", "seconds", "started", "ended", "actor")
"""What is shown beside it, and is no difference."""


def compared(store: Store, first: str, second: str, limit: int) -> Document:
    """What two words mean, and how they differ.

    Args:
        first: a run, or ``RUN@N`` for an attempt.
        second: the same.
        limit: how many keys of each kind are listed.

    Raises:
        NotFoundError: there is no such run, or no such attempt.
        UsageError: several runs begin so.
    """
    sides = [_side(store, word) for word in (first, second)]
    facts = [_facts(store, side) for side in sides]
    totals = _totals_document(*(posted_totals(store, side) for side in sides))
    keys = _keys_document(key_differences(store, *sides), limit)
    counts = [
        {"name": name, "first": facts[0][name], "second": facts[1][name]}
        for name in ALIKE
        if name != "state" and name in facts[0] and name in facts[1]
    ]
    differ = any(each["first"] != each["second"] for each in counts)
    differ = differ or any(each["differs"] for each in totals) or any(keys[kind] for kind in KINDS)
    return {
        "equal": not differ,
        "first": facts[0],
        "second": facts[1],
        "counts": counts,
        "totals": totals,
        "keys": keys,
    }


def _side(store: Store, word: str) -> Side:
    """What a word names; a run's own name may end as an attempt does."""
    name, at, number = word.rpartition("@")
    if not (at and name and number.isdecimal()) or queries.runs(store, start=word):
        return Side(find_run(store, word).row.run)
    run = find_run(store, name).row.run
    known = [attempt.attempt for attempt in queries.attempts(store, run)]
    if int(number) not in known:
        raise NotFoundError(
            f"{run} has no attempt {number}, but {', '.join(map(str, known))}: "
            f"storno show {run} lists them."
        )
    return Side(run, int(number))


def _facts(store: Store, side: Side) -> Document:
    """A side's state, counts and times."""
    if side.attempt is None:
        document = standing(store, queries.run(store, side.run))
        return {name: document[name] for name in ("run", *ALIKE, *TIMES)} | {"attempt": None}
    [row] = [each for each in queries.attempts(store, side.run) if each.attempt == side.attempt]
    document = attempt_document(row)
    wanted = {name: document[name] for name in ("attempt", "state", *COUNTS, *TIMES)}
    return {"run": side.run} | wanted


def _totals_document(
    first: Mapping[Unit, tuple[int, int]], second: Mapping[Unit, tuple[int, int]]
) -> list[Document]:
    """Every account of either side; they differ where their balances do."""
    documents = []
    for unit in sorted({*first, *second}):
        book, account, currency, places = unit
        sides = [side.get(unit, (0, 0)) for side in (first, second)]
        balances = [debit - credit for debit, credit in sides]
        documents.append(
            {
                "book": book,
                "account": account,
                "currency": currency,
                **{
                    name: {
                        "debit": format_minor(debit, places),
                        "credit": format_minor(credit, places),
                        "balance": format_minor(debit - credit, places),
                    }
                    for name, (debit, credit) in zip(("first", "second"), sides, strict=True)
                },
                "difference": format_minor(balances[1] - balances[0], places),
                "differs": balances[0] != balances[1],
            }
        )
    return documents


def _keys_document(differences: Iterator[KeyDifference], limit: int) -> Document:
    """How many there are of each kind, and the first of each."""
    counts = dict.fromkeys(KINDS, 0)
    listed: list[Document] = []
    for each in differences:
        kind = _kind(each)
        counts[kind] += 1
        if counts[kind] <= limit:
            listed.append(
                {
                    "key": each.key,
                    "what": kind,
                    "first": _amounts(each.first),
                    "second": _amounts(each.second),
                }
            )
    return {**counts, "listed": sorted(listed, key=lambda each: KINDS.index(each["what"]))}


def _kind(difference: KeyDifference) -> str:
    if difference.second is None:
        return "only_first"
    return "only_second" if difference.first is None else "other_amounts"


def _amounts(amounts: Amounts | None) -> list[Document] | None:
    if amounts is None:
        return None
    return [
        {
            "book": book,
            "account": account,
            "amount": format_minor(minor, places),
            "currency": currency,
        }
        for (book, account, currency, places), minor in amounts
    ]


def write_compared(document: Document) -> None:
    """The comparison for people: what differs, and how much does not."""
    names = [_name(document[side]) for side in ("first", "second")]
    _write_facts(document, names)
    _write_totals(document["totals"], names)
    _write_keys(document["keys"], names)
    if document["equal"]:
        write_line()
        write_line("They agree.", "green")


def _name(side: Document) -> str:
    return side["run"] if side["attempt"] is None else f"{side['run']}@{side['attempt']}"


def _write_facts(document: Document, names: Sequence[str]) -> None:
    first, second = document["first"], document["second"]
    rows: list[Sequence[str]] = [("state", first["state"], second["state"], "")]
    for each in document["counts"]:
        more = each["second"] - each["first"]
        shown = f"{more:+d}" if more else ""
        rows.append((each["name"], count(each["first"]), count(each["second"]), shown))
    for name in ("completed", "failed"):
        pair = [side["chunks"][name] for side in (first, second)]
        rows.append((f"chunks {name}", *map(count, pair), ""))
    rows.append(("started", *(clock_text(side["started"]) for side in (first, second)), ""))
    rows.append(("took", *(duration(side["seconds"]) for side in (first, second)), ""))
    rows.append(("actor", first["actor"], second["actor"], ""))
    columns = (
        Column(""),
        *(Column(name, right=True) for name in names),
        Column("difference", right=True),
    )
    write_table(columns, rows)


def _write_totals(totals: Sequence[Document], names: Sequence[str]) -> None:
    differing = [each for each in totals if each["differs"]]
    write_line()
    agree = len(totals) - len(differing)
    write_line(
        f"Balances of {count(len(differing))} {plural(len(differing), 'account')} differ, "
        f"of {count(agree)} they agree.",
        "bold",
    )
    if not differing:
        return
    columns = (
        Column("account"),
        Column("currency"),
        *(Column(name, right=True) for name in names),
        Column("difference", right=True),
    )
    write_table(
        columns,
        [
            (
                each["account"] if each["book"] == "main" else f"{each['book']} {each['account']}",
                each["currency"],
                thousands(each["first"]["balance"]),
                thousands(each["second"]["balance"]),
                thousands(each["difference"]),
            )
            for each in differing
        ],
    )


def _write_keys(keys: Document, names: Sequence[str]) -> None:
    titles = {
        "only_first": f"only in {names[0]}",
        "only_second": f"only in {names[1]}",
        "other_amounts": "with other amounts",
    }
    for kind, listed in groupby(keys["listed"], key=lambda each: each["what"]):
        rows = [(each["key"], _said(each["first"]), _said(each["second"])) for each in listed]
        write_line()
        write_line(f"{count(keys[kind])} {plural(keys[kind], 'key')} {titles[kind]}", "bold")
        columns = (Column("key"), *(Column(name, wraps=True) for name in names))
        write_table(columns, rows)
        if keys[kind] > len(rows):
            write_line(f"and {count(keys[kind] - len(rows))} more: --limit lists them.")


def _said(amounts: Sequence[Document] | None) -> str:
    if amounts is None:
        return "-"
    return ", ".join(
        f"{each['account']} {thousands(each['amount'])} {each['currency']}" for each in amounts
    )
