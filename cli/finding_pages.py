"""The findings of ``storno audit find``, as documents and as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..domain.money import format_minor
from .documents import place_document
from .found import Document, Page
from .render import clock_text, thousands
from .tables import Column

if TYPE_CHECKING:
    from ..domain.entry import PostedEntry, PostedLine
    from ..storage.queries.acts import RecordedAct
    from ..storage.queries.after_closing import AfterClosing
    from ..storage.queries.duplicates import Duplicate
    from ..storage.queries.entries import PostedRecord, Reposted, RoundLines

SIDES = {"D": "debit", "C": "credit"}


def act_document(found: RecordedAct) -> Document:
    """What somebody did."""
    actor = found.act.actor
    return {
        "finding": found.act.word,
        **place_document(found.recorded),
        "actor": actor.name,
        "os_user": actor.os_user,
        "host": actor.host,
        "job": found.job,
        "run": found.run,
        "key": found.key,
        "about": found.about,
        "reason": found.act.reason,
    }


def posted_document(posted: PostedRecord) -> Document:
    """A posting, or what took one back."""
    return {
        "finding": "posted" if posted.reversal is None else "reversed",
        **place_document(posted.recorded),
        "actor": None if posted.by is None else posted.by.actor,
        "reason": None if posted.by is None else posted.by.reason or None,
        "job": posted.job,
        "run": posted.run,
        "key": posted.key,
        "reversal": posted.reversal,
        "entries": [_entry(entry) for entry in posted.event.entries],
    }


def round_document(found: RoundLines) -> Document:
    """A posting with its lines of round amounts alone."""
    return posted_document(found.posted) | {
        "finding": "round",
        "lines": [*map(_line, found.lines)],
    }


def after_closing_document(found: AfterClosing) -> Document:
    """An entry that a closed period has to do with."""
    period = found.period
    return posted_document(found.posted) | {
        "finding": found.kind,
        "book": period.book,
        "period": str(period),
        "entries": [_entry(found.entry)],
    }


def closing_document(found: RecordedAct) -> Document:
    """A month that was forced closed, or reopened."""
    period, _, book = (found.about or "").partition(" of book ")
    forced = getattr(found.recorded.event, "forced", "")
    document = act_document(found) | {"book": book, "period": period, "entries": []}
    return document | {"in_spite_of": forced or None}


def reposted_document(found: Reposted) -> Document:
    """A record's first posting, what took it back, and its second posting."""
    first, reversed_, again = map(posted_document, found.parts)
    return {
        "finding": "reposted",
        "job": found.again.job,
        "key": found.again.key,
        "changed": found.changed,
        "posted": first,
        "reversed": reversed_,
        "posted_again": again,
    }


def duplicate_document(found: Duplicate) -> Document:
    """A posting, and the earlier one that moves the same under another key."""
    first = posted_document(found.first) | {"reversed_by": found.first_reversed_by}
    again = posted_document(found.again) | {"reversed_by": found.again_reversed_by}
    return again | {"finding": "duplicate", "first": first}


def _entry(entry: PostedEntry) -> Document:
    return {
        "book": entry.book,
        "effective": entry.effective.isoformat(),
        "posting": entry.posting.isoformat(),
        "text": entry.text,
        "lines": [*map(_line, entry.lines)],
    }


def _line(line: PostedLine) -> Document:
    return {
        "account": line.account,
        "side": SIDES[line.side],
        "amount": format_minor(line.minor, line.exponent),
        "currency": line.currency,
    }


def _said(lines: Iterable[Document]) -> str:
    """Lines of an entry on one line."""
    return ", ".join(
        f"{line['account']} {line['side']} {thousands(line['amount'])} {line['currency']}"
        for line in lines
    )


def _lines_of(document: Document) -> str:
    """What a posting moved; where a query found single lines, these."""
    if "lines" in document:
        return _said(document["lines"])
    return "; ".join(_said(entry["lines"]) for entry in document["entries"])


def _days(document: Document, name: str) -> str:
    return ", ".join(sorted({entry[name] for entry in document["entries"]}))


def _subject(document: Document) -> str:
    """What an act was done to."""
    parts = (document["about"], document["run"], document["key"])
    return " ".join(part for part in parts if part)


def _act_row(document: Document) -> Sequence[str]:
    return (
        clock_text(document["recorded"]),
        document["actor"],
        document["finding"],
        _subject(document),
        document["reason"] if document["reason"] is not None else "-",
        str(document["commit"]),
    )


def _entry_row(document: Document) -> Sequence[str]:
    return (
        clock_text(document["recorded"]),
        document["finding"],
        f"{document['job']} {document['key']}",
        document["run"],
        _days(document, "effective"),
        _lines_of(document),
        document["actor"] or "-",
        str(document["commit"]),
    )


def _after_closing_row(document: Document) -> Sequence[str]:
    of_entry = bool(document["entries"])
    return (
        clock_text(document["recorded"]),
        document["finding"],
        f"{document['period']} of {document['book']}",
        f"{document['job']} {document['key']}" if of_entry else "-",
        _days(document, "effective") or "-",
        _days(document, "posting") or "-",
        _lines_of(document) if of_entry else document["reason"] or "-",
        document["actor"] or "-",
        str(document["commit"]),
    )


def _reposted_row(document: Document) -> Sequence[str]:
    first, reversed_, again = (document[name] for name in ("posted", "reversed", "posted_again"))
    return (
        f"{document['job']} {document['key']}",
        _when_by(first) + _posted(first),
        f"{_when_by(reversed_)}: {reversed_['reason']}",
        _when_by(again) + (_posted(again) if document["changed"] else ": the same"),
    )


def _when_by(document: Document) -> str:
    return f"{clock_text(document['recorded'])} {document['actor']}"


def _posted(document: Document) -> str:
    return f", posting date {_days(document, 'posting')}: {_lines_of(document)}"


def _duplicate_row(document: Document) -> Sequence[str]:
    first = document["first"]
    return (
        clock_text(document["recorded"]),
        document["job"],
        f"{document['key']}{_taken_back(document)}",
        document["run"],
        f"{first['key']}{_taken_back(first)}",
        first["run"],
        _days(document, "effective"),
        _lines_of(document),
        document["actor"] or "-",
    )


def _taken_back(document: Document) -> str:
    return f" ({document['reversed_by']})" if document["reversed_by"] else ""


def _under_limit_row(document: Document) -> Sequence[str]:
    reversals = document["reversals"]
    return (
        clock_text(document["recorded"]),
        document["finding"],
        document["actor"],
        document["job"],
        ", ".join(f"{each['reversal']}{_rejected(each)}" for each in reversals),
        document["currency"],
        thousands(document["amount"]),
        thousands(document["limit"]),
    )


def _rejected(reversal: Document) -> str:
    return " (rejected)" if reversal["rejected"] else ""


_RECORDED, _BY = Column("recorded"), Column("by")
_COMMIT = Column("commit", right=True, spare=3)

ACTS = Page(
    (
        _RECORDED,
        _BY,
        Column("act"),
        Column("on", wraps=True),
        Column("reason", wraps=True),
        _COMMIT,
    ),
    _act_row,
)
ENTRIES = Page(
    (
        _RECORDED,
        Column("what", spare=4),
        Column("record"),
        Column("run", spare=2),
        Column("effective", spare=1),
        Column("lines", wraps=True),
        _BY,
        _COMMIT,
    ),
    _entry_row,
)
AFTER_CLOSING = Page(
    (
        _RECORDED,
        Column("what"),
        Column("period"),
        Column("record"),
        Column("effective", spare=1),
        Column("posting"),
        Column("lines", wraps=True, spare=2),
        _BY,
        _COMMIT,
    ),
    _after_closing_row,
)
REPOSTED = Page(
    (
        Column("record"),
        Column("posted", wraps=True),
        Column("reversed", wraps=True),
        Column("posted again", wraps=True),
    ),
    _reposted_row,
)
UNDER_LIMIT = Page(
    (
        _RECORDED,
        Column("what"),
        _BY,
        Column("job", spare=1),
        Column("reversals", wraps=True),
        Column("currency"),
        Column("amount", right=True),
        Column("limit", right=True),
    ),
    _under_limit_row,
)
DUPLICATES = Page(
    (
        _RECORDED,
        Column("job", spare=1),
        Column("key"),
        Column("run", spare=2),
        Column("as before"),
        Column("in run", spare=3),
        Column("effective"),
        Column("lines", wraps=True),
        _BY,
    ),
    _duplicate_row,
)
