"""Runs the real command line, in a process of its own, in a project of its own.

The process is forked from an interpreter that has imported what commands do; see `forking`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import forking

TIMEOUT_SECONDS = 300
"""So long no command takes, the demo on a busy machine included: what does hangs."""


@dataclass(frozen=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        """The JSON documents on stdout, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


@dataclass(frozen=True)
class Storno:
    """The command in a folder.

    Attributes:
        folder: where it is called.
        variables: the environment beside what a process needs; no STORNO_ one leaks in.
        fresh: whether its interpreter is to start anew.
    """

    folder: Path
    variables: Mapping[str, str]
    fresh: bool = False

    def __call__(self, *words: str, code: int | None = 0, **variables: str) -> Ran:
        """Run it to its end; ``code`` is the exit code that is expected, None for any."""
        done = forking.run(
            self.command(*words),
            fresh=self.fresh,
            cwd=self.folder,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert code is None or ran.code == code, f"exit code {ran.code}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run it with --json; gives the document."""
        return self(*words, "--json", code=code).document

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Run it beside the test."""
        return forking.start(
            self.command(*words),
            fresh=self.fresh,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *words: str) -> list[str]:
        """The words with the interpreter that runs them."""
        return [sys.executable, "-m", "storno.cli", *words]

    @property
    def environment(self) -> dict[str, str]:
        """What the process finds around it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STORNO_")}
        return kept | {"TERM": "xterm-256color"} | dict(self.variables)

    def within(self, folder: str) -> Storno:
        """The command in a folder below."""
        return replace(self, folder=self.folder / folder)
