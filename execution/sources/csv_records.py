"""CSV lines into records: fast where they are regular, with care where they are not.

Both ways read the same records, and a test holds them to it: the fast one gives up a slice of
lines as soon as something in it is out of the ordinary.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any, NamedTuple, Self

from ...domain.errors import DefinitionError
from .columns import builder
from .gathering import FileCursor, Gathering

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The characters between and around fields."""

    delimiter: str = ","
    quotechar: str | None = '"'

    def __post_init__(self) -> None:
        for what, character in (("delimiter", self.delimiter), ("quotechar", self.quotechar)):
            if character is not None and (len(character) != 1 or character in "\r\n\0"):
                raise DefinitionError(f"{what} is {character!r}: it must be one character.")
        if self.delimiter == self.quotechar:
            raise DefinitionError(f"delimiter and quotechar are both {self.delimiter!r}.")

    def parser(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The standard library's; strict, so that it says where quotes make no sense."""
        if self.quotechar is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quotechar, strict=True)


class CsvRecords:
    """The records of one file from a cursor on."""

    def __init__(
        self,
        cursor: FileCursor,
        dialect: Dialect,
        columns: tuple[str, ...],
        *,
        skip_empty_rows: bool,
    ) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self._columns = columns
        self._skip_empty_rows = skip_empty_rows
        self._build = builder(columns)
        self._careful = CarefulParser(cursor, dialect)
        # In a file of one column white space is a value, elsewhere the sign of a blank line.
        blank = "\r\n" if len(columns) < 2 else cursor.blank[0].replace(dialect.delimiter, "")
        cursor.blank = (blank, f"{dialect.delimiter}\r\n") if skip_empty_rows else (blank,)
        csv.field_size_limit(max(csv.field_size_limit(), cursor.lines.limit))

    def skip_blanks(self, into: Gathering) -> bool:
        """Go past blank lines; whether a record follows."""
        return self._cursor.skip_blanks(into)

    def read(self, count: int, into: Gathering) -> None:
        """Some of the next records: at least one, if one follows, and at most ``count``."""
        self._cursor.read_slice(count, into, self._read_regular, self._read_careful)

    def _read_regular(self, lines: list[bytes], raw: bytes) -> Rows | None:
        """One record from each line, None unless every line is exactly that."""
        try:
            text = raw.decode(self._cursor.encoding.names[0])
            if "\0" in text:
                return None
            rows = self._split(text)
            if self._skip_empty_rows and not all(map(any, rows)):
                return None
            return self._build(rows) if len(rows) == len(lines) else None
        except (UnicodeDecodeError, csv.Error, ValueError):
            return None

    def _split(self, text: str) -> list[list[str]]:
        """The fields of each line; another number of rows than of lines if a record has several."""
        delimiter, quotechar = self._dialect.delimiter, self._dialect.quotechar
        text = text.replace("\r\n", "\n") if "\r" in text else text
        if len(self._columns) < 2 or "\r" in text:
            return list(self._dialect.parser(StringIO(text, newline="\n")))
        lines = text.removesuffix("\n").split("\n")
        if quotechar is None or quotechar not in text:
            return [line.split(delimiter) for line in lines]
        # As many rows as lines with quotes: each of them ends the quotes that it begins, so that
        # no line between them stands inside of quotes either.
        quoted = [line for line in lines if quotechar in line]
        rows = list(self._dialect.parser(iter(quoted)))
        if len(rows) < len(quoted):
            return rows
        parsed = iter(rows)
        return [next(parsed) if quotechar in line else line.split(delimiter) for line in lines]

    def _read_careful(self, _: bytes, into: Gathering) -> None:
        cursor = self._cursor
        parsed = self._careful.parse()
        assert parsed is not None, "read_slice looks for a line first"
        problem = parsed.problem
        found, expected = len(parsed.fields), len(self._columns)
        if not problem and found != expected:
            fields = "field" if found == 1 else "fields"
            problem = f"It has {found} {fields}, and the header has {expected}."
        if problem:
            cursor.reject(parsed.raw, parsed.lines, problem, into)
        else:
            into.add_rows(self._build([parsed.fields]), cursor.name, cursor.line)
            cursor.pass_lines(parsed.lines, parsed.raw, into)


class Parsed(NamedTuple):
    """What the careful parser made of the lines at the cursor.

    Attributes:
        fields: the record's, as far as it is one.
        problem: what is wrong, empty if nothing.
        lines: how many lines it takes.
        raw: their bytes.
    """

    fields: list[str]
    problem: str
    lines: int
    raw: bytes


class CarefulParser:
    """One record at a time, with a reason for everything that is none.

    Where quotes make no sense only the line the record begins in is given up: a quote too many
    must not swallow the records behind it.
    """

    def __init__(self, cursor: FileCursor, dialect: Dialect) -> None:
        self._encoding = cursor.encoding
        self._lines = _RecordLines(cursor)
        self._parser = dialect.parser(self._lines)

    def parse(self) -> Parsed | None:
        """The record at the cursor, which stays; None at the end, and at an overlong line."""
        lines = self._lines
        if not lines.begin():
            return None
        try:
            fields = next(self._parser)
        except csv.Error as error:
            problem = self._text_problem(lines.texts[0]) or self._quote_problem(str(error))
            return Parsed([], problem, 1, lines.taken[0])
        problem = next(filter(None, map(self._text_problem, lines.texts)), "")
        return Parsed(fields, problem, len(lines.taken), b"".join(lines.taken))

    def _text_problem(self, text: str | None) -> str:
        if text is None:
            return f"It holds bytes that are not {' or '.join(self._encoding.names)}."
        if "\0" in text:
            return "It holds NUL characters (is the file's encoding utf-16?)."
        return ""

    def _quote_problem(self, error: str) -> str:
        if self._lines.unclosed:
            return f"It opens a quoted field that is not closed {self._lines.unclosed}."
        if "new-line character" in error:
            return "It holds a carriage return, outside of quotes, that ends no line."
        return f"Its quotes make no sense: {error}."


class _RecordLines:
    """The lines of one record, decoded, as the csv module asks for them."""

    def __init__(self, cursor: FileCursor) -> None:
        self._lines = cursor.lines
        self._encoding = cursor.encoding
        self.taken: list[bytes] = []
        self.texts: list[str | None] = []
        self.unclosed = ""
        self._room = 0

    def begin(self) -> bool:
        """Stand at the cursor; whether there is a line."""
        self.taken = []
        self.texts = []
        self.unclosed = ""
        self._room = self._lines.limit
        return not self._lines.overlong and self._lines.peek_at(0) is not None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._lines.peek_at(len(self.taken))
        if line is None and self._lines.ended:
            self.unclosed = "before the file ends"
            raise StopIteration
        if line is None or len(line) > self._room:
            self.unclosed = f"within {self._lines.limit:,} bytes (max_record_bytes)"
            raise StopIteration
        self._room -= len(line)
        text = self._encoding.decode(line)
        self.taken.append(line)
        self.texts.append(text)
        return line.decode(self._encoding.names[0], "replace") if text is None else text
