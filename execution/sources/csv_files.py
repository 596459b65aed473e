"""CSV: records in lines of fields, with a header that names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...domain.errors import DefinitionError, SourceError
from .columns import check_distinct, field_names
from .csv_records import CarefulParser, CsvRecords, Dialect
from .files import Paths, file_set
from .gathering import FileCursor, Gathering
from .line_files import LineSource
from .lines import checked_encodings


def csv_source(
    paths: Paths,
    *,
    delimiter: str = ",",
    encoding: str | Sequence[str] = "utf-8-sig",
    aliases: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    quotechar: str | None = '"',
    skip_empty_rows: bool = False,
    max_record_bytes: int = 1024 * 1024,
) -> LineSource:
    """Records from CSV files; each has a header line, and its own order of columns.

    Blank lines are no records. What is no record (too few or too many fields, bytes that are no
    text, a quote that is not closed, an endless line) becomes a ``Malformed``, and reading goes on
    with the next line.

    Args:
        paths: one or several paths, globs, or fsspec URLs; ``{name}`` stands for the run's
            parameter; ``.gz``, ``.xz`` and ``.zst`` are decompressed.
        delimiter: the character between fields.
        encoding: the files' encoding; of several, the first that a line is text in. A byte order
            mark at a file's start is taken off, and settles the byte order.
        aliases: header in the file -> field of the record; several headers may name one field.
        columns: the fields' names in order, for files that have no header.
        quotechar: the character around fields that hold delimiters or line ends; None: none is.
        skip_empty_rows: lines of nothing but delimiters, as spreadsheets leave them below a table,
            are blank too; otherwise each is a record of empty fields.
        max_record_bytes: a longer record is malformed, and never held in memory.

    Raises:
        DefinitionError: an option is impossible.
    """
    return LineSource(
        file_set(paths),
        CsvFormat(
            encodings=checked_encodings(encoding),
            max_record_bytes=max_record_bytes,
            dialect=Dialect(delimiter, quotechar),
            aliases=dict(aliases or {}),
            columns=None if columns is None else tuple(columns),
            skip_empty_rows=skip_empty_rows,
        ),
    )


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How CSV files are written. The attributes are ``csv_source``'s arguments.

    ``required`` are fields that every file must have a column for.
    """

    encodings: tuple[str, ...]
    max_record_bytes: int
    dialect: Dialect
    aliases: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    skip_empty_rows: bool = False
    required: frozenset[str] = frozenset()

    kind = "csv"

    def __post_init__(self) -> None:
        if self.max_record_bytes < 1:
            raise DefinitionError(
                f"max_record_bytes is {self.max_record_bytes}: it must be 1 or more."
            )
        if self.columns is not None:
            check_distinct(self.columns)

    def requiring(self, fields: Collection[str]) -> CsvFormat:
        """The same, with fields that every file must have a column for."""
        return replace(self, required=frozenset(fields))

    def read_columns(self, cursor: FileCursor, into: Gathering) -> tuple[str, ...] | None:
        """The fields' names, from the header if there is one; None for an empty file."""
        if self.columns is not None:
            return field_names(cursor.name, self.columns, {}, self.required)
        header = self._read_header(cursor, into)
        if header is None:
            return None
        if len(header) == 1:
            self._check_delimiter(cursor.name, header[0])
        return field_names(cursor.name, header, self.aliases, self.required)

    def records(self, cursor: FileCursor, columns: tuple[str, ...] | None) -> CsvRecords:
        """The records from the cursor on."""
        return CsvRecords(cursor, self.dialect, columns or (), skip_empty_rows=self.skip_empty_rows)

    def _read_header(self, cursor: FileCursor, into: Gathering) -> list[str] | None:
        """The header's fields, None if there is nothing but blank lines."""
        parser = CarefulParser(cursor, self.dialect)
        while (parsed := parser.parse()) is not None:
            if parsed.problem:
                raise SourceError(
                    f"{cursor.name} line {cursor.line}: the header cannot be read. {parsed.problem}"
                )
            cursor.pass_lines(parsed.lines, parsed.raw, into)
            if "".join(parsed.fields).strip():
                return parsed.fields
        if cursor.lines.overlong:
            raise SourceError(
                f"{cursor.name} line {cursor.line}: the header is longer than "
                f"{self.max_record_bytes:,} bytes (max_record_bytes)."
            )
        return None

    def _check_delimiter(self, name: str, header: str) -> None:
        likely = max(",;\t|", key=header.count)
        if likely in header:
            raise SourceError(
                f"{name} has one column, {header!r}, when its header is split at "
                f"{self.dialect.delimiter!r}: it looks like delimiter={likely!r}."
            )
