"""A run's whole life against a model: start, fail, crash, resume, stop, rerun, changed keys.

Crashes are real: every step works in a process of its own, which ends itself in the middle.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storno import (
    Entry,
    Parameters,
    Record,
    RunOptions,
    Store,
    credit,
    debit,
    iterable,
    job,
    run_job,
)
from storno.domain.ids import RunId
from storno.execution.identity import resolve_actor
from storno.storage.migrate import init
from storno.storage.views.check import check
from storno.storage.views.generation import live_tables

from .world import CHUNK_SIZE, Item, ModelRun, World, from_offset

KEYS = st.sampled_from([f"K{number}" for number in range(12)])
ITEMS = st.lists(st.builds(Item, KEYS, st.integers(1, 3)), min_size=0, max_size=14)


class Named(Parameters):
    name: str


class Line(Record):
    key: str
    amount: Decimal


class BadRecordError(Exception):
    """The record fails, for as long as its key is bad."""


class RunModel(RuleBasedStateMachine):
    """Drives a real store and the model side by side."""

    @initialize()
    def make_store(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="storno-model-"))
        self.url = f"sqlite:///{self.folder / 'storno.db'}"
        init(self.url)
        self.world = World()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @rule(items=ITEMS)
    def start(self, items: list[Item]) -> None:
        """A new run, worked through to its end."""
        name = f"r{len(self.world.runs)}"
        self.world.runs[name] = ModelRun(items)
        self._go(name)

    @rule(items=ITEMS, calls=st.integers(0, 14))
    def start_and_crash(self, items: list[Item], calls: int) -> None:
        """A new run, whose process dies at a call of the job's function."""
        name = f"r{len(self.world.runs)}"
        self.world.runs[name] = ModelRun(items)
        self._go(name, crash_after=calls)

    @rule(items=ITEMS, limit=st.integers(1, 9))
    def start_and_stop(self, items: list[Item], limit: int) -> None:
        """A new run that is stopped after some records."""
        name = f"r{len(self.world.runs)}"
        self.world.runs[name] = ModelRun(items)
        self._go(name, options=RunOptions(limit=limit))

    @precondition(lambda self: self.world.runs)
    @rule(data=st.data(), calls=st.none() | st.integers(0, 14))
    def resume(self, data: st.DataObject, calls: int | None) -> None:
        """Some run goes on, or is found done; perhaps it crashes once more."""
        self._go(data.draw(st.sampled_from(sorted(self.world.runs))), crash_after=calls)

    @precondition(lambda self: self.world.runs)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """Some run reads its input once more, if it is completed."""
        name = data.draw(st.sampled_from(sorted(self.world.runs)))
        if self._row(name)["state"] == "completed":
            self.world.runs[name].outcomes.clear()
            self._go(name, options=RunOptions(again=True, reason="model"))

    @rule(key=KEYS)
    def break_key(self, key: str) -> None:
        """From now on records with this key fail."""
        self.world.bad.add(key)

    @rule(key=KEYS)
    def mend_key(self, key: str) -> None:
        """From now on they do not."""
        self.world.bad.discard(key)

    @invariant()
    def store_and_model_agree(self) -> None:
        """Counts, postings and books are the model's, and every view is what the events say."""
        if not hasattr(self, "world"):
            return
        for name, run in self.world.runs.items():
            row = self._row(name)
            found = (row["read"], row["succeeded"], row["skipped"], row["failed"])
            outcomes = ("succeeded", "skipped", "failed")
            assert found == (len(run.outcomes), *map(run.count, outcomes)), (name, run)
        store = Store.open(self.url)
        try:
            compared = check(store.log)
            assert not compared.total, compared.differences
            with store.engine.connect() as connection:
                movements = live_tables(connection)["movements"]
                sums = sa.select(sa.func.sum(movements.c.debit), sa.func.sum(movements.c.credit))
                moved = connection.execute(sums).one()
        finally:
            store.close()
        assert [total or 0 for total in moved] == [self.world.total] * 2

    def _go(
        self, name: str, *, crash_after: int | None = None, options: RunOptions | None = None
    ) -> None:
        pid = os.fork()
        if pid == 0:
            try:
                self._work(name, crash_after, options)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        ended = os.waitstatus_to_exitcode(status)
        assert ended == 0 or (ended == -signal.SIGKILL and crash_after is not None)
        row = self._row(name)
        assert crash_after is not None or row["state"] in ("completed", "stopped")
        self.world.catch_up(name, row["read"])

    def _work(self, name: str, crash_after: int | None, options: RunOptions | None) -> None:
        calls = 0
        bad = self.world.bad

        @job(
            name="model",
            key="key",
            source=iterable(from_offset(self.world.runs[name].items)),
            parameters=Named,
            chunk_size=CHUNK_SIZE,
            tolerance=1_000,
        )
        def model(line: Line) -> Entry:
            nonlocal calls
            if calls == crash_after:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
            if line.key in bad:
                raise BadRecordError(line.key)
            lines = [debit("expense", line.amount, "EUR"), credit("bank", line.amount, "EUR")]
            return Entry(lines, effective=dt.date(2026, 1, 31))

        store = Store.open(self.url)
        run_job(store, model, {"name": name}, resolve_actor("model"), options)

    def _row(self, name: str) -> dict[str, Any]:
        store = Store.open(self.url)
        try:
            with store.engine.connect() as connection:
                runs = live_tables(connection)["runs"]
                found = connection.execute(
                    sa.select(runs).where(runs.c.run == str(RunId("model", name)))
                ).one()
        finally:
            store.close()
        return dict(found._mapping)


TestRunModel = RunModel.TestCase
TestRunModel.settings = settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking forks for minutes
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
