"""Runs a command on a terminal of its own: a pseudo-terminal, whose screen the test reads."""

from __future__ import annotations

import os
import pty
from dataclasses import dataclass

from .. import forking
from .command import TIMEOUT_SECONDS, Storno


@dataclass(frozen=True)
class Screen:
    """What was written to the terminal, with its control codes, and how the command ended."""

    code: int
    text: str


def on_terminal(storno: Storno, *words: str, typed: str = "", **variables: str) -> Screen:
    """Run a command with stdin, stdout and stderr on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    process = forking.start(
        storno.command(*words),
        fresh=storno.fresh,
        cwd=storno.folder,
        env=storno.environment | {"COLUMNS": "120", "LINES": "40"} | variables,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    text = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux's way to say that nobody holds the other end any more
            break
        if not part:
            break
        text += part
    os.close(ours)
    return Screen(process.wait(TIMEOUT_SECONDS), text.decode())
