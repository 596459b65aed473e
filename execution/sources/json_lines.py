"""JSON Lines: one object in each line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from ...domain.errors import DefinitionError
from .files import Paths, file_set
from .gathering import FileCursor, Gathering
from .line_files import LineSource
from .lines import checked_encodings


def json_lines(
    paths: Paths,
    *,
    encoding: str | Sequence[str] = "utf-8-sig",
    aliases: Mapping[str, str] | None = None,
    max_record_bytes: int = 1024 * 1024,
) -> LineSource:
    """Records from files of JSON Lines: an object a line; blank lines are no records.

    Numbers with a fraction are read as ``Decimal``, digit for digit, never as floats; of a name
    that stands twice in an object the last counts. A line that is no JSON object becomes a
    ``Malformed``, and reading goes on with the next.

    Args:
        paths: one or several paths, globs, or fsspec URLs; ``{name}`` stands for the run's
            parameter; ``.gz``, ``.xz`` and ``.zst`` are decompressed.
        encoding: the files' encoding; of several, the first that a line is text in.
        aliases: name in the file -> field of the record; several names may stand for one field.
        max_record_bytes: a longer line is malformed, and never held in memory.

    Raises:
        DefinitionError: an option is impossible.
    """
    encodings = checked_encodings(encoding)
    return LineSource(file_set(paths), JsonLinesFormat(encodings, max_record_bytes, aliases or {}))


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """How the files are written. The attributes are ``json_lines``'s arguments."""

    encodings: tuple[str, ...]
    max_record_bytes: int
    aliases: Mapping[str, str] = field(default_factory=dict)

    kind = "json-lines"

    def __post_init__(self) -> None:
        if self.max_record_bytes < 1:
            raise DefinitionError(
                f"max_record_bytes is {self.max_record_bytes}: it must be 1 or more."
            )

    def requiring(self, fields: Collection[str]) -> JsonLinesFormat:  # noqa: ARG002
        """The same: only the records know what they hold."""
        return self

    def read_columns(self, cursor: FileCursor, into: Gathering) -> None:  # noqa: ARG002
        """Nothing: there is no header."""
        return

    def records(self, cursor: FileCursor, columns: tuple[str, ...] | None) -> JsonRecords:  # noqa: ARG002
        """The records from the cursor on."""
        return JsonRecords(cursor, self.aliases)


class JsonRecords:
    """The records of one file from a cursor on."""

    def __init__(self, cursor: FileCursor, aliases: Mapping[str, str]) -> None:
        self._cursor = cursor
        self._aliases = aliases
        self._decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode

    def skip_blanks(self, into: Gathering) -> bool:
        """Go past blank lines; whether a record follows."""
        return self._cursor.skip_blanks(into)

    def read(self, count: int, into: Gathering) -> None:
        """Some of the next records: at least one, if one follows, and at most ``count``."""
        self._cursor.read_slice(count, into, self._read_regular, self._read_careful)

    def _read_regular(self, lines: list[bytes], _: bytes) -> list[dict[str, Any]] | None:
        """One record from each line, None unless every line is exactly that."""
        try:
            if self._cursor.encoding.names[0] == "utf-8":
                rows = list(map(self._decode, lines))
            else:
                rows = [self._decode(self._text(line)) for line in lines]
            return [self._renamed(row) for row in rows] if self._aliases else rows
        except (ValueError, RecursionError):  # what msgspec and the codecs raise
            return None

    def _read_careful(self, line: bytes, into: Gathering) -> None:
        try:
            row = self._renamed(self._decode(self._text(line)))
        except (ValueError, RecursionError) as error:
            self._cursor.reject(line, 1, _problem(error), into)
        else:
            into.add_rows([row], self._cursor.name, self._cursor.line)
            self._cursor.pass_lines(1, line, into)

    def _text(self, line: bytes) -> str:
        text = self._cursor.encoding.decode(line)
        if text is None:
            names = " or ".join(self._cursor.encoding.names)
            raise UnicodeError(f"It holds bytes that are not {names}")
        return text

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        renamed = {self._aliases.get(name, name): value for name, value in row.items()}
        if len(renamed) < len(row):
            raise ValueError("Two of its names stand for one field (aliases)")
        return renamed


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, msgspec.ValidationError):
        return f"It is no JSON object: {error}."
    if isinstance(error, msgspec.DecodeError):
        return f"It is no JSON: {error}."
    if isinstance(error, RecursionError):
        return "Its values are nested too deeply."
    return f"{error}."
