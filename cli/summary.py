"""What a run came to: a page that a person reads gladly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.money import exponent, format_minor
from .reasons import why
from .render import (
    STATE_STYLES,
    amount,
    count,
    duration,
    plural,
    rate,
    say,
    typed,
    write_fields,
    write_line,
)
from .tables import Column, write_table

if TYPE_CHECKING:
    from ..domain.events import Counts
    from ..execution.results import RunResult
    from ..storage.store import Store


FAILURES_SHOWN = 20
"""So many records are shown that would fail, of a run that is tried out."""

TAKEN_BACK = ("reversing", "partly-reversed", "reversed")
"""States that only a run ends in whose job says ``on_failure="reverse"``."""


def result_document(store: Store, result: RunResult, *, dry_run: bool) -> dict[str, Any]:
    """The run's document, with what only the one who ran it knows."""
    from ..storage import queries
    from .documents import COUNTS, run_document

    found = [] if dry_run else [queries.run(store, str(result.run))]
    nothing = {"run": str(result.run), "reversed": 0}
    document = run_document(found[0]) if found else nothing
    own = {
        "state": result.state,
        "attempt": result.attempt,
        **{name: getattr(result.counts, name) for name in COUNTS},
        "seconds": round(result.seconds, 3),
        "error": result.error,
        "message": result.message,
        "nothing_to_do": result.noop,
        "dry_run": dry_run,
        "not_found": result.not_found,
        "would_fail": [
            {"key": key, "location": each.location, "error": each.error, "message": each.message}
            for key, each in result.failures
        ],
        "posted": {
            currency: format_minor(minor, exponent(currency))
            for currency, minor in sorted(result.totals.items())
        },
    }
    return document | own


def write_summary(result: RunResult, *, dry_run: bool) -> None:
    """The summary on stdout, and on stderr what to do next."""
    if result.noop:
        say(f"{result.run} is {result.state} already, so nothing was done.")
        say(f"To read its input once more: {_again(result)}")
        return
    style = "yellow" if result.counts.failed else STATE_STYLES.get(result.state, "")
    write_line(_headline(result, dry_run=dry_run), style=f"bold {style}".strip())
    if said := why(result.state, result.message):
        ends = "." if result.state == "stopped" and not said.endswith(".") else ""
        write_line(_sentence(said) + ends)
    write_line()
    write_fields(_facts(result, dry_run=dry_run))
    _write_failures(result)
    for line in _next(result, dry_run=dry_run):
        say(line)


def _write_failures(result: RunResult) -> None:
    """The records that would fail, of a run that was only tried out."""
    if not result.failures:
        return
    write_line()
    columns = (
        Column("key"),
        Column("location", spare=1),
        Column("error"),
        Column("message", wraps=True),
    )
    rows = [(key, each.location or "", each.error, each.message) for key, each in result.failures]
    write_table(columns, rows[:FAILURES_SHOWN])
    if rows[FAILURES_SHOWN:]:
        say("... and more; --json lists a thousand.")


def _headline(result: RunResult, *, dry_run: bool) -> str:
    letters = result.counts.failed
    if dry_run:
        would = f", {count(letters)} {plural(letters, 'record')} would fail" if letters else ""
        return f"{result.run} tried out{would}; nothing was written"
    found = f" with {count(letters)} {plural(letters, 'dead letter')}" if letters else ""
    return f"{result.run} {result.state}{found}"


def _sentence(words: str) -> str:
    """A sentence begins with a capital letter; a path and a single word stay as they are."""
    first, space, _ = words.partition(" ")
    return words[:1].upper() + words[1:] if space and first.isalpha() else words


def _facts(result: RunResult, *, dry_run: bool) -> dict[str, str]:
    facts = count_facts(result.counts)
    for currency, minor in sorted(result.totals.items()):
        facts[f"{'would post' if dry_run else 'posted'} {currency}"] = amount(
            minor, exponent(currency)
        )
    width = max(map(len, facts.values()))
    facts = {name: value.rjust(width) for name, value in facts.items()}
    facts["took"] = duration(result.seconds)
    if result.attempt > 1:
        facts["took"] += f" (attempt {result.attempt})"
    elif result.counts.read:
        facts["took"] += f", {rate(result.counts.read, result.seconds)}"
    return facts


def count_facts(counts: Counts) -> dict[str, str]:
    """The counts by name; beyond the first two only those that are not zero."""
    facts = {"read": count(counts.read), "succeeded": count(counts.succeeded)}
    for name in ("skipped", "failed", "discarded"):
        if number := getattr(counts, name):
            facts[name] = count(number)
    return facts


def _next(result: RunResult, *, dry_run: bool) -> list[str]:
    """What to type next, if anything."""
    if dry_run:
        return []
    lines: list[str] = []
    if result.counts.failed or chosen_keys_failed(result):
        listed = typed("dead-letters", "list", "--run", str(result.run))
        lines += ["", "See what failed, and why:", f"  {listed}"]
    if result.state in ("stopped", "failed"):
        verb = "Go on with it" if result.state == "stopped" else "Mend the cause, then go on"
        lines += ["", f"{verb}:", f"  {typed('resume', str(result.run))}"]
    if result.state in TAKEN_BACK:
        lines += ["", "What it had posted is taken back, as its job says. See how far:"]
        lines += [f"  {typed('reverse', 'list', '--job', result.run.job)}"]
    if result.state == "reversed":
        lines += ["", "Mend the cause, then post all of it anew:", f"  {_again(result)}"]
    return lines


def chosen_keys_failed(result: RunResult) -> bool:
    """Whether one of the chosen keys failed; they are outside the run's counts."""
    message = result.message or ""
    return message.startswith("keys: ") and ", 0 failed" not in message


def _again(result: RunResult) -> str:
    return f"storno run {result.run.job} ... --again --reason TEXT"
