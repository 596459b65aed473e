"""``storno ledger``: the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, TypedDict

from ..domain.errors import NotFoundError
from .errors import DONE
from .exporting import export
from .options import COMMON, Common, command, group, note

if TYPE_CHECKING:
    from ..storage.queries import Balance
    from ..storage.store import Store
    from ..storage.views.replay import Progress


class _Replaying(TypedDict, total=False):
    as_of: int
    progress: Progress


Book = Annotated[str, note("The book; main where not given", metavar="NAME")]
Currency = Annotated[str | None, note("Only in this currency", metavar="CODE")]
EffectiveTo = Annotated[str | None, note("Only entries effective up to this day", metavar="D")]
PostingTo = Annotated[
    str | None, note("Only entries with a posting date up to this day", metavar="D")
]
AsOf = Annotated[
    str | None,
    note("As the books stood then, by the events alone: a time, or the end of a day", metavar="T"),
]


@command(
    "trial-balance",
    "storno ledger trial-balance",
    "storno ledger trial-balance --posting-to 2026-01-31",
    "storno ledger trial-balance --as-of 2026-03-05 --effective-to 2026-02-28",
)
def trial_balance(
    *,
    currency: Currency = None,
    effective_to: EffectiveTo = None,
    posting_to: PostingTo = None,
    as_of: AsOf = None,
    book: Book = "main",
    common: Common = COMMON,
) -> int:
    """Show every account's debits and credits, and their totals, which agree."""
    from .books import balance_document, totals_document, write_balances
    from .render import write_json

    rows = _balances(
        common,
        book,
        currency=currency,
        effective_to=effective_to,
        posting_to=posting_to,
        as_of=as_of,
    )
    if common.json:
        accounts = [balance_document(row) for row in rows]
        write_json({"book": book, "accounts": accounts, "totals": totals_document(rows)})
    else:
        write_balances(rows, totals=True)
    return DONE


@command(
    "balances",
    "storno ledger balances --account 'expense:*'",
    "storno ledger balances --currency EUR --effective-to 2026-01-31",
)
def balances(
    *,
    account: Annotated[
        str | None,
        note("Only this account, or those of a pattern such as 'expense:*'", metavar="A"),
    ] = None,
    currency: Currency = None,
    effective_to: EffectiveTo = None,
    as_of: AsOf = None,
    book: Book = "main",
    common: Common = COMMON,
) -> int:
    """Show the balances of accounts."""
    from .books import balance_document, write_balances
    from .render import write_json

    rows = _balances(
        common, book, account=account, currency=currency, effective_to=effective_to, as_of=as_of
    )
    if common.json:
        write_json([balance_document(row) for row in rows])
    else:
        write_balances(rows, totals=False)
    return DONE


@command(
    "account",
    "storno ledger account expense:rent",
    "storno ledger account creditors --from 2026-01-01 --to 2026-01-31",
)
def account(
    name: Annotated[str, note("The account", name="ACCOUNT")],
    /,
    *,
    since: Annotated[
        str | None, note("Entries effective from this day", name="--from", metavar="D")
    ] = None,
    until: Annotated[
        str | None, note("Entries effective up to this day", name="--to", metavar="D")
    ] = None,
    as_of: AsOf = None,
    book: Book = "main",
    common: Common = COMMON,
) -> int:
    """Show every line posted to an account, by effective date, with its running balance."""
    from ..storage import queries
    from .books import line_documents, write_statement
    from .moments import parse_day
    from .opening import opened_texts
    from .render import write_json_list
    from .session import open_project, opened

    first = parse_day(since, "--from") if since else None
    last = parse_day(until, "--to") if until else None
    with opened(open_project(common)) as store:
        _refuse_unknown(store, name, book)
        with _replaying(as_of) as past:
            lines = queries.account_lines(store, name, book=book, first=first, last=last, **past)
            lines = opened_texts(store, lines)
        if common.json:
            write_json_list(line_documents(lines))
        else:
            write_statement(lines)
    return DONE


@command(
    "entry", "storno ledger entry payments P00001", "storno ledger entry payroll E0001:2026-01"
)
def entry(
    job: Annotated[str, note("The job's name")],
    key: Annotated[str, note("The record's key")],
    /,
    *,
    as_of: AsOf = None,
    common: Common = COMMON,
) -> int:
    """Show the entries that a record posted, line by line."""
    from .life import entries_of, write_entries
    from .render import say, typed, write_json
    from .session import open_project, opened

    with opened(open_project(common)) as store:
        entries = entries_of(store, job, key, as_of=_time(as_of))
    if common.json:
        write_json(entries)
    else:
        write_entries(entries)
    if not entries:
        say(f"Nothing is posted for {key}. See why: {typed('audit', 'trail', job, key)}")
    return DONE


def _balances(
    common: Common,
    book: str,
    *,
    as_of: str | None,
    effective_to: str | None,
    posting_to: str | None = None,
    **filters: str | None,
) -> list[Balance]:
    """The balances that the options choose; says so where nothing can be meant by them."""
    from ..storage import queries
    from .moments import parse_day
    from .session import open_project, opened

    with opened(open_project(common)) as store, _replaying(as_of) as past:
        rows = queries.balances(
            store,
            book=book,
            effective_to=parse_day(effective_to, "--effective-to") if effective_to else None,
            posting_to=parse_day(posting_to, "--posting-to") if posting_to else None,
            **past,
            **filters,
        )
        if not rows:
            say_if_never_posted(store, book, **filters)
    return rows


@contextmanager
def _replaying(as_of: str | None) -> Iterator[_Replaying]:
    """The options of a query about the past, and a bar for what it reads; of none about now."""
    from .progress import steps

    time = _time(as_of)
    if time is None:
        yield {}
        return
    with steps("replaying the ledger") as step:
        yield {"as_of": time, "progress": step}


def _time(as_of: str | None) -> int | None:
    from .moments import parse_as_of

    return parse_as_of(as_of, "--as-of", now=dt.datetime.now(dt.UTC)) if as_of else None


def say_if_never_posted(store: Store, book: str, **filters: str | None) -> None:
    """A book, an account or a currency that nothing was ever posted to may be mistyped."""
    from ..domain.suggest import did_you_mean
    from ..storage import queries
    from .render import say

    posted = queries.balances(store)
    for name, value in {"book": book, **filters}.items():
        known = {getattr(row, name) for row in posted}
        if known and value is not None and not any(fnmatchcase(each, value) for each in known):
            say(f"Nothing was ever posted to {name} {value!r}.{did_you_mean(value, known)}")


def _refuse_unknown(store: Store, name: str, book: str) -> None:
    """An account that never moved is more likely mistyped than quiet."""
    from ..domain.suggest import did_you_mean
    from ..storage import queries

    if not queries.balances(store, book=book, account=name):
        known = {row.account for row in queries.balances(store, book=book)}
        raise NotFoundError(
            f"nothing was posted to account {name!r} in book {book}.{did_you_mean(name, known)} "
            "See storno ledger balances."
        )


ledger = group(
    "ledger",
    "Trial balance, balances, accounts and entries.",
    trial_balance,
    balances,
    account,
    entry,
    export,
)
