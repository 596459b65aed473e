"""Whether files still hold the bytes that were read from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from ...domain.errors import InputChangedError
from .base import Difference, Offset, Range, offset_part
from .compression import is_compressed
from .files import InputFile, Stream, is_url

_BLOCK_BYTES = 1024 * 1024

WORTH_A_THREAD = 64
"""Ranges from which on they are shared out: SHA-256 lets go of the interpreter meanwhile."""

MOST_THREADS = 4


class _Place(NamedTuple):
    """A byte of the input: in which file, by number, and where in it."""

    file: int
    byte: int


class _Stretch(NamedTuple):
    """A range by its places."""

    first: _Place
    stop: _Place
    digest: str


def find_difference(files: Sequence[InputFile], ranges: Iterable[Range]) -> Difference | None:
    """The first of the ranges whose bytes are no longer what they were.

    Raises:
        SourceError: a file cannot be read.
    """
    kept = list(ranges)
    if (missing := missing_file(files, kept)) is not None:
        return missing
    stretches = sorted(
        _Stretch(_place(files, one.first), _place(files, one.next), one.digest) for one in kept
    )
    shares = _shared_out(files, stretches)
    with ThreadPoolExecutor(MOST_THREADS) as threads:
        found = threads.map(partial(_first_difference, files), shares)
        return next((difference for difference in found if difference is not None), None)


def _shared_out(
    files: Sequence[InputFile], stretches: Sequence[_Stretch]
) -> list[Sequence[_Stretch]]:
    """Consecutive shares of the stretches, one for each thread that hashes.

    One share where what lies before a stretch would have to be read to get there.
    """
    direct = not any(is_url(file.path) or is_compressed(file.path) for file in files)
    threads = min(MOST_THREADS, len(stretches) // WORTH_A_THREAD) if direct else 1
    size = -(-len(stretches) // max(threads, 1)) or 1
    return [stretches[first : first + size] for first in range(0, len(stretches), size)]


def _first_difference(
    files: Sequence[InputFile], stretches: Sequence[_Stretch]
) -> Difference | None:
    with closing(_Walk(files)) as walk:
        for stretch in stretches:
            digest, short = walk.hash(stretch.first, stretch.stop)
            if digest != stretch.digest:
                return Difference(_location(files, stretch), short or "the bytes are not the same")
    return None


def missing_file(files: Sequence[InputFile], ranges: Iterable[Range]) -> Difference | None:
    """The first file that ranges name and that is no longer there."""
    names = {file.name for file in files}
    for one in ranges:
        for offset in (one.first, one.next):
            path = offset_part(offset, "path") if offset else None
            if path is not None and path not in names:
                return Difference(str(path), "the file is no longer among the input")
    return None


def file_number(files: Sequence[InputFile], offset: Offset) -> int:
    """Which file an offset lies in, from 0.

    Raises:
        InputChangedError: it is no longer among them.
    """
    if not offset:
        return 0
    path = offset_part(offset, "path")
    for number, file in enumerate(files):
        if file.name == path:
            return number
    raise InputChangedError(
        f"{path}, at which reading is to go on, is no longer among the input: "
        "put it back, or start another run."
    )


def _place(files: Sequence[InputFile], offset: Offset) -> _Place:
    return _Place(file_number(files, offset), int(offset_part(offset, "byte")) if offset else 0)


def _location(files: Sequence[InputFile], stretch: _Stretch) -> str:
    first, stop = stretch.first, stretch.stop
    name = files[first.file].name
    if first.file == stop.file:
        return f"{name}, bytes {first.byte:,} to {stop.byte:,}"
    return f"{name}, byte {first.byte:,}, to {files[stop.file].name}, byte {stop.byte:,}"


class _Walk:
    """Goes once through files, from front to back, hashing stretches."""

    def __init__(self, files: Sequence[InputFile]) -> None:
        self._files = files
        self._stream: Stream | None = None
        self._at = _Place(-1, 0)

    def hash(self, first: _Place, stop: _Place) -> tuple[str, str]:
        """SHA-256 (hex) of the bytes between two places, and why they do not reach, if so."""
        digest = sha256()
        for number in range(first.file, stop.file + 1):
            stream = self._go_to(_Place(number, first.byte if number == first.file else 0))
            left = stop.byte - self._at.byte if number == stop.file else None
            while left != 0 and (block := stream.read(min(left or _BLOCK_BYTES, _BLOCK_BYTES))):
                digest.update(block)
                left = None if left is None else left - len(block)
                self._at = _Place(number, self._at.byte + len(block))
            if left:
                return "", f"{self._files[number].name} ends at byte {self._at.byte:,}"
        return digest.hexdigest(), ""

    def close(self) -> None:
        """Close the file at hand."""
        if self._stream is not None:
            self._stream.close()

    def _go_to(self, place: _Place) -> Stream:
        if self._stream is None or self._at.file != place.file:
            self.close()
            self._stream = Stream(self._files[place.file])
            self._at = _Place(place.file, 0)
        if self._at != place:
            self._stream.skip_to(place.byte)
            self._at = place
        return self._stream
