"""The store beside the model: the job, acts in this process or in one that dies, and a look at it.

Crashes are real: what is to be killed works in a process of its own.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from storno import Entry, Job, Parameters, Record, Store, credit, debit, init_store, iterable, job
from storno.domain import errors
from storno.domain.errors import StornoError
from storno.domain.reversal import PlanChangedError
from storno.storage.engine import create_engine
from storno.storage.views.generation import live_tables

from ..crashes.mishaps import Mishap, arrange
from .books_facts import Item, accounts_of
from .books_world import CHUNK_SIZE, Place

REFUSALS: tuple[type[StornoError], ...] = (
    errors.UsageError,
    errors.NotFoundError,
    errors.NotAllowedError,
    errors.ApprovalRequiredError,
    errors.ConflictError,
    PlanChangedError,
)
"""What a child may end with instead of having done it; 10 and more is its exit status."""

Act = Callable[[Store], Any]


class Named(Parameters):
    name: str


class Line(Record):
    key: str
    amount: Decimal
    date: dt.date


class BadRecordError(Exception):
    """The record fails, for as long as its key is bad."""


def job_of(items: list[Item], bad: set[str], *, moves: bool) -> Job:
    """The job, as it reads these records while these keys are bad."""

    @job(
        name="books",
        key="key",
        source=iterable(lambda offset: iter([item.row() for item in items[offset:]])),
        parameters=Named,
        chunk_size=CHUNK_SIZE,
        tolerance=1_000,
        closed_period="next-open" if moves else "refuse",
    )
    def books(line: Line) -> Entry:
        if line.key in bad:
            raise BadRecordError(line.key)
        debited, credited = accounts_of(line.key)
        lines = [debit(debited, line.amount, "EUR"), credit(credited, line.amount, "EUR")]
        return Entry(lines, effective=line.date)

    return books


class Stores:
    """New stores, each a copy of one: making the schema takes longer than what is tried in it."""

    def __init__(self, url: str) -> None:
        init_store(url)
        self._url = sa.make_url(url)

    @contextmanager
    def new(self) -> Iterator[str]:
        """The URL of a new store, which is removed at the end."""
        name = f"model_{os.getpid()}_{uuid4().hex[:12]}"
        if self._url.get_backend_name() == "sqlite":
            yield from self._file(name)
        else:
            yield from self._database(name)

    def _file(self, name: str) -> Iterator[str]:
        template = Path(self._url.database or "")
        folder = template.parent / name
        folder.mkdir()
        shutil.copyfile(template, folder / "storno.db")
        yield f"sqlite:///{folder / 'storno.db'}"
        shutil.rmtree(folder)

    def _database(self, name: str) -> Iterator[str]:
        self._on_server(f"CREATE DATABASE {name} TEMPLATE {self._url.database}")
        yield self._url.set(database=name).render_as_string(hide_password=False)
        self._on_server(f"DROP DATABASE {name} WITH (FORCE)")

    def _on_server(self, statement: str) -> None:
        engine = create_engine(self._url.set(database="postgres"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


class Kept:
    """A store that is kept open, except while somebody forks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, open."""
        if self._store is None:
            self._store = Store.open(self.url)
        return self._store

    def close(self) -> None:
        """Leave no connection behind."""
        if self._store is not None:
            self._store.close()
            self._store = None


class Ended:
    """How an act ended.

    Attributes:
        commits: how many it made.
        refused: with which error; None where it was not.
        died: whether its process was killed before it was through.
        result: what it gave, where it was done in this process.
    """

    def __init__(self, kept: Kept, act: Act, mishap: Mishap | None) -> None:
        self.refused: type[StornoError] | None = None
        self.died = False
        self.result: Any = None
        before = _commits(kept.store)
        if mishap is None:
            try:
                self.result = act(kept.store)
            except REFUSALS as error:
                self.refused = type(error)
        else:
            kept.close()
            self._in_a_child(kept.url, act, mishap)
        self.commits = _commits(kept.store) - before

    def _in_a_child(self, url: str, act: Act, mishap: Mishap) -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(_status_of(url, act, mishap))
        _, status = os.waitpid(pid, 0)
        ended = os.waitstatus_to_exitcode(status)
        self.died = ended == -signal.SIGKILL
        if ended >= 10:
            self.refused = REFUSALS[ended - 10]
        else:
            assert self.died or not ended, f"the child ended with {ended}"


def _status_of(url: str, act: Act, mishap: Mishap) -> int:
    try:
        arrange(mishap, Path())
        act(Store.open(url))
    except REFUSALS as error:
        return 10 + REFUSALS.index(type(error))
    except BaseException:  # noqa: BLE001 - a child of pytest must not go on as pytest
        traceback.print_exc()
        return 1
    return 0


def _commits(store: Store) -> int:
    return len(store.log.commits(limit=1_000_000))


def view(store: Store, name: str, *keys: str) -> dict[Any, dict[str, Any]]:
    """The rows of a view by these columns."""
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(live_tables(connection)[name])).mappings().all()
    return {
        tuple(row[key] for key in keys) if keys[1:] else row[keys[0]]: dict(row) for row in rows
    }


def ledger(store: Store) -> tuple[Counter[Place], Counter[Place]]:
    """Debits and credits by account and posting date."""
    sides: tuple[Counter[Place], Counter[Place]] = (Counter(), Counter())
    with store.engine.connect() as connection:
        table = live_tables(connection)["movements"]
        for row in connection.execute(sa.select(table)):
            day = (
                row.posting
                if isinstance(row.posting, dt.date)
                else dt.date.fromisoformat(row.posting)
            )
            sides[0][row.account, day] += row.debit
            sides[1][row.account, day] += row.credit
    return sides
