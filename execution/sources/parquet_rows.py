"""The rows of Parquet files, from a place on, and the hash of what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from ...domain.errors import InputChangedError, SourceError
from .files import InputFile, is_url, named_errors, open_raw

_BATCH_ROWS = 4096

Values = list[tuple[Any, ...]]
"""Rows as their values, in the file's order of columns."""


class Place(NamedTuple):
    """A row of the input: in which file, by number, and which one in it, from 0."""

    file: int
    row: int


class RowDigest:
    """SHA-256 over rows' values and their columns' names, whatever the files' layout."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._file = -1
        self._encode = msgspec.msgpack.Encoder(enc_hook=str).encode

    def add(self, file: int, names: Sequence[str], values: Values) -> None:
        """Rows of a file; how many at a time makes no difference."""
        if file != self._file:
            self._digest.update(self._encode(names))
            self._file = file
        self._digest.update(b"".join(map(self._encode, values)))

    def hexdigest(self) -> str:
        """The hash of all that was added."""
        return self._digest.hexdigest()


def count_rows(file: InputFile) -> int:
    """How many rows a file has, by its footer."""
    with _opened(file) as opened:
        return int(opened.metadata.num_rows)


class RowWalk:
    """Goes through the rows of files, one file at a time.

    Attributes:
        names: the columns of the file at hand.
    """

    def __init__(self, files: Sequence[InputFile], place: Place) -> None:
        self._files = files
        self._in_hand: Values = []
        self._skip = 0
        self._batches: Iterator[Any] = iter(())
        self._enter(place)

    @property
    def place(self) -> Place:
        """The next row."""
        return Place(self._file, self._row)

    def go_to(self, place: Place) -> None:
        """Stand at a row, opening its file anew unless it is the next one."""
        if place != self.place:
            self.close()
            self._enter(place)

    def take(self, count: int) -> Values:
        """Some of the file's next rows, at most ``count``; none at its end."""
        with _named(self._files[self._file]):
            while not self._in_hand and (batch := next(self._batches, None)) is not None:
                columns = [column.to_pylist() for column in batch.columns]
                self._in_hand = list(zip(*columns, strict=True))[self._skip :]
                self._skip = max(0, self._skip - batch.num_rows)
        taken, self._in_hand = self._in_hand[:count], self._in_hand[count:]
        self._row += len(taken)
        return taken

    def enter_next(self) -> bool:
        """Go to the next file's first row; False behind the last file."""
        if self._file + 1 == len(self._files):
            return False
        self.close()
        self._enter(Place(self._file + 1, 0))
        return True

    def digest_to(self, stop: Place) -> str:
        """The digest (hex) of the rows from here to a place, or to the input's end before it."""
        digest = RowDigest()
        while self.place < stop:
            file = self._file
            count = stop.row - self._row if file == stop.file else _BATCH_ROWS
            values = self.take(count)
            if values:
                digest.add(file, self.names, values)
            elif file == stop.file or not self.enter_next():
                break
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file at hand."""
        self._opened.close(force=True)
        self._in_hand = []

    def _enter(self, place: Place) -> None:
        self._file, self._row = place
        file = self._files[place.file]
        self._opened = _open(file)
        self.names = tuple(self._opened.schema_arrow.names)
        group, first = self._group_of(place.row)
        groups = list(range(group, self._opened.num_row_groups))
        self._skip = place.row - first
        with _named(file):
            self._batches = self._opened.iter_batches(_BATCH_ROWS, row_groups=groups)

    def _group_of(self, row: int) -> tuple[int, int]:
        """The row group that holds a row, and the group's first row."""
        first = 0
        metadata = self._opened.metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if row < first + rows:
                return group, first
            first += rows
        if row > first:
            self._opened.close(force=True)
            raise InputChangedError(
                f"{self._files[self._file].name} is shorter than it was: it has {first:,} rows, "
                f"and reading is to go on behind row {row:,}."
            )
        return metadata.num_row_groups, first


def _open(file: InputFile) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise SourceError(
            "Reading Parquet needs pyarrow: run `pip install 'storno[parquet]'`."
        ) from None
    with _named(file), named_errors(file):
        place = open_raw(file.path) if is_url(file.path) else file.path
        return ParquetFile(place, pre_buffer=False)


@contextmanager
def _opened(file: InputFile) -> Iterator[Any]:
    opened = _open(file)
    try:
        yield opened
    finally:
        opened.close(force=True)


@contextmanager
def _named(file: InputFile) -> Iterator[None]:
    """Name the file where pyarrow says that it makes no sense; it says so in several ways."""
    try:
        yield
    except (ValueError, NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise SourceError(f"{file.name} cannot be read as Parquet: {error}.") from error
