"""Files that a command makes: whole or not at all, and none overwritten unasked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..domain.errors import ConflictError, NotFoundError

UNFINISHED: Final = ".unfinished"
"""What a file's name ends in until it is whole."""


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to overwrite a file that nobody said may be, or to write where there is no folder.

    Raises:
        ConflictError: it exists.
        NotFoundError: its folder does not.
    """
    if path.is_dir():
        raise ConflictError(f"{path} is a folder. Name a file in it.")
    if path.exists() and not force:
        raise ConflictError(f"{path} exists. Name another file, or overwrite it with --force.")
    if not path.parent.is_dir():
        raise NotFoundError(f"There is no folder {path.parent} to write to. Make it first.")


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Gives the path to write to; it gets its name once all is written.

    Raises:
        ConflictError, NotFoundError: see ``refuse_existing``.
    """
    refuse_existing(path, force=force)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def file_document(path: Path) -> dict[str, Any]:
    """The file's name, its size and its SHA-256, as ``sha256sum`` gives it."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
