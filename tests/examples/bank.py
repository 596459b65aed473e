"""The bank of the payments example, in a process of its own that can be killed and comes back."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 60.0


class Bank:
    """The service beside the test.

    Attributes:
        folder: of the example; its books are there.
        done: path to how many requests it has done the work of, or answered from its books.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: Counter[str] = Counter()
        self._heard = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    def open(self, *options: str) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "service.py", "bank.db", *options],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "listening\n"
        self._listener = threading.Thread(target=self._listen, args=[self._process])
        self._listener.start()

    def kill(self) -> None:
        """End it by SIGKILL, whatever it is doing."""
        assert self._process
        assert self._listener
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def until(self, path: str, requests: int) -> None:
        """Wait until it has done the work of so many requests, over all its lives."""
        with self._heard:
            enough = self._heard.wait_for(lambda: self.done[path] >= requests, DEADLINE_SECONDS)
            assert enough, f"{self.done} after {DEADLINE_SECONDS} s"

    def ask(self, statement: str) -> list[Any]:
        """The rows of its own books."""
        books = sqlite3.connect(self.folder / "bank.db")
        try:
            return books.execute(statement).fetchall()
        finally:
            books.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            with self._heard:
                self.done[line.split()[0]] += 1
                self._heard.notify_all()
        process.stdout.close()
