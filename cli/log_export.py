"""``storno audit export``: the events for an auditor, and a manifest to see that all are there."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from ..domain.errors import ConflictError, NotFoundError
from .errors import DONE
from .options import COMMON, Common, command, note

if TYPE_CHECKING:
    from ..domain.events import Event
    from ..storage.dialect import Commit, Row
    from ..storage.store import Store

Document = dict[str, Any]

MANIFEST: Final = "manifest.json"
FORMAT: Final = "storno-audit-export/1"
DAY: Final = dt.timedelta(days=1)


@command(
    "export",
    "storno audit export --out audit",
    "storno audit export --from 2026-01-01 --to 2026-01-31 --out january",
    "storno audit export --format parquet --out audit --json",
)
def export(
    *,
    out: Annotated[Path, note("The folder to write to", metavar="DIR")],
    form: Annotated[
        Literal["ndjson", "parquet"],
        note("What the files are; ndjson where not given", name="--format", metavar="FORMAT"),
    ] = "ndjson",
    since: Annotated[
        str | None, note("What was recorded from this day or time on", name="--from", metavar="T")
    ] = None,
    until: Annotated[
        str | None,
        note("What was recorded by then; a day is taken up whole", name="--to", metavar="T"),
    ] = None,
    force: Annotated[bool, note("Overwrite an earlier export")] = False,
    common: Common = COMMON,
) -> int:
    """Write the events as they are stored, their commits, and a manifest to check them by."""
    from .render import counted, say, write_json
    from .session import open_project, opened

    _prepare(out, force=force)
    with opened(open_project(common)) as store:
        span = _span(since, until)
        manifest = _write(store, span, out, form)
    if common.json:
        write_json(manifest)
    else:
        events, commits = manifest["events"], manifest["commits"]
        say(f"Wrote {counted(events, 'event')} of {counted(commits, 'commit')} to {out}.")
        say(f"{out / MANIFEST} says what there should be.")
    return DONE


def _prepare(out: Path, *, force: bool) -> None:
    """Make the folder; an earlier export loses its manifest until this one is whole.

    Raises:
        ConflictError: something is there, and nobody said that it may be overwritten.
        NotFoundError: there is no folder to make it in.
    """
    if out.exists() and not out.is_dir():
        raise ConflictError(f"{out} is a file. Name a folder.")
    if out.is_dir() and any(out.iterdir()):
        if not force:
            raise ConflictError(
                f"{out} is not empty. Name another folder, or overwrite an earlier export with "
                "--force."
            )
        if not (out / MANIFEST).exists():
            raise ConflictError(f"{out} holds no earlier export. Name another folder.")
        (out / MANIFEST).unlink()
    elif not out.parent.is_dir():
        raise NotFoundError(f"There is no folder {out.parent} to write to. Make it first.")
    out.mkdir(exist_ok=True)


@dataclass(frozen=True, slots=True)
class _Span:
    """The time in which events were recorded, microseconds since 1970 UTC; None for no end."""

    first: int | None
    last: int | None


def _span(since: str | None, until: str | None) -> _Span:
    from .moments import parse_moment

    now = dt.datetime.now(dt.UTC)
    first = parse_moment(since, "--from", now=now) if since else None
    last = parse_moment(until, "--to", now=now) if until else None
    if last is not None and until is not None and _is_day(until):
        last += DAY // dt.timedelta(microseconds=1) - 1
    return _Span(first, last)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass
class _Tally:
    """What was written.

    Attributes:
        sums: book, currency and exponent to the debits and the credits, in minor units.
    """

    first: Commit | None = None
    last: Commit | None = None
    events: int = 0
    commits: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    sums: dict[tuple[str, str, int], list[int]] = field(default_factory=dict)

    def add(self, commit: Commit, rows: list[Row]) -> None:
        from ..domain.codec import decode
        from ..storage.queries import MOVING

        self.first, self.last = self.first or commit, commit
        self.events += len(rows)
        self.commits += 1
        self.topics.update(row.topic for row in rows)
        for row in rows:
            if row.topic.startswith(MOVING):
                self._add_entries(decode(row.topic, row.state))

    def _add_entries(self, event: Event) -> None:
        for entry in getattr(event, "entries", ()):
            for line in entry.lines:
                unit = (entry.book, line.currency, line.exponent)
                self.sums.setdefault(unit, [0, 0])["DC".index(line.side)] += line.minor


def _write(store: Store, span: _Span, out: Path, form: str) -> Document:
    """Write the files, and the manifest when all the others are whole; gives the manifest."""
    from ..domain.seal import NewEvents, event_leaves
    from ..storage import queries
    from .log_files import ndjson_files, parquet_files
    from .new_files import new_file
    from .render import moment

    chosen = queries.commits_recorded(store, since=span.first, until=span.last)
    head, tally = queries.log_head(store), _Tally()
    with (ndjson_files if form == "ndjson" else parquet_files)(out) as write:
        for commit, rows in queries.committed_events(store, chosen):
            write(commit, rows, event_leaves(NewEvents.of(row[1:] for row in rows)))
            tally.add(commit, rows)
    before = queries.commit_at(store, chosen.first - 1)
    manifest = {
        "format": FORMAT,
        "store": store.store_id,
        "from": moment(span.first),
        "to": moment(span.last),
        **_contents(tally, before),
        "head": head and _end(head.commit, head.commit.last_position) | {"root": head.root.hex()},
        "files": _files(out, form),
    }
    with new_file(out / MANIFEST, force=True) as path:
        path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return manifest


def _files(out: Path, form: str) -> list[Document]:
    from .new_files import file_document

    names = (f"events.{form}", f"commits.{form}")
    return [{"name": name} | file_document(out / name) for name in names]


def _contents(tally: _Tally, before: Commit | None) -> Document:
    """What the files hold; the chain of hashes goes on from the commit before."""
    from ..domain.money import format_minor
    from ..domain.seal import EMPTY_CHAIN

    return {
        "events": tally.events,
        "commits": tally.commits,
        "first": tally.first and _end(tally.first, tally.first.first_position),
        "last": tally.last and _end(tally.last, tally.last.last_position),
        "previous_chain_hash": (before.chain_hash if before else EMPTY_CHAIN).hex(),
        "topics": dict(sorted(tally.topics.items())),
        "totals": [
            {
                "book": book,
                "currency": currency,
                "debit": format_minor(debit, places),
                "credit": format_minor(credit, places),
            }
            for (book, currency, places), (debit, credit) in sorted(tally.sums.items())
        ],
    }


def _end(commit: Commit, position: int) -> Document:
    """An end of a range: its event and its commit."""
    from .render import moment

    return {
        "position": position,
        "commit": commit.number,
        "recorded": moment(commit.recorded_at),
        "chain_hash": commit.chain_hash.hex(),
    }
