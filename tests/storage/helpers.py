"""Events to append, and waiting for another process without guessing how long it takes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from storno.domain.seal import NewEvents, event_leaf
from storno.storage.log import Commit, EventLog, Row

_Found = TypeVar("_Found")

TOPIC = "test.Happened.v1"


class New(NamedTuple):
    """An event to append."""

    stream: str
    version: int
    topic: str
    state: bytes

    @property
    def leaf(self) -> bytes:
        return event_leaf(*self)


def event(stream: str, version: int = 1, state: bytes = b"{}", topic: str = TOPIC) -> New:
    return New(stream, version, topic, state)


def events(prefix: str, count: int) -> list[New]:
    """One event each on ``count`` streams, named in order."""
    return [event(f"{prefix}/{number:06d}") for number in range(count)]


def append(log: EventLog, new: Sequence[New], **options: Any) -> Commit:
    """Append as ``log.append`` does."""
    return log.append(NewEvents.of(new), **options)


def whole_log(log: EventLog) -> list[Row]:
    rows: list[Row] = []
    while page := log.read_log(after_position=len(rows)):
        rows += page
    return rows


def until(condition: Callable[[], _Found | None], seconds: float = 30.0) -> _Found:
    """Ask again and again until there is an answer; for what another process does."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing came of it in {seconds} seconds"
        time.sleep(0.005)


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start one of the scripts beside this file."""
    path = Path(__file__).with_name(script)
    return subprocess.Popen(
        [sys.executable, path, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What each process printed, once all have ended well."""
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(outputs)
    return outputs
