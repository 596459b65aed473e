"""What keeps a chunk from being prepared, and how the attempt goes on after it."""

from __future__ import annotations

from dataclasses import dataclass

from ..domain.errors import DefinitionError, InputChangedError, SourceError, StornoError
from .attempt import Attempt, Closing
from .controls import ControlMismatchError
from .plan import Item
from .retrying import InterruptedRetryError
from .work import FatalError, TransientError

CODES: tuple[tuple[type[Exception], str], ...] = (
    (FatalError, "fatal"),
    (ControlMismatchError, "control-mismatch"),
    (DefinitionError, "invalid-definition"),
    (InputChangedError, "input-changed"),
    (SourceError, "source-unreadable"),
    (OSError, "source-unreadable"),
)
"""Errors that fail the run, with its error's stable code."""


class RefusedRowsError(StornoError):
    """The database refuses the commit of a chunk with the rows that the job wrote in it."""


TROUBLES: tuple[type[Exception], ...] = (
    TransientError,
    RefusedRowsError,
    InterruptedRetryError,
    *(kind for kind, _ in CODES),
)
"""What ``closing`` knows how to go on from; anything else is a bug, and ends the process."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a chunk could not be prepared.

    Attributes:
        tries: how often it was tried.
        was_read: whether its records could be read at all, so that the run can go past it.
    """

    item: Item
    error: Exception
    tries: int
    was_read: bool


def closing(attempt: Attempt, trouble: Trouble) -> Closing:
    """The commit that the trouble leads to."""
    error = trouble.error
    if isinstance(error, InterruptedRetryError):
        return attempt.stopped(attempt.set.flag.why)
    if isinstance(error, TransientError | RefusedRowsError) and trouble.was_read:
        return attempt.chunk_failed(trouble.item, error, trouble.tries)
    code = next((code for kind, code in CODES if isinstance(error, kind)), "source-unreadable")
    return attempt.run_failed(code, str(error))
