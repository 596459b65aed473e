"""Compressed files, read as they are: ``.gz``, ``.xz``, ``.zst``."""

from __future__ import annotations

import gzip
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import IO, Any, Protocol, cast

from ...domain.errors import SourceError


class Content(Protocol):
    """A file's bytes, decompressed."""

    def read(self, count: int, /) -> bytes:
        """Up to ``count`` bytes, none at the end."""

    def seek(self, offset: int, /) -> int:
        """Go on to a byte."""


def is_compressed(path: str) -> bool:
    """Whether a file's content is not its own bytes, by what its name ends in."""
    return path.endswith(tuple(_OPENERS))


def decompressed(path: str, raw: IO[bytes]) -> Content:
    """The content of a file, by what its name ends in."""
    for ending, opener in _OPENERS.items():
        if path.endswith(ending):
            return cast("Content", opener(raw))
    return raw


def is_damage(error: Exception) -> bool:
    """Whether an error says that compressed data is cut off or broken."""
    if isinstance(error, (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error)):
        return True
    return type(error).__name__ == "ZstdError"


def _zstandard() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise SourceError(
            "Reading .zst needs a package: run `pip install 'storno[zstd]'`."
        ) from None
    return zstd


_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw, mode="rb"),
    ".xz": lzma.LZMAFile,
    ".zst": lambda raw: _zstandard().ZstdFile(raw),
}
