"""What a comparison says: medians, spreads, ratios of one round, and a table of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

import msgspec

from .child import MODULES
from .compare import STORNO, Comparison, Measurement

TITLES = {
    "storno": "storno, the whole audited run",
    "reversal": "storno, taking all of it back again",
    "handwritten": "hand-written loop, no audit",
    "eventsourcing": "eventsourcing aggregates, one event a record",
    "dbos": "DBOS, one step a record",
    "floor": "raw insert of storno's event rows (the floor)",
}
_PACKAGES = ("eventsourcing", "SQLAlchemy", "psycopg", "pydantic", "dbos")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of several rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One leg on one database, over all rounds.

    Attributes:
        storno_ratio: storno's records/s divided by this leg's, round by round.
    """

    database: str
    leg: str
    records: int
    records_per_second: Spread
    storno_ratio: Spread
    cpu_seconds: float
    peak_bytes: int
    disk_bytes_per_record: float


def summarise(comparison: Comparison) -> list[Summary]:
    """A summary of every leg on every database."""
    return [
        _summary([m for m in on_database if m.leg == leg], _storno_rates(on_database))
        for database in comparison.databases
        for on_database in [[m for m in comparison.measurements if m.database == database]]
        for leg in MODULES
    ]


def _storno_rates(measurements: Sequence[Measurement]) -> dict[int, float]:
    return {m.round: m.records_per_second for m in measurements if m.leg == STORNO}


def _summary(measurements: Sequence[Measurement], storno_rates: dict[int, float]) -> Summary:
    first = measurements[0]
    return Summary(
        database=first.database,
        leg=first.leg,
        records=first.records,
        records_per_second=_spread([m.records_per_second for m in measurements]),
        storno_ratio=_spread([storno_rates[m.round] / m.records_per_second for m in measurements]),
        cpu_seconds=median(m.cpu_seconds for m in measurements),
        peak_bytes=max(m.peak_bytes for m in measurements),
        disk_bytes_per_record=median(m.disk_bytes / m.records for m in measurements),
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def comparison_table(summaries: Sequence[Summary]) -> str:
    """The summaries as a table."""
    head = ("database", "what", "records/s", "storno is", "peak MiB", "bytes/record")
    rows = [
        (
            summary.database,
            TITLES[summary.leg],
            _range(summary.records_per_second, ",.0f"),
            _ratio(summary),
            f"{summary.peak_bytes / MIB:.0f}",
            f"{summary.disk_bytes_per_record:,.0f}",
        )
        for summary in summaries
    ]
    return table(head, rows)


def _ratio(summary: Summary) -> str:
    if summary.leg == STORNO:
        return "1"
    digits = ".0f" if summary.storno_ratio.median >= 10 else ".2f"
    return _range(summary.storno_ratio, digits) + " times"


def _range(spread: Spread, digits: str) -> str:
    return f"{spread.median:{digits}} ({spread.least:{digits}} to {spread.most:{digits}})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well in a terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


def machine() -> dict[str, str]:
    """What the figures were made on, without naming the machine."""
    return {
        "cores": str(os.cpu_count()),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def settings_lines(facts: dict[str, dict[str, str]]) -> str:
    """Machine and database settings, one line each."""
    sections = {"machine": machine(), **facts}
    return "\n".join(
        f"{name}: " + ", ".join(f"{key} {value}" for key, value in section.items())
        for name, section in sections.items()
    )


def document(comparison: Comparison) -> dict[str, Any]:
    """Everything, ready for JSON."""
    content = {
        "machine": machine(),
        "databases": comparison.databases,
        "summary": summarise(comparison),
        "measurements": comparison.measurements,
    }
    built: dict[str, Any] = msgspec.to_builtins(content)
    return built
