"""The page of a report: what ran, what it came to, what was taken back, and how to verify it.

It asks for nothing outside of itself and needs no script, so it can be kept for years and opened
anywhere. It says nothing that the store does not: two reports of the same store are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..domain.checkpoint import Checkpoint, origin_of
from ..domain.events import RunStarted
from .documents import COUNTS, seconds_between
from .html import Content, Html, facts, pairs, state_tag, table, tag
from .reasons import why
from .render import clock, duration, moment, typed
from .report_chart import chart
from .report_findings import letters, reversals
from .report_history import history, person
from .report_money import account_table, currency_table
from .report_style import STYLE

if TYPE_CHECKING:
    from ..storage.queries import AttemptRow, RunRow
    from .report_data import RunReport

NO_REQUESTS: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser lets the page do: show itself."""

KEPT: Final = "kept.checkpoint"
"""What the page calls the file that its three lines are written to."""

FINGERPRINTS: Final = {
    "strong": "the log holds the SHA-256 of what each chunk read",
    "weak": "the log holds what is known of the query, not its answer",
    "none": "none: what was read cannot be compared later",
}
"""What the log can say of the input, by the strength of its source."""


def page(report: RunReport) -> str:
    """The whole page."""
    run = report.run
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=NO_REQUESTS),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{run.run}: report of a run"),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        _header(report),
        tag("main", list(_sections(report))),
        tag("footer", f"Written by storno from the store {report.store_id}."),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _header(report: RunReport) -> Html:
    run = report.run
    until = clock(report.head.commit.recorded_at)
    figures = [(f"{getattr(run, name):,}", name) for name in COUNTS]
    if run.reversed:
        figures.append((f"{run.reversed:,}", "taken back"))
    return tag(
        "header",
        tag("p", f"Report of a run, as the log stood at {until}"),
        tag("h1", run.run),
        tag("p", state_tag(run.state), *_because(run)),
        tag(
            "div",
            [tag("div", tag("b", number), tag("span", name)) for number, name in figures],
            class_="figures",
        ),
    )


def _because(run: RunRow) -> Iterator[str]:
    if said := why(run.state, run.message):
        yield f": {said}"


def _sections(report: RunReport) -> Iterator[Html]:
    parts: tuple[tuple[str, Content], ...] = (
        ("The run", _run(report)),
        ("Attempts", _attempts(report.attempts)),
        ("Progress", chart(report.progress)),
        ("Control totals", _controls(report)),
        ("Totals by account", account_table(report.balances)),
        ("Dead letters", list(letters(report))),
        ("Reversals", list(reversals(report.reversals))),
        ("History", history(report.history)),
        ("The log, and how to verify it", _verification(report)),
    )
    for title, content in parts:
        yield tag("section", tag("h2", title), content)


def _run(report: RunReport) -> Html:
    run = report.run
    source = json.loads(run.source)
    started = next(each.event for each in report.history if isinstance(each.event, RunStarted))
    parameters = json.loads(run.parameters)
    return facts(
        [
            ("job", run.job),
            ("parameters", pairs(parameters) or "none"),
            ("book", run.book),
            ("started", clock(run.started_at)),
            ("ended", clock(run.ended_at)),
            ("started by", person(started.actor)),
            ("chunks", _chunks(run)),
            ("source", _source(source)),
            ("fingerprint", FINGERPRINTS.get(source.get("strength"))),
            ("files", [tag("div", tag("code", pairs(each))) for each in source.get("files", ())]),
            ("job's identity", tag("code", started.identity)),
        ]
    )


def _source(source: dict[str, Any]) -> str:
    """What was read, but for its files and for how it is compared, which stand beside it."""
    told = {"kind", "size", "unit", "files", "strength"}
    rest = pairs({name: each for name, each in source.items() if name not in told})
    size = f"{source['size']:,} {source['unit']}" if source.get("size") is not None else ""
    return ", ".join(filter(None, (source.get("kind"), size, rest)))


def _chunks(run: RunRow) -> str:
    failed = f", {run.chunks_failed:,} failed" if run.chunks_failed else ""
    return f"{run.chunks_completed:,} of {run.chunks_total:,} committed{failed}"


def _attempts(attempts: Sequence[AttemptRow]) -> list[Html]:
    head = ("attempt", "why", "state", "started", "took", "actor", "worker", "read", "failed")
    rows = [
        (
            each.attempt,
            each.why,
            state_tag(each.state),
            clock(each.started_at),
            duration(seconds_between(each.started_at, each.ended_at)),
            each.actor,
            each.worker,
            f"{each.read:,}",
            f"{each.failed:,}",
        )
        for each in attempts
    ]
    digests = [(f"code of {each.attempt}", tag("code", each.code)) for each in attempts]
    troubles = [
        (f"error of {each.attempt}", f"{each.error}: {each.message}")
        for each in attempts
        if each.error
    ]
    return [table(head, rows, numbers=(4, 7, 8), short=(0, 1, 2, 3)), facts([*digests, *troubles])]


def _controls(report: RunReport) -> list[Html]:
    parts = [currency_table(report.balances)]
    if report.controls:
        rows = [
            (name, found, promised or "") for name, (found, promised) in report.controls.items()
        ]
        parts += [
            tag("h3", "What the input came to"),
            table(("control total", "read", "promised by its trailer"), rows, numbers=(1, 2)),
        ]
    return parts


def _verification(report: RunReport) -> list[Html]:
    commit = report.head.commit
    current = Checkpoint(origin_of(report.store_id), commit.number, report.head.root)
    return [
        facts(
            [
                ("log", current.origin),
                ("last commit", f"{commit.number:,}, recorded {moment(commit.recorded_at)}"),
                ("events", f"{commit.last_position:,}"),
                ("chain hash", tag("code", commit.chain_hash.hex())),
                ("root of the log", tag("code", report.head.root.hex())),
            ]
        ),
        tag(
            "p",
            "Every event of the log goes into these two hashes. Whoever keeps this page can find "
            "out later whether anything was changed up to this commit. Write these three lines to "
            f"a file, {KEPT}:",
        ),
        tag("pre", tag("code", current.text)),
        tag("p", "and hold the log against them:"),
        tag("pre", tag("code", typed("audit", "verify", "--checkpoint", KEPT))),
        tag(
            "p",
            "reads every event, recomputes every hash, and sees that the log still begins with "
            "what it was here. To trust no program of ours, have all of it written to files, and "
            "recompute the hashes from those:",
        ),
        tag("pre", tag("code", typed("audit", "export", "--out", "audit"))),
        tag(
            "p",
            f"The chain hash of commit {commit.number:,} must be the one above. The whole life of "
            "one record is shown by:",
        ),
        tag("pre", tag("code", f"{typed('audit', 'trail', report.run.job)} KEY")),
    ]
