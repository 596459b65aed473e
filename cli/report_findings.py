"""The parts of a report about what went wrong, and what was taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ..compensations.scope import Scope
from .documents import letter_key
from .html import Html, facts, state_tag, table, tag
from .render import clock, clock_text, typed

if TYPE_CHECKING:
    from ..storage.queries import DeadLetterRow
    from .report_data import RunReport, TakenBack

KEYS_NAMED: Final = 100


def letters(report: RunReport) -> Iterator[Html]:
    """How many dead letters there are, the first of them one by one, and what became of each."""
    groups = [
        (state, group.error, f"{group.count:,}")
        for state, found in report.letter_groups.items()
        for group in found
    ]
    if not groups:
        yield tag("p", _none_of(report), class_="quiet")
        return
    yield table(
        ("state", "error", "records"),
        [(state_tag(state), error, count) for state, error, count in groups],
        numbers=(2,),
        short=(0,),
    )
    yield tag("h3", "One by one")
    yield _letter_table(report.letters)
    total = sum(group.count for found in report.letter_groups.values() for group in found)
    if total > len(report.letters):
        yield tag(
            "p",
            f"The first {len(report.letters):,} of {total:,} in the order of the input. All: ",
            tag("code", typed("dead-letters", "list", "--run", report.run.run, "--json")),
            class_="quiet",
        )


def _none_of(report: RunReport) -> str:
    if report.run.state in ("completed", "partly-reversed", "reversed"):
        return "No record failed."
    return "There are none. Records of a chunk that was not committed are read again on a resume."


def _letter_table(letters: Sequence[DeadLetterRow]) -> Html:
    return table(
        ("key", "in the input", "error", "what became of it"),
        [
            (
                letter_key(each),
                each.location or f"record {each.ordinal:,}",
                [tag("b", each.error), f": {each.message}"],
                [state_tag(each.state), *_outcome(each)],
            )
            for each in letters
        ],
    )


def _outcome(letter: DeadLetterRow) -> Iterator[str]:
    if letter.moved_to is not None:
        yield f", with the key {letter.moved_to}"
    if letter.settled_by is not None:
        yield f", by {letter.settled_by} at {clock(letter.settled_at)}"
    if letter.reason:
        yield f": {letter.reason}"


def _scope(scope: Scope) -> str:
    """The scope; of chosen records the first are named."""
    if not scope.keys:
        return str(scope)
    more = ", ..." if len(scope.keys) > KEYS_NAMED else ""
    return f"{scope}: {', '.join(scope.keys[:KEYS_NAMED])}{more}"


def reversals(found: Sequence[TakenBack]) -> Iterator[Html]:
    """Each reversal of the run: who asked, who agreed, who executed it, and why."""
    if not found:
        yield tag("p", "Nothing of it was taken back.", class_="quiet")
    for each in found:
        row = each.row
        yield tag("h3", f"{row.reversal} ", state_tag(row.state))
        agreed = f"{row.approved} of {row.approvals}" if row.approvals else "none needed"
        yield facts(
            [
                ("reason", f"{row.code}: {row.text}"),
                ("scope", _scope(Scope.read(json.loads(row.scope)))),
                ("records", f"{row.reversed:,} of {row.records:,} taken back"),
                ("left alone", f"{row.blocked:,}" if row.blocked else ""),
                ("form", row.form),
                ("posted on", row.date or "the originals' posting dates"),
                ("requested by", f"{row.requested_by} at {clock(row.requested_at)}"),
                ("approvals", agreed),
                ("executed by", row.executed_by),
                ("plan's digest", tag("code", row.digest)),
            ]
        )
        yield table(
            ("when", "what", "by", "details"),
            [
                (clock_text(event["recorded_at"]), event["what"], event["actor"] or "",
                 event["details"] or "")
                for event in each.events
            ],
            short=(0, 1),
        )  # fmt: skip
        if each.letters:
            yield tag("p", f"Set aside ({row.failed:,} still wait):")
            yield _letter_table(each.letters)
