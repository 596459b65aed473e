"""Sources made of files of lines: several files read as one input, each byte accounted for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from .base import Batch, Difference, Offset, Range, offset_part
from .files import FileSet, InputFile
from .gathering import Gathering
from .open_file import LineFormat, OpenFile
from .verify import file_number, find_difference


class LineSource(Struct, frozen=True):
    """Records from the lines of files. See ``storno.execution.sources.base.Source``."""

    files: FileSet
    format: LineFormat

    @property
    def strength(self) -> Literal["strong"]:
        """Strong: every byte read has been hashed."""
        return "strong"

    def bind(
        self,
        parameters: Mapping[str, Any],
        *,
        base: Path | None = None,
        required: Collection[str] = (),
    ) -> LineSource:
        """This source for one run."""
        files = self.files.bind(parameters, base)
        return replace(self, files=files, format=self.format.requiring(required))

    def open(self, offset: Offset | None = None) -> LineReader:
        """A reader that begins at an offset, or at the start."""
        return LineReader(self.files.find(), self.format, offset or {})

    def describe(self) -> dict[str, Any]:
        """The files there are now, and their sizes."""
        files = [{"path": file.name, "bytes": file.size} for file in self.files.find()]
        return {"kind": self.format.kind, "files": files}


class LineReader:
    """Reads files of lines one after the other."""

    unit: Literal["bytes"] = "bytes"

    def __init__(self, files: list[InputFile], form: LineFormat, offset: Offset) -> None:
        self.columns: tuple[str, ...] | None = None
        sizes = [file.size for file in files]
        self.size = None if None in sizes else sum(size or 0 for size in sizes)
        self._files = files
        self._format = form
        self._offset = offset
        self._open: OpenFile | None = None
        self._begun = Gathering()
        self._start()

    @property
    def position(self) -> int:
        """Bytes read, as stored."""
        if self._open is None:
            return 0
        before = sum(file.size or 0 for file in self._files[: self._open.index])
        return before + self._open.position

    def read(self, count: int) -> Batch:
        """The next records."""
        try:
            if self._open is None:
                self._start()
            batch = self._read(count)
        except BaseException:
            self.close()
            raise
        self._offset = batch.next_offset
        return batch

    def difference(self, ranges: Iterable[Range]) -> Difference | None:
        """The first of the ranges whose bytes are no longer what they were."""
        return find_difference(self._files, ranges)

    def close(self) -> None:
        """Close the file at hand; another ``read`` opens it again."""
        if self._open is not None:
            self._open.close()
        self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        """Open the file of the offset, and stand there."""
        self._begun = Gathering()
        self._enter(file_number(self._files, self._offset), self._begun)
        if self._offset and (byte := int(offset_part(self._offset, "byte"))):
            self._begun = Gathering()
            self._current.resume(byte, int(offset_part(self._offset, "line")))

    def _enter(self, index: int, into: Gathering) -> None:
        self.close()
        self._open = OpenFile(self._files[index], index, self._format, into)
        self.columns = self.columns or self._open.columns

    def _read(self, count: int) -> Batch:
        into, self._begun = self._begun, Gathering()
        while len(into.rows) < count and self._find_record(into):
            self._current.records.read(count - len(into.rows), into)
        end = not self._find_record(into)
        return into.batch(self._current.offset, end=end)

    def _find_record(self, into: Gathering) -> bool:
        """Stand before a record, in this file or a later one; False if there is none."""
        while not self._current.records.skip_blanks(into):
            index = self._current.index + 1
            if index == len(self._files):
                return False
            self._enter(index, into)
        return True

    @property
    def _current(self) -> OpenFile:
        assert self._open is not None
        return self._open
