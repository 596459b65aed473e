"""What went wrong, in words and as an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..domain.errors import (
    ApprovalRequiredError,
    CheckFailedError,
    ConflictError,
    NotAllowedError,
    NotFoundError,
    StornoError,
    UsageError,
)
from ..domain.suggest import did_you_mean

if TYPE_CHECKING:
    from cyclopts.argument import Argument
    from cyclopts.exceptions import UnknownCommandError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DEAD_LETTERS: Final = 3
NOT_ALLOWED: Final = 4
CHECK_FAILED: Final = 5
NOT_FOUND: Final = 6
CONFLICT: Final = 7
APPROVAL_REQUIRED: Final = 8
INTERRUPTED: Final = 130

EXIT_CODES: Final[tuple[tuple[type[StornoError], int], ...]] = (
    (UsageError, USAGE),
    (NotFoundError, NOT_FOUND),
    (ApprovalRequiredError, APPROVAL_REQUIRED),
    (NotAllowedError, NOT_ALLOWED),
    (ConflictError, CONFLICT),
    (CheckFailedError, CHECK_FAILED),
)
"""The first class that an error is one of decides; every other error is 1."""


def exit_code(error: StornoError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), FAILED)


def report(error: BaseException, words: Sequence[str]) -> int:
    """Say on stderr what went wrong; returns the exit code.

    Args:
        error: what ended the command.
        words: the command line.
    """
    if isinstance(error, BrokenPipeError):
        return _quiet_pipe()
    if "--debug" in words or os.environ.get("STORNO_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        _say("Interrupted.")
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, StornoError):
        _write(str(error))
        return exit_code(error)
    usage = _usage(error)
    if usage is not None:
        _write(usage)
        return USAGE
    _write(_unforeseen(error))
    return FAILED


def _usage(error: BaseException) -> str | None:
    """What the parser of the command line says, None where it was not the parser."""
    from cyclopts.exceptions import (
        CycloptsError,
        MissingArgumentError,
        UnknownCommandError,
        UnusedCliTokensError,
    )

    if not isinstance(error, CycloptsError):
        return None
    error.verbose = False
    chain = " ".join(("storno", *(error.command_chain or ())))
    if isinstance(error, UnknownCommandError):
        return _unknown_command(error, chain)
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(map(repr, error.unused_tokens or ()))
        return f"{chain} takes no {words}.\nSee {chain} --help."
    if type(error) is MissingArgumentError and error.argument is not None:
        return f"{chain} needs {_wanted(error.argument)}.\nSee {chain} --help."
    return f"{error}\nSee {chain} --help."


def _wanted(argument: Argument) -> str:
    """What is missing: a word by its place, an option with the word that follows it."""
    metavar = argument.parameter.metavar
    if argument.name.startswith("-"):
        return f"{argument.name} {metavar}" if metavar else f"a value behind {argument.name}"
    return argument.name


def _unknown_command(error: UnknownCommandError, chain: str) -> str:
    word = (error.unused_tokens or [""])[0]
    if word.startswith("-"):
        return f"{word} has to follow the command: {chain} COMMAND {word}."
    # The names alone: cyclopts' own message imports every command to find out what to suggest.
    known = [name for name in error.app or () if not name.startswith("-")]
    return f"there is no command {word!r}.{did_you_mean(word, known)}\nSee {chain} --help."


def _unforeseen(error: BaseException) -> str:
    """An error that storno did not raise on purpose: of the database, or a defect."""
    kind = type(error)
    if kind.__module__.startswith("sqlalchemy."):
        cause = getattr(error, "orig", None) or error
        return (
            f"the database answered: {' '.join(str(cause).split())}\n"
            "See storno doctor, which says whether the store can be reached; "
            "--debug shows where it happened."
        )
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"{error.filename}: {error.strerror}.\n"
            "Check the path, and that this user may use it; --debug shows where it happened."
        )
    return (
        f"{kind.__name__}: {error}\n"
        "Storno did not expect this, so it is a defect: --debug shows where it happened."
    )


def _say(message: str) -> None:
    from .render import say

    say(message)


def _write(message: str) -> None:
    from .render import stderr, visible

    label = "error: "
    stderr().print(f"[bold red]{label}[/]", end="")
    stderr().print(visible(message), markup=False, highlight=False, soft_wrap=True)


def _quiet_pipe() -> int:
    """Whoever read our output has seen enough; Python must not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
