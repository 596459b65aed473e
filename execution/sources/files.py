"""Finding and opening input files: paths, globs, URLs, compression, and errors with names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from types import ModuleType
from typing import IO, Any, cast

from msgspec import Struct
from msgspec.structs import replace

from ...domain.errors import DefinitionError, SourceError
from .compression import decompressed, is_damage
from .templates import fill, placeholders

Paths = str | os.PathLike[str] | list[str | os.PathLike[str]] | tuple[str | os.PathLike[str], ...]
"""One path, URL or glob, or several."""


class InputFile(Struct, frozen=True):
    """One file of the input.

    Attributes:
        name: as the source's declaration says it, which is how offsets and messages name it.
        path: where it is: a local path, or a URL.
        size: in bytes, as stored (compressed); None where it cannot be known before reading.
    """

    name: str
    path: str
    size: int | None


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of a source, in the order they are read.

    Attributes:
        patterns: paths, URLs or globs; a glob's files are read in the order of their names.
        base: the folder against which relative paths stand.
        bound: whether the placeholders are filled.
    """

    patterns: tuple[str, ...]
    base: str = ""
    bound: bool = False

    def __post_init__(self) -> None:
        if not self.patterns:
            raise DefinitionError("A source needs at least one path.")
        if not self.bound:
            for pattern in self.patterns:
                placeholders(pattern)

    def bind(self, parameters: Mapping[str, Any], base: Path | None) -> FileSet:
        """With placeholders filled; in a glob, a parameter's value stands for itself only."""
        filled = tuple(
            fill(pattern, parameters, glob.escape if glob.has_magic(pattern) else str)
            for pattern in self.patterns
        )
        return FileSet(filled, str(base or ""), bound=True)

    def find(self) -> list[InputFile]:
        """The files there are now.

        Raises:
            SourceError: a path or glob finds nothing, or a file is found twice.
            DefinitionError: there are placeholders, and nobody has filled them.
        """
        if not self.bound:
            return self.bind({}, None).find()
        files: dict[str, InputFile] = {}
        for pattern in self.patterns:
            for file in _remote(pattern) if is_url(pattern) else _local(pattern, self.base):
                if file.name in files:
                    raise SourceError(
                        f"{file.name} is among the input twice: let only one of the paths "
                        f"{', '.join(self.patterns)} find it."
                    )
                files[file.name] = file
        return list(files.values())


def file_set(paths: Paths) -> FileSet:
    """The declaration of one path or several."""
    several = paths if isinstance(paths, (list, tuple)) else [paths]
    return FileSet(tuple(os.fspath(path) for path in several))


def is_url(path: str) -> bool:
    """Whether fsspec is to open it."""
    return "://" in path


def _local(pattern: str, base: str) -> Iterator[InputFile]:
    place = os.path.join(base, pattern)  # noqa: PTH118 - names stay as they were written
    if os.path.exists(place) or not glob.has_magic(pattern):  # noqa: PTH110
        yield _sized(InputFile(pattern, place, None))
        return
    names = sorted(glob.glob(pattern, root_dir=base or None, recursive=True))  # noqa: PTH207
    places = {name: os.path.join(base, name) for name in names}  # noqa: PTH118
    found = {name: path for name, path in places.items() if os.path.isfile(path)}  # noqa: PTH113
    if not found:
        raise SourceError(f"No file matches {pattern!r} in {Path(base or '.').absolute()}.")
    for name, path in found.items():
        yield _sized(InputFile(name, path, None))


def _sized(file: InputFile) -> InputFile:
    with named_errors(file):
        status = os.stat(file.path)  # noqa: PTH116
        if S_ISDIR(status.st_mode):
            raise IsADirectoryError
        return replace(file, size=status.st_size)


def _remote(pattern: str) -> Iterator[InputFile]:
    with named_errors(InputFile(pattern, pattern, None)):
        system, path = _fsspec().core.url_to_fs(pattern)
        paths = sorted(system.glob(path)) if glob.has_magic(path) else [path]
        if not paths:
            raise SourceError(f"No file matches {pattern!r}.")
        for found in paths:
            url = pattern if found == path else system.unstrip_protocol(found)
            yield InputFile(url, url, system.size(found))


class Stream:
    """A file's content, decompressed, read from front to back.

    Every method raises SourceError for what will not pass (missing, not permitted, damaged), and
    OSError for what may.
    """

    def __init__(self, file: InputFile) -> None:
        self._file = file
        with named_errors(file):
            self._raw = open_raw(file.path)
            self._content = decompressed(file.path, self._raw)

    @property
    def compressed(self) -> bool:
        """Whether the content is not the file's own bytes."""
        return self._content is not self._raw

    @property
    def position(self) -> int:
        """How far the file itself has been read, in bytes as stored."""
        return self._raw.tell()

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes of the content, none at its end."""
        with named_errors(self._file):
            return self._content.read(count)

    def skip_to(self, offset: int) -> None:
        """Go on to a byte of the content, reading what lies between if it is compressed."""
        with named_errors(self._file):
            self._content.seek(offset)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()


@contextmanager
def named_errors(file: InputFile) -> Iterator[None]:
    """Turn errors that will not pass into SourceError with the file's name and what to do."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        place = file.path if is_url(file.path) else Path(file.path).absolute()
        raise SourceError(f"{file.name} does not exist: nothing is at {place}.") from None
    except PermissionError:
        raise SourceError(f"{file.name} may not be read by this user: allow it.") from None
    except IsADirectoryError:
        raise SourceError(
            f"{file.name} is a folder: name the files in it, as in {file.name}/*.csv."
        ) from None
    except Exception as error:
        if not is_damage(error):
            raise
        raise SourceError(
            f"{file.name} is damaged, or not compressed as its name says: {error}."
        ) from error


def open_raw(path: str) -> IO[bytes]:
    """The file's own bytes, unbuffered where they are local."""
    if is_url(path):
        return cast("IO[bytes]", _fsspec().open(path, "rb").open())
    return open(path, "rb", buffering=0)  # noqa: PTH123 - a Stream closes it


def _fsspec() -> ModuleType:
    try:
        import fsspec
    except ImportError:
        raise SourceError(
            "Reading a URL needs fsspec: run `pip install 'storno[remote]'`."
        ) from None
    return cast("ModuleType", fsspec)
