"""What keeps a chunk from being prepared, and how the attempt goes on after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from ..domain.errors import DefinitionError, InputChangedError, SourceError, StornoError
from . import retrying
from .attempt import Attempt, Closing, Setting
from .controls import ControlMismatchError
from .plan import Item
from .retrying import InterruptedRetryError
from .sources.base import Batch
from .work import FatalError, TransientError

T = TypeVar("T")

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


class Trouble(Struct, frozen=True):
    """Why a chunk could not be prepared.

    Attributes:
        tries: how often it was tried.
        batch: its records, so that the run can go past it; None where they cannot be read at all.
    """

    item: Item
    error: Exception
    tries: int
    batch: Batch | None


def with_retries(setting: Setting, item: Item, work: Callable[[int], T]) -> T | Trouble:
    """What ``work(tries)`` makes of a chunk, tried as often as the job's policy says."""
    preparer, observer = setting.preparer, setting.observer
    tries = 0

    def count_and_work(number: int) -> T:
        nonlocal tries
        tries = number
        preparer.last_read = None
        return work(number)

    try:
        return retrying.call(
            count_and_work,
            setting.job.retry,
            transient=TransientError,
            interrupt=setting.flag.event,
            waiting=lambda error, number, delay: observer.retrying(str(error), number, delay),
        )
    except TROUBLES as error:
        return Trouble(item, error, tries, preparer.last_read)


def closing(attempt: Attempt, trouble: Trouble) -> Closing:
    """The commit that the trouble leads to."""
    error = trouble.error
    if isinstance(error, InterruptedRetryError):
        return attempt.stopped(attempt.set.flag.why)
    if isinstance(error, TransientError | RefusedRowsError) and trouble.batch is not None:
        return attempt.chunk_failed(trouble.item, error, trouble.tries, trouble.batch)
    code = next((code for kind, code in CODES if isinstance(error, kind)), "source-unreadable")
    return attempt.run_failed(code, str(error))
