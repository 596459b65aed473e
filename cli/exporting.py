"""``storno ledger export``: a book for other programs."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..domain.errors import UsageError
from .errors import DONE
from .options import COMMON, OPTIONS, Common, command, note

if TYPE_CHECKING:
    from ..domain.account_names import AccountNames
    from ..storage.queries import EntryFilter, RecordedEntry
    from ..storage.store import Store
    from .export_books import ExportedBook

Format = Literal["beancount", "hledger", "csv", "parquet"]
Document = dict[str, Any]


@Parameter(name="*", group=OPTIONS)
@dataclass(frozen=True, kw_only=True)
class Which:
    """Options that choose entries.

    Attributes:
        since: the first day.
        until: the last day.
        by: the date that both are about.
        as_of: the time by which they were recorded.
        book: theirs.
    """

    since: Annotated[str | None, note("Entries from this day", name="--from", metavar="D")] = None
    until: Annotated[str | None, note("Entries up to this day", name="--to", metavar="D")] = None
    by: Annotated[
        Literal["posting", "effective"],
        note(
            "The date that transactions bear, and that --from and --to are about; posting where "
            "not given",
            metavar="DATE",
        ),
    ] = "posting"
    as_of: Annotated[str | None, note("Only what was recorded by that time", metavar="T")] = None
    book: Annotated[str, note("The book; main where not given", metavar="NAME")] = "main"


EVERYTHING = Which()


@command(
    "export",
    "storno ledger export --format beancount --out books.beancount",
    "storno ledger export --format csv --to 2026-01-31 > january.csv",
    "storno ledger export --format parquet --out books.parquet --by effective",
)
def export(
    *,
    form: Annotated[Format, note("What to write", name="--format", metavar="FORMAT")],
    out: Annotated[
        Path | None, note("Write to this file; else to stdout, but for parquet", metavar="FILE")
    ] = None,
    which: Which = EVERYTHING,
    force: Annotated[bool, note("Overwrite the file")] = False,
    common: Common = COMMON,
) -> int:
    """Write a book's entries for other programs, in the order they were recorded."""
    from .new_files import refuse_existing
    from .session import open_project, opened

    if out is None:
        _refuse_stdout(form, json=common.json)
    else:
        refuse_existing(out, force=force)
    project, tally = open_project(common), Tally()
    with opened(project) as store:
        chosen = _chosen(store, which)
        exported = _exported(store, chosen, project.account_names)
        _write(store, exported, form, tally, out)
    if out is not None:
        _report(exported, tally, form, out, json=common.json)
    return DONE


@dataclass
class Tally:
    """What went by.

    Attributes:
        sums: currency and exponent to the debits and the credits, in minor units.
    """

    entries: int = 0
    lines: int = 0
    sums: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def watch(self, entries: Iterable[RecordedEntry]) -> Iterator[RecordedEntry]:
        """Count entries on their way."""
        for each in entries:
            self.entries += 1
            self.lines += len(each.entry.lines)
            for line in each.entry.lines:
                sums = self.sums.setdefault((line.currency, line.exponent), [0, 0])
                sums["DC".index(line.side)] += line.minor
            yield each

    def totals(self) -> list[Document]:
        """The sums per currency."""
        from ..domain.money import format_minor

        return [
            {
                "currency": currency,
                "debit": format_minor(debit, places),
                "credit": format_minor(credit, places),
            }
            for (currency, places), (debit, credit) in sorted(self.sums.items())
        ]


def _refuse_stdout(form: Format, *, json: bool) -> None:
    if form == "parquet":
        raise UsageError("--format parquet is written to a file: add --out FILE.")
    if json:
        raise UsageError("--json says what was written to a file: add --out FILE.")


def _chosen(store: Store, which: Which) -> EntryFilter:
    from ..storage.queries import EntryFilter, commits_recorded
    from .moments import parse_day, parse_moment

    now, as_of = dt.datetime.now(dt.UTC), which.as_of
    until = parse_moment(as_of, "--as-of", now=now) if as_of else None
    return EntryFilter(
        book=which.book,
        commits=commits_recorded(store, until=until),
        by=which.by,
        first=parse_day(which.since, "--from") if which.since else None,
        last=parse_day(which.until, "--to") if which.until else None,
    )


def _exported(store: Store, chosen: EntryFilter, names: AccountNames) -> ExportedBook:
    from ..storage import queries
    from .export_books import ExportedBook
    from .ledger import say_if_never_posted

    accounts = queries.used_accounts(store, chosen)
    if not accounts:
        say_if_never_posted(store, chosen.book)
    last = queries.commit_at(store, chosen.commits.last)
    return ExportedBook(store.store_id, chosen, last, accounts, names)


def _write(
    store: Store, exported: ExportedBook, form: Format, tally: Tally, out: Path | None
) -> None:
    """Write it to a file, or to stdout; nothing stands in the way of the file any more."""
    from ..storage.queries import recorded_entries
    from .export_tables import write_parquet
    from .new_files import new_file
    from .opening import closed_texts

    entries = tally.watch(closed_texts(store, recorded_entries(store, exported.chosen)))
    if out is None:
        _write_text(sys.stdout.fileno(), exported, form, entries)
        return
    with new_file(out, force=True) as path:
        if form == "parquet":
            write_parquet(path, entries)
        else:
            _write_text(path, exported, form, entries)


def _write_text(
    file: Path | int, exported: ExportedBook, form: Format, entries: Iterator[RecordedEntry]
) -> None:
    """UTF-8 with LF, whatever the system's own is: the same books give the same bytes."""
    from .export_books import beancount_text, hledger_text
    from .export_tables import csv_text

    is_path = not isinstance(file, int)
    with open(file, "w", encoding="utf-8", newline="\n", closefd=is_path) as text:
        if form == "csv":
            text.writelines(csv_text(entries))
        else:
            write = beancount_text if form == "beancount" else hledger_text
            text.writelines(write(exported, entries))


def _report(exported: ExportedBook, tally: Tally, form: Format, out: Path, *, json: bool) -> None:
    """What was written: a document, or a remark."""
    from .new_files import file_document
    from .render import counted, say, write_json

    if not json:
        number = f"{tally.entries:,} {'entry' if tally.entries == 1 else 'entries'}"
        say(f"Wrote {number} ({counted(tally.lines, 'line')}) to {out}.")
        return
    last = exported.last
    document = {
        "file": str(out),
        "format": form,
        "book": exported.chosen.book,
        "entries": tally.entries,
        "lines": tally.lines,
        "totals": tally.totals(),
        "commit": last.number if last else None,
        "chain_hash": last.chain_hash.hex() if last else None,
    }
    write_json(document | file_document(out))
