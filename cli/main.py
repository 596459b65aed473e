"""The command ``storno``: parse, call, and turn what went wrong into words and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .commands import COMMANDS, overview

if TYPE_CHECKING:
    from cyclopts import App


# Importing makes more than a hundred thousand objects, and all of them stay. By default the
# collector would walk through them two hundred times: a twelfth of the time to a first commit.
YOUNG_OBJECTS = 200_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        arguments: the words after ``storno``; the process's where not given.
    """
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["--version"], ["-V"]):
        return _say(f"storno {version()}")
    if not words or words in (["--help"], ["-h"], ["help"]):
        return _say(overview())
    if words[0] == "help":
        words = [*words[1:], "--help"]
    try:
        return _call(words)
    except BaseException as error:  # noqa: BLE001 - the last place where it can become words
        from .errors import report

        return report(error, words)


def version() -> str:
    """The installed version of storno."""
    from importlib.metadata import version as installed

    return installed("storno")


def application() -> App:
    """The command line as cyclopts knows it; each command is imported when it is called."""
    from cyclopts import App

    from .help import Formatter

    app = App(
        name="storno",
        help="Run auditable financial batch jobs.",
        version=version,
        help_format="plaintext",
        help_formatter=Formatter(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        module, _, attribute = command.target.partition(":")
        app.command(f"storno.cli.{module}:{attribute}", name=command.name)
    return app


def _call(words: Sequence[str]) -> int:
    result = application()(words, exit_on_error=False, print_error=False)
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _say(text: str) -> int:
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
