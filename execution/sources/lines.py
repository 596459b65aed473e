"""Bytes into lines: read in blocks, one line at a time to look at, none longer than a limit.

Lines are kept as bytes, newline included, so that offsets and digests are exact. Nothing here
knows what a line means.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Protocol

from msgspec import Struct

from ...domain.errors import DefinitionError

BLOCK_BYTES = 256 * 1024

_MARKED = {
    "utf-8": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-8-sig": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}
_UNMARKED = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


class Bytes(Protocol):
    """What lines are read from."""

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes, none at the end."""


class Encoding(Struct, frozen=True):
    """How one file's bytes are text.

    Attributes:
        names: codecs, tried in order for each line; none of them expects a byte order mark.
        mark: length in bytes of the byte order mark at the file's start.
        newline: the bytes that end a line.
    """

    names: tuple[str, ...]
    mark: int = 0
    newline: bytes = b"\n"

    def decode(self, raw: bytes) -> str | None:
        """The text, None if the bytes are none in any of the codecs."""
        for name in self.names:
            try:
                return raw.decode(name)
            except UnicodeDecodeError:
                continue
        return None

    def escape(self, raw: bytes) -> str:
        """The text, with a backslash and hexadecimal digits for the bytes that are none."""
        return raw.decode(self.names[0], "backslashreplace")


def checked_encodings(encoding: str | Sequence[str]) -> tuple[str, ...]:
    """The codecs' own names for a source's ``encoding``.

    Raises:
        DefinitionError: there is no such codec, or they cannot stand for the same bytes.
    """
    names = (encoding,) if isinstance(encoding, str) else tuple(encoding)
    if not names:
        raise DefinitionError("encoding is empty: name one, such as 'utf-8'.")
    try:
        known = tuple(codecs.lookup(name).name for name in names)
        newlines = {"\n".encode(_UNMARKED.get(name, name)) for name in known}
    except (LookupError, TypeError) as error:
        raise DefinitionError(f"{error}: name one that Python knows, such as 'cp1252'.") from None
    if len(newlines) > 1:
        listed = ", ".join(known)
        raise DefinitionError(f"The encodings {listed} end their lines differently: name one.")
    return known


def detect_encoding(names: tuple[str, ...], start: bytes) -> Encoding:
    """The encoding of a file that begins with the bytes ``start`` (4 are enough)."""
    plain = [_UNMARKED.get(name, name) for name in names]
    for index, name in enumerate(names):
        for mark, marked in _MARKED.get(name, ()):
            if start.startswith(mark):
                plain[index] = marked
                return Encoding(tuple(plain), len(mark), "\n".encode(marked))
    return Encoding(tuple(plain), 0, "\n".encode(plain[0]))


def line_end(data: bytes, newline: bytes, start: int = 0) -> int:
    """The index behind the first newline from ``start`` on, -1 if there is none."""
    found = data.find(newline, start)
    while found >= 0 and found % len(newline):  # its bytes, but across two characters
        found = data.find(newline, found + 1)
    return found + len(newline) if found >= 0 else -1


def split_lines(data: bytes, newline: bytes) -> list[bytes]:
    """The lines, newlines included; the last one may have none."""
    if newline == b"\n":
        return BytesIO(data).readlines()
    lines: list[bytes] = []
    start = 0
    while (end := line_end(data, newline, start)) >= 0:
        lines.append(data[start:end])
        start = end
    if start < len(data):
        lines.append(data[start:])
    return lines


class Lines:
    """A cursor over a stream's lines: look at lines ahead of it, then advance past them.

    A line longer than the limit is never held: ``overlong`` says that it is next, and
    ``skip_overlong`` gets past it.
    """

    def __init__(
        self, stream: Bytes, newline: bytes, *, offset: int, limit: int, start: bytes = b""
    ) -> None:
        """Begin at a byte.

        Args:
            stream: read from front to back.
            newline: the bytes that end a line.
            offset: the first line's place, in bytes.
            limit: the most bytes of a line.
            start: bytes from ``offset`` on that have been taken from the stream already.
        """
        self.offset = offset
        self.limit = limit
        self._stream = stream
        self._newline = newline
        self._lines: list[bytes] = []
        self._cursor = 0
        self._tail = start  # the beginning of a line whose end has not been read
        self._ended = False

    def peek(self, count: int) -> list[bytes]:
        """Up to ``count`` lines; fewer where the stream ends or an overlong line follows."""
        while len(self._lines) - self._cursor < count and self._fill():
            pass
        return self._lines[self._cursor : self._cursor + count]

    def peek_at(self, index: int) -> bytes | None:
        """The line ``index`` lines ahead; None behind the end and from an overlong line on."""
        while len(self._lines) - self._cursor <= index:
            if not self._fill():
                return None
        return self._lines[self._cursor + index]

    def advance(self, count: int, size: int) -> None:
        """Go past ``count`` lines, which have ``size`` bytes together."""
        self._cursor += count
        self.offset += size

    @property
    def ended(self) -> bool:
        """Whether all lines have been read."""
        return self._ended

    @property
    def overlong(self) -> bool:
        """Whether the next line is longer than the limit."""
        if self.peek_at(0) is None:
            return len(self._tail) > self.limit
        return len(self._lines[self._cursor]) > self.limit

    def skip_overlong(self, update: Callable[[bytes], object], keep: int) -> tuple[bytes, int]:
        """Go past an overlong line in constant memory.

        Args:
            update: is given all of the line's bytes, in order.
            keep: how many bytes of its beginning to return.

        Returns:
            the line's beginning, and its length in bytes.
        """
        pending = self._lines[self._cursor] if self._cursor < len(self._lines) else self._tail
        start, size = pending[:keep], 0
        while (end := line_end(pending, self._newline)) < 0 and not self._ended:
            whole = len(pending) - len(pending) % len(self._newline)
            update(pending[:whole])
            size += whole
            pending = pending[whole:] + self._read()
        line = pending if end < 0 else pending[:end]
        update(line)
        size += len(line)
        self.offset += size
        if self._cursor < len(self._lines):
            self._cursor += 1
        else:
            self._take(pending[len(line) :])
        return start, size

    def _read(self) -> bytes:
        block = self._stream.read(BLOCK_BYTES)
        self._ended = not block
        return block

    def _fill(self) -> bool:
        """Read one block more; False if there is none, or the line at hand is overlong."""
        if self._ended or len(self._tail) > self.limit:
            return False
        self._take(self._tail + self._read())
        return True

    def _take(self, data: bytes) -> None:
        """Put lines behind those at hand, and keep the beginning of one for the next block."""
        lines = split_lines(data, self._newline)
        self._tail = b""
        if lines and not self._ended and line_end(lines[-1], self._newline) < 0:
            self._tail = lines.pop()
        del self._lines[: self._cursor]
        self._cursor = 0
        self._lines += lines
