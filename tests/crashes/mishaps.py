"""What happens to a process at a named point: it is killed, stopped, or made to wait.

The points are those of the job's own function, of SQLAlchemy's events and of the driver's cursor,
which any program may listen to; the product knows nothing of them.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from .failing_fsync import break_fsync

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """Something that happens once in the life of a process.

    Attributes:
        at: ``record`` (the function is called), ``statement`` (before one that matches),
            ``commit`` (of events: all is written, COMMIT is not sent), ``committed`` (COMMIT was
            answered, and nobody was told yet).
        nth: at which record or statement or commit, from 1; the run's first commit is its start.
        matching: the statement.
        act: ``kill``, ``stop``, ``wait``, or ``fail`` every fsync from now on.
    """

    at: str
    nth: int = 1
    matching: str = ""
    act: str = "kill"


class Point:
    """Counts how often a point was reached, and acts the nth time."""

    def __init__(self, mishap: Mishap, folder: Path) -> None:
        self._left = mishap.nth
        self._act = ACTS[mishap.act]
        self._folder = folder

    def reached(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act(self._folder)


def arrange(mishap: Mishap, folder: Path) -> Callable[[], None]:
    """Let it happen; gives what the job's function calls for each record."""
    point = Point(mishap, folder)
    if mishap.at == "record":
        return point.reached
    if mishap.at == "statement":
        _at_statements(re.compile(mishap.matching), point)
    else:
        _at_commits(point, after=mishap.at == "committed")
    return lambda: None


def _at_statements(pattern: re.Pattern[str], point: Point) -> None:
    def sent(statement: str) -> None:
        if pattern.search(statement):
            point.reached()

    _before_statements(sent)


def _before_statements(told: Callable[[str], None]) -> None:
    """Tell of each; on PostgreSQL an append sends its own in a pipeline, past SQLAlchemy."""
    execute = psycopg.Cursor.execute

    def executing(cursor: Any, query: Any, *more: Any, **options: Any) -> Any:
        if cursor.connection.pgconn.pipeline_status:
            told(str(query))
        return execute(cursor, query, *more, **options)

    @event.listens_for(sa.Engine, "before_cursor_execute")
    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        told(statement)

    psycopg.Cursor.execute = executing  # type: ignore[method-assign]


def _at_commits(point: Point, *, after: bool) -> None:
    """A transaction that inserted events is about to commit, or just did, in this thread."""
    inserted: set[int] = set()
    committed: set[int] = set()

    def sent(statement: str) -> None:
        if re.match(r"INSERT INTO events\b", statement):
            inserted.add(get_ident())

    _before_statements(sent)

    @event.listens_for(sa.Engine, "commit")
    def commit(_connection: Any) -> None:
        if get_ident() in inserted:
            inserted.discard(get_ident())
            if not after:
                point.reached()
            committed.add(get_ident())

    @event.listens_for(sa.Pool, "checkin")
    def given_back(*_connection: Any) -> None:
        if get_ident() in committed:
            committed.discard(get_ident())
            if after:
                point.reached()


def _kill(folder: Path) -> None:
    del folder
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(folder: Path) -> None:
    del folder
    os.kill(os.getpid(), signal.SIGSTOP)


def _wait(folder: Path) -> None:
    (folder / "here").touch()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (folder / "go").exists():
        assert time.monotonic() < deadline, "nobody says that it may go on"
        time.sleep(0.01)


def _fail(folder: Path) -> None:
    del folder
    break_fsync()


ACTS: dict[str, Callable[[Path], None]] = {
    "kill": _kill,
    "stop": _stop,
    "wait": _wait,
    "fail": _fail,
}
