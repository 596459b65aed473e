"""Parquet: records in rows of columns. Needs pyarrow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import Struct, field
from msgspec.structs import replace

from .base import Batch, Difference, Offset, Range, offset_part
from .columns import builder, field_names
from .files import FileSet, InputFile, Paths, file_set
from .parquet_rows import Place, RowDigest, RowWalk, count_rows
from .verify import file_number, missing_file


def parquet(paths: Paths, *, aliases: Mapping[str, str] | None = None) -> ParquetSource:
    """Records from Parquet files; each may have its own order of columns.

    Values come as Parquet has them: ``Decimal`` for decimals, dates and times as such, floats as
    floats.

    Args:
        paths: one or several paths, globs, or fsspec URLs; ``{name}`` stands for the run's
            parameter.
        aliases: column in the file -> field of the record; several columns may name one field.

    Raises:
        DefinitionError: there is no path, or its braces hold no name.
    """
    return ParquetSource(file_set(paths), dict(aliases or {}))


class ParquetSource(Struct, frozen=True):
    """Records from Parquet files. See ``storno.execution.sources.base.Source``."""

    files: FileSet
    aliases: Mapping[str, str]
    required: frozenset[str] = field(default_factory=frozenset)

    @property
    def strength(self) -> Literal["strong"]:
        """Strong: every value read has been hashed."""
        return "strong"

    def bind(
        self,
        parameters: Mapping[str, Any],
        *,
        base: Path | None = None,
        required: Collection[str] = (),
    ) -> ParquetSource:
        """This source for one run."""
        files = self.files.bind(parameters, base)
        return replace(self, files=files, required=frozenset(required))

    def open(self, offset: Offset | None = None) -> ParquetReader:
        """A reader that begins at an offset, or at the start."""
        return ParquetReader(self, self.files.find(), offset or {})

    def describe(self) -> dict[str, Any]:
        """The files there are now, and their sizes."""
        files = [{"path": file.name, "bytes": file.size} for file in self.files.find()]
        return {"kind": "parquet", "files": files}


class ParquetReader:
    """Reads Parquet files one after the other."""

    unit: Literal["records"] = "records"

    def __init__(self, source: ParquetSource, files: list[InputFile], offset: Offset) -> None:
        self._source = source
        self._files = files
        self._counts = [count_rows(file) for file in files]
        self.size: int | None = sum(self._counts)
        self._place = self._locate(offset)
        self._walk = RowWalk(files, self._place)
        self.columns: tuple[str, ...] | None = self._fields()

    @property
    def position(self) -> int:
        """Rows read."""
        return sum(self._counts[: self._place.file]) + self._place.row

    def read(self, count: int) -> Batch:
        """The next records."""
        self._walk.go_to(self._place)  # a read that failed may have left it further on
        rows: list[dict[str, Any]] = []
        places: list[tuple[int, Place]] = []
        digest = RowDigest()
        while len(rows) < count:
            place = self._walk.place
            values = self._walk.take(count - len(rows))
            if values:
                places.append((len(rows), place))
                rows += builder(self._fields())(values)
                digest.add(place.file, self._walk.names, values)
            elif not self._walk.enter_next():
                break
        self._place = self._walk.place
        return Batch(
            rows=rows,
            malformed=False,
            next_offset={"path": self._files[self._place.file].name, "row": self._place.row},
            digest=digest.hexdigest(),
            end=self.position == self.size,
            location=lambda index: self._location(places, index),
        )

    def difference(self, ranges: Iterable[Range]) -> Difference | None:
        """The first of the ranges whose values are no longer what they were."""
        kept = list(ranges)
        if (missing := missing_file(self._files, kept)) is not None:
            return missing
        stretches = sorted(
            (self._locate(one.first), self._locate(one.next), one.digest) for one in kept
        )
        walk = RowWalk(self._files, Place(0, 0))
        try:
            for first, stop, digest in stretches:
                name = self._files[first.file].name
                if first.row > self._counts[first.file]:
                    return Difference(name, f"{name} has only {self._counts[first.file]:,} rows")
                walk.go_to(first)
                if walk.digest_to(stop) != digest:
                    where = f"{name}, from row {first.row + 1:,}"
                    return Difference(where, "the rows are not the same")
        finally:
            walk.close()
        return None

    def close(self) -> None:
        """Close the file at hand."""
        self._walk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _locate(self, offset: Offset) -> Place:
        row = int(offset_part(offset, "row")) if offset else 0
        return Place(file_number(self._files, offset), row)

    def _fields(self) -> tuple[str, ...]:
        name = self._files[self._walk.place.file].name
        return field_names(name, self._walk.names, self._source.aliases, self._source.required)

    def _location(self, places: list[tuple[int, Place]], index: int) -> str:
        first, place = places[bisect_right(places, index, key=lambda at: at[0]) - 1]
        return f"{self._files[place.file].name} row {place.row + index - first + 1}"
