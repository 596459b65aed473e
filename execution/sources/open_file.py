"""One file of lines while it is read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ...domain.errors import InputChangedError
from .base import Offset
from .files import InputFile, Stream
from .gathering import FileCursor, Gathering
from .lines import Lines, detect_encoding

_LONGEST_MARK_BYTES = 4


class Records(Protocol):
    """The records of one file, from a cursor on."""

    def skip_blanks(self, into: Gathering) -> bool:
        """Go past what is no record; whether a record follows."""

    def read(self, count: int, into: Gathering) -> None:
        """Some of the next records: at least one, if one follows, and at most ``count``."""


class LineFormat(Protocol):
    """What the lines of a file mean."""

    @property
    def kind(self) -> str:
        """The format's name."""

    @property
    def encodings(self) -> tuple[str, ...]:
        """How bytes are text; of several, the first that a line is text in."""

    @property
    def max_record_bytes(self) -> int:
        """The most bytes a record may have."""

    def requiring(self, fields: Collection[str]) -> LineFormat:
        """The same, with fields that every file must have a column for."""

    def read_columns(self, cursor: FileCursor, into: Gathering) -> tuple[str, ...] | None:
        """What a file says about its fields before its records."""

    def records(self, cursor: FileCursor, columns: tuple[str, ...] | None) -> Records:
        """The records from the cursor on."""


class OpenFile:
    """One file, opened and read past its header, standing before its first record.

    Attributes:
        index: the file's number among the input's, from 0.
        columns: its fields' names, None if it does not say.
        records: its records from here on.
    """

    def __init__(self, file: InputFile, index: int, form: LineFormat, into: Gathering) -> None:
        self.index = index
        self._file = file
        self._format = form
        self._stream = Stream(file)
        try:
            start = self._stream.read(_LONGEST_MARK_BYTES)
            self._encoding = detect_encoding(form.encodings, start)
            mark = self._encoding.mark
            into.digest.update(start[:mark])
            self._cursor = self._stand(mark, 1, start[mark:])
            self.columns = form.read_columns(self._cursor, into)
            self.records = form.records(self._cursor, self.columns)
        except BaseException:
            self._stream.close()
            raise

    @property
    def offset(self) -> Offset:
        """Where the next line begins."""
        byte = self._cursor.lines.offset
        return {"path": self._file.name, "byte": byte, "line": self._cursor.line}

    @property
    def position(self) -> int:
        """Bytes read, as stored."""
        return self._stream.position if self._stream.compressed else self._cursor.lines.offset

    def resume(self, byte: int, line: int) -> None:
        """Go on where an earlier reader stopped.

        Raises:
            InputChangedError: the file ends before, or the line read last has become longer.
        """
        start = b""
        if byte > self._encoding.mark:
            start = self._skip_past_line(byte, line)
        else:
            self._stream.skip_to(byte)
        self._cursor = self._stand(byte, line, start)
        self.records = self._format.records(self._cursor, self.columns)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _skip_past_line(self, byte: int, line: int) -> bytes:
        """Go to a byte behind a line that still ends there; the bytes read beyond it.

        To go back to it instead would decompress a compressed file from its start once more.
        """
        newline = self._encoding.newline
        self._stream.skip_to(byte - len(newline))
        before, after = self._stream.read(len(newline)), self._stream.read(len(newline))
        if len(before) < len(newline):
            raise InputChangedError(
                f"{self._file.name} is shorter than it was: it ends before byte {byte:,}, where "
                "reading is to go on."
            )
        if before != newline and after.strip(b"\r\n\0"):
            raise InputChangedError(
                f"{self._file.name} line {line - 1} was the last and had no line end; now it is "
                "longer."
            )
        return after

    def _stand(self, byte: int, line: int, start: bytes) -> FileCursor:
        limit = self._format.max_record_bytes
        newline = self._encoding.newline
        lines = Lines(self._stream, newline, offset=byte, limit=limit, start=start)
        return FileCursor(self._file.name, lines, self._encoding, line)
