"""What a read has put together so far, and where in a file it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from .base import Batch, Malformed, Offset
from .lines import Encoding, Lines

_KEPT_BYTES = 4096
_SHORT_SLICE = 4
_LONG_SLICE = 256
"""How many records are read at once, at least and at most."""


class Gathering:
    """A batch while it grows: its rows, the hash of its bytes, and the rows' places."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.digest = sha256()
        self._malformed = False
        self._places: list[tuple[int, str, int]] = []  # from this row on: file, first line

    def add_rows(self, rows: list[dict[str, Any]], name: str, line: int) -> None:
        """Records of one line each, from a line on."""
        self._places.append((len(self.rows), name, line))
        self.rows += rows

    def add_malformed(self, row: Malformed, name: str, line: int) -> None:
        """What should have been a record, and begins at a line."""
        self._places.append((len(self.rows), name, line))
        self.rows.append(row)
        self._malformed = True

    def batch(self, next_offset: Offset, *, end: bool) -> Batch:
        """What has been gathered."""
        digest = self.digest.hexdigest()
        return Batch(self.rows, self._malformed, next_offset, digest, end, self._location)

    def _location(self, index: int) -> str:
        first, name, line = self._places[
            bisect_right(self._places, index, key=lambda at: at[0]) - 1
        ]
        return f"{name} line {line + index - first}"


Regular = Callable[[list[bytes], bytes], list[dict[str, Any]] | None]
"""From lines, and their bytes joined, to one record each; None if they are not just that."""

Careful = Callable[[bytes, Gathering], None]
"""Read the one record that begins with a line, and go past it."""


class FileCursor:
    """Where in a file reading stands: its lines from there on, and the next one's number.

    Attributes:
        blank: sets of characters; a line that holds only those of one set is blank, and no record.
    """

    blank: tuple[str, ...] = (" \t\r\n",)

    def __init__(self, name: str, lines: Lines, encoding: Encoding, line: int) -> None:
        self.name = name
        self.lines = lines
        self.encoding = encoding
        self.line = line
        self._slice = _LONG_SLICE

    def pass_lines(self, count: int, raw: bytes, into: Gathering) -> None:
        """Go past lines that ``peek`` gave; ``raw`` is all of their bytes."""
        into.digest.update(raw)
        self.lines.advance(count, len(raw))
        self.line += count

    def skip_blanks(self, into: Gathering) -> bool:
        """Go past blank lines; whether a record follows."""
        while not self.lines.overlong:
            line = self.lines.peek_at(0)
            if line is None:
                return False
            if not self._is_blank(line):
                return True
            self.pass_lines(1, line, into)
        return True

    def read_slice(self, count: int, into: Gathering, regular: Regular, careful: Careful) -> None:
        """Some of the next records, at most ``count``: fast while their lines are regular.

        One irregular line sends a whole slice the careful way, so slices get short where such lines
        are, and grow again behind them.
        """
        while True:
            lines = self.lines.peek(min(count, self._slice))
            raw = b"".join(lines)
            rows = regular(lines, raw) if lines and self._fits(lines, raw) else None
            if rows is not None or len(lines) <= _SHORT_SLICE:
                break
            self._slice = max(_SHORT_SLICE, len(lines) // 8)
        if rows is None:
            for _ in range(max(1, len(lines))):
                self._read_one(into, careful)
        else:
            self._slice = min(_LONG_SLICE, self._slice * 2)
            into.add_rows(rows, self.name, self.line)
            self.pass_lines(len(lines), raw, into)

    def reject(self, raw: bytes, count: int, message: str, into: Gathering) -> None:
        """Go past lines that are no record."""
        into.add_malformed(Malformed(message, self._shown(raw, len(raw))), self.name, self.line)
        self.pass_lines(count, raw, into)

    def _read_one(self, into: Gathering, careful: Careful) -> None:
        line = self.lines.peek_at(0)
        if self.lines.overlong:
            self._reject_overlong(into)
        elif line is not None and self._is_blank(line):
            self.pass_lines(1, line, into)
        elif line is not None:
            careful(line, into)

    def _fits(self, lines: list[bytes], raw: bytes) -> bool:
        """Whether no line is longer than a record may be."""
        return len(raw) <= self.lines.limit or max(map(len, lines)) <= self.lines.limit

    def _is_blank(self, line: bytes) -> bool:
        text = self.encoding.decode(line)
        return text is not None and any(not text.strip(blank) for blank in self.blank)

    def _reject_overlong(self, into: Gathering) -> None:
        """Go past a line that is longer than the limit."""
        limit = self.lines.limit
        start, size = self.lines.skip_overlong(into.digest.update, min(_KEPT_BYTES, limit))
        message = (
            f"The line has {size:,} bytes, and a record may have {limit:,} (max_record_bytes)."
        )
        into.add_malformed(Malformed(message, self._shown(start, size)), self.name, self.line)
        self.line += 1

    def _shown(self, raw: bytes, size: int) -> Mapping[str, Any]:
        """The text as found, with escapes for what cannot be shown, and its size if shortened."""
        text = self.encoding.escape(raw[:_KEPT_BYTES]).rstrip("\r\n").replace("\0", "\\x00")
        return {"text": text} if size <= _KEPT_BYTES else {"text": text, "bytes": size}
