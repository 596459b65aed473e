"""A book as a table, a row for each line of each entry: CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..domain.errors import UsageError
from ..domain.money import format_minor, from_minor
from .export_books import link_of
from .render import moment

if TYPE_CHECKING:
    from ..storage.queries import RecordedEntry

COLUMNS: Final = (
    "position", "commit", "recorded", "record", "job", "key", "run", "reversal", "book",
    "effective", "posting", "text", "entry", "line", "account", "side", "amount", "currency",
    "exponent",
)  # fmt: skip
"""``record`` is what an entry and the one that takes it back have in common."""

ROW_GROUP: Final = 50_000
"""Rows of a Parquet file that are written together."""

AMOUNT_DIGITS: Final = 20
AMOUNT_PLACES: Final = 4
"""Of a Parquet file's amounts: 10^15 minor units, with as many decimals as any currency has."""

_SIDES: Final = {"D": "debit", "C": "credit"}


def csv_text(entries: Iterable[RecordedEntry]) -> Iterator[str]:
    """The lines as CSV (RFC 4180, lines end in LF), piece by piece."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    yield buffer.getvalue()
    for each in entries:
        buffer.seek(0)
        buffer.truncate()
        for row in _rows(each):
            row["recorded"] = moment(each.recorded_at)
            row["amount"] = format_minor(row["amount"], row["exponent"])
            writer.writerow(row.values())
        yield buffer.getvalue()


def write_parquet(path: Path, entries: Iterable[RecordedEntry]) -> None:
    """The lines as a Parquet file.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa, pq = pyarrow()
    schema = _schema(pa)
    rows = (row for each in entries for row in _rows(each))
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            for row in group:
                row["amount"] = from_minor(row["amount"], row["exponent"])
            writer.write_table(pa.Table.from_pylist(group, schema))


def pyarrow() -> tuple[Any, Any]:
    """pyarrow, and its module for Parquet.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError:
        raise UsageError(
            "Writing Parquet needs pyarrow: run `pip install 'storno[parquet]'`."
        ) from None
    return pa, pq


def _schema(pa: Any) -> Any:
    types = {
        "position": pa.int64(),
        "commit": pa.int64(),
        "recorded": pa.timestamp("us", tz="UTC"),
        "effective": pa.date32(),
        "posting": pa.date32(),
        "entry": pa.int32(),
        "line": pa.int32(),
        "amount": pa.decimal128(AMOUNT_DIGITS, AMOUNT_PLACES),
        "exponent": pa.int8(),
    }
    return pa.schema([pa.field(name, types.get(name, pa.string())) for name in COLUMNS])


def _rows(each: RecordedEntry) -> Iterator[dict[str, Any]]:
    """The entry's lines; amounts in minor units and times in microseconds."""
    entry = each.entry
    for number, line in enumerate(entry.lines, 1):
        values = (
            each.position, each.commit_number, each.recorded_at, link_of(each), each.job, each.key,
            each.run, each.reversal, entry.book, entry.effective, entry.posting, entry.text,
            each.number, number, line.account, _SIDES[line.side], line.minor, line.currency,
            line.exponent,
        )  # fmt: skip
        yield dict(zip(COLUMNS, values, strict=True))
