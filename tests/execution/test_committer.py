"""Runs whose commits a process makes: their store is as the thread writes it, and where the process
cannot be had, or is had no longer, the thread commits."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from storno import Entry, Store, Tolerance, credit, debit, iterable, job
from storno.domain.errors import (
    StoreError,
)
from storno.domain.events import Counts
from storno.domain.money import MAX_MINOR_UNITS
from storno.domain.seal import NewEvents
from storno.execution import committer
from storno.storage import processes
from storno.storage.log import Commit

from ..crashes.narrow import limit_files
from ..crashes.project import until
from ..crashes.writers import Prompt, is_gone, make_runs_long, writers
from ..scenarios.conftest import checked
from ..scenarios.lab import DAY, Lab, Payment, Rows, ordinal_of, paying, payments
from ..scenarios.test_keys import monthly

WARNING = "commits are made in the run's own process from now on"
CHUNK = 10

pytestmark = pytest.mark.usefixtures("nobody_stays")


@contextmanager
def commits_here(store: Store) -> Iterator[list[Commit]]:
    """Notes the commits of events that this very process makes, or tries to."""
    noted: list[Commit] = []
    database = store.log._database
    insert = database.insert

    def noting(connection: sa.Connection, commit: Commit, events: NewEvents) -> None:
        noted.append(commit)
        insert(connection, commit, events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "insert", noting)
        yield noted


# What a run writes.


def troubled() -> Rows:
    """Six chunks: some keys come twice, with what they had or otherwise, some records are bad."""
    rows = payments(6 * CHUNK)
    rows[25]["amount"] = "a lot"
    rows[31] = rows[30]
    rows[33] = rows[12] | {"amount": "999.99"}
    rows[44] |= {"account": "expense:fuel", "currency": "USD"}
    return rows


def run_troubled(url: str) -> tuple[list[Any], dict[str, list[str]], int]:
    """A run in a new store which knows three of its keys, one of them otherwise: the log, the
    views, and how many commits this process has made for it."""
    with checked(url) as lab:
        before = payments(3, first=21)
        before[2]["amount"] = "0.01"
        lab.run(monthly(before, chunk_size=CHUNK), {"month": "1"}, limit=None)
        with commits_here(lab.store) as commits:
            job = monthly(troubled(), chunk_size=CHUNK, tolerance=Tolerance(records=10))
            result = lab.run(job, {"month": "2"})
        assert result.state == "completed"
        assert result.counts == Counts(read=60, succeeded=54, skipped=3, failed=3)
        return list(lab.store.log.read_prefix("")), views(lab), len(commits)


def views(lab: Lab) -> dict[str, list[str]]:
    """Every view, without the times."""
    return {
        name: sorted(
            str({column: value for column, value in row.items() if not column.endswith("_at")})
            for row in lab.view(name)
        )
        for name in ("runs", "attempts", "checkpoint", "movements", "dead_letters")
    }


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_store_is_as_the_thread_writes_it(
    database: str,
    new_database: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = new_database(database)
    other = f"sqlite:///{tmp_path / 'other.db'}" if database == "sqlite" else new_database(database)
    log, rows, commits = run_troubled(url)
    assert commits > 6, "a short run's are made by the thread"
    make_runs_long(monkeypatch.setattr)

    its_log, its_rows, commits = run_troubled(other)

    # Its start is made here, and what is decided anew because a key was known.
    assert commits < 4
    assert its_log == log
    assert its_rows == rows


def test_a_run_turns_out_to_be_long(sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is asked for when the run is worth it, and commits from then on."""
    monkeypatch.setattr(committer, "WORTH_A_PROCESS", 3 * CHUNK)
    monkeypatch.setattr(committer, "WriterProcess", Prompt)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    seen: list[int] = []

    def look(payment: Payment) -> None:
        if ordinal_of(payment) % CHUNK == CHUNK - 1:
            seen.append(len(writers()))

    with commits_here(sqlite_lab.store) as commits:
        sqlite_lab.run(paying(payments(6 * CHUNK), look, chunk_size=CHUNK))

    assert seen == [0, 0, 0, 1, 1, 1]
    assert len(commits) == 3, "the start, and the first two chunks"


# Sums that no column holds.


@pytest.mark.parametrize(
    ("lines", "commits"),
    [
        pytest.param(1_000, 1, id="over 63 bits, which the process splits"),
        pytest.param(2_000, 2, id="over 64 bits, which cannot be sent to it"),
    ],
)
def test_sums_over_64_bits(long_runs: None, lab: Lab, lines: int, commits: int) -> None:
    most = Decimal(MAX_MINOR_UNITS // 100)
    both = [debit("expense:rent", most, "EUR"), credit("creditors", most, "EUR")]

    @job(key="number", source=iterable(payments(10)), name="payments")
    def pay(payment: Payment) -> Entry:
        return Entry(both * lines, effective=DAY)

    lab.amount_of = None
    with commits_here(lab.store) as here:
        result = lab.run(pay)

    assert result.counts.succeeded == 10
    assert len(here) == commits
    assert sum(row["debit"] for row in lab.view("movements")) == 10 * lines * MAX_MINOR_UNITS


# Where there is none, or none any more.


def test_a_run_is_told_that_the_disk_is_full(long_runs: None, sqlite_lab: Lab) -> None:
    def fill(payment: Payment) -> None:
        if ordinal_of(payment) == 25:
            limit_files(writers()[0].pid, 0)

    with pytest.raises(StoreError, match="disk I/O error"):
        sqlite_lab.run(paying(payments(60), fill, chunk_size=CHUNK))

    # Two chunks are under way when the disk is full, if none of them is in yet.
    assert sqlite_lab.posted() in ([], list(range(10)), list(range(20)))
    assert sqlite_lab.run(paying(payments(60), chunk_size=CHUNK)).state == "completed"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if WARNING in each.getMessage()]


@pytest.mark.parametrize(
    ("interpreter", "warned"),
    [
        pytest.param("/bin/false", 1, id="one that ends"),
        pytest.param("/nowhere/python", 1, id="none that can be started"),
        pytest.param("", 0, id="none"),
    ],
)
def test_without_an_interpreter_the_thread_commits(
    long_runs: None,
    sqlite_lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    interpreter: str,
    warned: int,
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter)

    with commits_here(sqlite_lab.store) as here:
        result = sqlite_lab.run(paying(payments(60), chunk_size=CHUNK))

    assert result.state == "completed"
    assert len(here) == 1 + 6
    assert len(warnings(caplog)) == warned


def test_a_frozen_program_is_not_started_again(
    long_runs: None, sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(sys, "frozen", True, raising=False)

    assert sqlite_lab.run(paying(payments(60), chunk_size=CHUNK)).state == "completed"
    assert not (tmp_path / "started").exists()


def test_a_killed_one_is_not_replaced(
    long_runs: None, sqlite_lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """It is killed between two commits, and the one that meets it gone is made here."""

    def kill(payment: Payment) -> None:
        if ordinal_of(payment) == 25:
            until(lambda: len(sqlite_lab.posted()) == 20)
            (process,) = writers()
            process.kill()
            until(lambda: is_gone(process))

    with commits_here(sqlite_lab.store) as here:
        result = sqlite_lab.run(paying(payments(60), kill, chunk_size=CHUNK))

    assert result.state == "completed"
    assert len(here) == 1 + 4
    assert len(warnings(caplog)) == 1
    assert "exit code -9" in warnings(caplog)[0]


def test_a_run_that_is_over_sooner(sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is stopped as it starts: it is killed when the run ends, and not waited for."""
    monkeypatch.setattr(committer, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    seen: list[psutil.Process] = []

    def stop(payment: Payment) -> None:
        if ordinal_of(payment) == 15:
            seen.extend(writers())
            seen[-1].suspend()

    result = sqlite_lab.run(paying(payments(35), stop, chunk_size=CHUNK))

    assert result.state == "completed"
    assert all(not each.is_running() for each in seen)
    assert seen


def test_a_run_that_fails(long_runs: None, sqlite_lab: Lab) -> None:
    """Nobody is left: see ``nobody_stays``."""

    def fail(payment: Payment) -> None:
        if ordinal_of(payment) >= 25:
            assert writers()
            raise ValueError("no")

    result = sqlite_lab.run(paying(payments(60), fail, chunk_size=CHUNK, tolerance=3))

    assert (result.state, result.error) == ("failed", "tolerance-exceeded")


# What its surroundings have in store for it.


@pytest.fixture
def many_files(tmp_path: Path) -> Iterator[None]:
    """The next file that is opened is one that ``select`` cannot take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2_048, hard)), hard))
    with ExitStack() as files:
        while files.enter_context((tmp_path / "one").open("w")).fileno() < 1_024:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_with_many_files(many_files: None, long_runs: None, sqlite_lab: Lab) -> None:
    with commits_here(sqlite_lab.store) as here:
        sqlite_lab.run(paying(payments(35), chunk_size=CHUNK))

    assert len(here) == 1


def test_a_path_that_is_no_text(
    long_runs: None, sqlite_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Imports pass over it, and so does the process."""
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])

    with commits_here(sqlite_lab.store) as here:
        sqlite_lab.run(paying(payments(35), chunk_size=CHUNK))

    assert len(here) == 1


@pytest.mark.timeout(60)
def test_the_end_is_told_where_a_child_keeps_the_pipe_open(
    long_runs: None, sqlite_lab: Lab
) -> None:
    """A job's function may leave a child behind, which has all files that the run had open."""
    children: list[int] = []
    ours, its = os.pipe()

    def leave_a_child(payment: Payment) -> None:
        if ordinal_of(payment) == 15:
            assert writers()
            child = os.fork()
            if not child:
                os.close(its)
                os.read(ours, 1)
                os._exit(0)
            children.append(child)

    result = sqlite_lab.run(paying(payments(35), leave_a_child, chunk_size=CHUNK))

    assert result.state == "completed"
    assert not writers()
    (child,) = children
    assert psutil.Process(child).status() != psutil.STATUS_ZOMBIE
    os.close(its)
    os.close(ours)
    os.waitpid(child, 0)
