"""Disks that are full, failing, or read-only, and locks that are not let go of.

What was committed is there once, the message says what is wrong, where, and what to do next; after
mending, a resume completes the run.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from storno import Store, run_job
from storno.cli.errors import exit_code
from storno.domain.errors import StoreBusyError
from storno.storage.engine import create_engine, writer
from storno.storage.sqlite_engine import library

from ..cli.command import Ran
from ..scenarios.lab import ACTOR, Lab, Payment, ordinal_of, paying, payments
from .mishaps import Mishap
from .narrow import fill, limit_files, obedient, read_only, small_disk
from .project import JOB, Project, ended

SMALL_KILOBYTES = 2_000
WAIT_AT_25 = Mishap(at="record", nth=25, act="wait")
LAST_COMMIT = 5


@contextmanager
def sound(project: Project) -> Iterator[Project]:
    """A project whose store must be sound at the end."""
    try:
        yield project
        project.check()
    finally:
        project.lab.close()


class Full:
    """A project on a disk that is full when it is told to be.

    Attributes:
        message: what SQLite says then.
    """

    def __init__(self, project: Project, is_mounted: bool) -> None:
        self.project = project
        self.message = "database or disk is full" if is_mounted else "disk I/O error"
        self._is_mounted = is_mounted
        self._filler: Path | None = None

    def let_be_full(self, process: subprocess.Popen[str]) -> None:
        """Nothing more can be written; where no disk can be mounted, by this process."""
        if self._is_mounted:
            self._filler = fill(self.project.folder)
        else:
            limit_files(process.pid, 0)

    def mend(self) -> None:
        if self._filler is not None:
            self._filler.unlink()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Full]:
    """A small disk; without the right to mount one, a process that may write no more."""
    with suppress(PermissionError), small_disk(SMALL_KILOBYTES) as disk:
        with sound(Project(disk, f"sqlite:///{disk / 'storno.db'}")) as project:
            yield Full(project, is_mounted=True)
        return
    with sound(Project(tmp_path, f"sqlite:///{tmp_path / 'storno.db'}")) as project:
        yield Full(project, is_mounted=False)


def check_said(ran: Ran, project: Project, what: str) -> None:
    """What, where, what next."""
    message = ran.stderr.splitlines()[-1]
    assert ran.code == 1, ran.stderr
    assert what in message
    assert str(project.folder / "storno.db") in message
    assert "mend the cause" in message
    assert "resume the run" in message


def test_the_disk_gets_full_under_the_wal(full: Full) -> None:
    """Scenario 20."""
    project = full.project
    process = project.start(mishap=WAIT_AT_25)
    project.is_here()
    full.let_be_full(process)
    project.go_on()

    check_said(ended(process), project, full.message)

    assert len(project.posted()) in (10, 20)
    project.check()
    full.mend()
    project.resume()
    assert project.attempts() == ["start", "takeover"]
    project.check_completed()


def test_the_disk_gets_full_under_the_database_file(full: Full) -> None:
    """Scenario 20: all is committed and in the WAL; moving it to the file has to wait."""
    project = full.project
    process = project.start(mishap=Mishap(at="committed", nth=LAST_COMMIT, act="wait"))
    project.is_here()
    project.lab.close()  # the run's own connection is the last, which would move it
    full.let_be_full(process)
    project.go_on()

    assert ended(process).code == 0
    full.mend()
    assert "completed already" in project.run().stderr
    project.check_completed()


def test_the_disk_is_full_from_the_start(full: Full) -> None:
    """Scenario 20: nothing is begun that could not be written."""
    project = full.project
    process = project.start(mishap=Mishap(at="statement", matching="BEGIN IMMEDIATE", act="wait"))
    project.is_here()
    full.let_be_full(process)
    project.go_on()

    check_said(ended(process), project, full.message)

    full.mend()
    project.run()
    assert project.attempts() == ["start"]
    project.check_completed()


def test_a_file_that_may_not_grow(on_sqlite: Project) -> None:
    """Scenario 20: a quota, or the process's limit; SQLite says it otherwise than of a disk."""
    process = on_sqlite.start(mishap=WAIT_AT_25)
    on_sqlite.is_here()
    limit_files(process.pid, (on_sqlite.folder / "storno.db-wal").stat().st_size + 5_000)
    on_sqlite.go_on()

    check_said(ended(process), on_sqlite, "disk I/O error")

    on_sqlite.check()
    on_sqlite.resume()
    on_sqlite.check_completed()


def test_fsync_fails(on_sqlite: Project) -> None:
    """Scenario 20: the commit may come back when the store is opened again, and must not be made
    twice then."""
    failing = Mishap(at="commit", nth=3, act="fail")

    check_said(on_sqlite.run(code=None, mishap=failing), on_sqlite, "disk I/O error")

    assert len(on_sqlite.posted()) in (10, 20)
    on_sqlite.check()
    on_sqlite.resume()
    on_sqlite.check_completed()


def test_temporary_files_are_none() -> None:
    """Scenario 20: a full temporary disk stops nothing, for SQLite keeps in memory what it would
    put there."""
    connection = library().connect(":memory:")
    options = [option for (option,) in connection.execute("PRAGMA compile_options")]
    connection.close()
    assert "TEMP_STORE=3" in options


def test_the_store_is_read_only(on_sqlite: Project) -> None:
    """Scenario 20."""
    on_sqlite.run("--limit", "10")
    on_sqlite.lab.close()
    storno = on_sqlite.storno()
    command = obedient(storno.command("run", JOB, "--param", "run=a"))
    with read_only(on_sqlite.folder):
        refused = subprocess.run(
            command, cwd=on_sqlite.folder, env=storno.environment, capture_output=True, text=True
        )

    assert refused.returncode == 1
    assert "attempt to write a readonly database" in refused.stderr
    assert str(on_sqlite.folder / "storno.db") in refused.stderr
    on_sqlite.resume()
    on_sqlite.check_completed()


def test_looking_at_a_store_in_a_folder_that_nobody_may_write(on_sqlite: Project) -> None:
    """As long as somebody works on it, it can be looked at; else it says how."""
    on_sqlite.run("--limit", "10")
    on_sqlite.lab.close()
    storno = on_sqlite.storno()
    looked = obedient(storno.command("runs"))

    def look() -> subprocess.CompletedProcess[str]:
        with read_only(on_sqlite.folder):
            return subprocess.run(
                looked, cwd=on_sqlite.folder, env=storno.environment, capture_output=True, text=True
            )

    alone = look()
    with library().connect(on_sqlite.folder / "storno.db") as other:
        other.execute("SELECT count(*) FROM events").fetchone()
        beside = look()
    other.close()

    assert alone.returncode == 1
    assert str(on_sqlite.folder / "storno.db") in alone.stderr
    assert "SQLite writes beside the file also to read it" in alone.stderr
    assert "copy the file to a folder of yours" in alone.stderr
    assert (beside.returncode, beside.stderr) == (0, "")
    assert "payments" in beside.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_store_is_locked_for_too_long(
    new_database: Callable[[str], str], database: str
) -> None:
    """Scenario 20: the run ends with what it has; the exit code says that it was somebody else."""
    lab = Lab(new_database(database))
    impatient = Store(create_engine(lab.url, lock_timeout_seconds=0.2))
    other = create_engine(lab.url)

    with writer(other).connect() as holder:

        def lock(payment: Payment) -> None:
            if ordinal_of(payment) == 15:
                holder.begin()
                lab.store.log._database.lock(holder)

        job = paying(payments(30), lock, chunk_size=10)
        with pytest.raises(StoreBusyError, match=r"0\.2 seconds") as caught:
            run_job(impatient, job, {}, ACTOR)
        holder.rollback()
    impatient.close()
    other.dispose()

    assert exit_code(caught.value) == 7
    posted = lab.posted()
    assert posted == list(range(len(posted)))
    assert lab.run(paying(payments(30))).state == "completed"
    assert lab.posted() == list(range(30))
    lab.check()
    lab.close()


def test_a_store_that_is_full_of_something_else(on_sqlite: Project) -> None:
    """Scenario 20: a file that SQLite cannot read is named, and left alone."""
    _ = on_sqlite.lab
    path = on_sqlite.folder / "storno.db"
    on_sqlite.lab.close()
    sound_bytes = path.read_bytes()
    path.write_bytes(b"no database" + sound_bytes[11:])

    refused = on_sqlite.run(code=1)

    assert "file is not a database" in refused.stderr
    assert str(path) in refused.stderr
    path.write_bytes(sound_bytes)
    on_sqlite.run()
    on_sqlite.check_completed()


def test_an_error_of_programming_is_not_tried_again(postgres_url: str) -> None:
    """Only lost connections are: else a defect would look like a store that does not answer."""
    from storno.execution.journal import translate

    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        for statement, value in (("SELECT nothing_of_the_kind", None), ("SELECT :value", object())):
            with pytest.raises(ProgrammingError) as caught:
                connection.execute(sa.text(statement), {"value": value} if value else {})
            assert translate(caught.value) is caught.value
            connection.rollback()
    engine.dispose()
