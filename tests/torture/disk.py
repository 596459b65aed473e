"""Runs whose disk gets full, or whose store may not be written any more, in the middle of work.

Each fails with what is wrong and what to do next, leaves nothing half-written, and completes when
the cause is mended and somebody resumes it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from storno.domain.errors import StoreError
from storno.storage.migrate import init

from ..crashes.narrow import fill, limit_files, obedient, read_only, small_disk
from .books import RECORDS, faults, write_input
from .driver import Tally
from .process import ROOT, Victim, await_end
from .servers import RestartingServer, sqlite_store
from .victim import EFFORT

RUN = "r0"
FREE_BYTES = 300_000
"""At most so many are left when a disk gets full: a tenth of what the run still needs."""

SQLITE_KILOBYTES = 20_000
POSTGRESQL_KILOBYTES = 60_000


@dataclass(frozen=True)
class Ailment:
    """A store that a run can write to, until it is struck.

    Attributes:
        folder: where the input is.
        strike: lets the run fail; gives its exit code, and what it said.
        mend: undoes that.
        says: what the database calls it.
        next_steps: what the message tells to do, one or the other.
    """

    folder: Path
    url: str
    strike: Callable[[Victim], tuple[int, str]]
    mend: Callable[[], None]
    says: str
    next_steps: tuple[str, ...] = ("mend the cause",)


Cause = Callable[[Random], AbstractContextManager[Ailment]]


def trials(server: RestartingServer | None, random: Random, times: int, tally: Tally) -> None:
    """A full disk and a store that is read-only, so often each; on SQLite without a server."""
    full: Cause = full_sqlite if server is None else partial(full_postgresql, server)
    unwritable: Cause = read_only_sqlite if server is None else partial(read_only_server, server)
    for _ in range(times):
        tally.problems += suffer(full, random)
        tally.full_disks += 1
        tally.problems += suffer(unwritable, random)
        tally.read_only += 1


def suffer(cause: Cause, random: Random) -> list[str]:
    """A run that meets the cause at some moment; everything that was wrong about it."""
    with cause(random) as ailment:
        given = write_input(ailment.folder, RUN, RECORDS, random)
        init(ailment.url)
        victim = Victim(ailment.url, ailment.folder, RUN, EFFORT)
        victim.reach(random.randrange(RECORDS // 3))
        found = _failure(*ailment.strike(victim), ailment)
        ailment.mend()
        found += faults(ailment.url, RUN, given, victim.read, completed=False)
        code, complaint = Victim(ailment.url, ailment.folder, RUN).finish()
        if code != 0:
            found.append(f"the cause is mended, but a resume ends with {code}: {complaint}")
        found += faults(ailment.url, RUN, given, victim.read, completed=code == 0)
        return [f"{ailment.says}: {each}" for each in found]


def _failure(code: int, complaint: str, ailment: Ailment) -> list[str]:
    """What is wrong about how the run failed."""
    found = [] if code == 1 else [f"the run ended with {code}"]
    missing = [each for each in (f"{StoreError.__name__}: ", ailment.says) if each not in complaint]
    if not any(each in complaint for each in ailment.next_steps):
        missing.append(ailment.next_steps[0])
    return [*found, *([f"it does not say {missing}, but: {complaint}"] if missing else [])]


@contextmanager
def full_sqlite(random: Random) -> Iterator[Ailment]:
    """A small disk; without the right to mount one, a run whose files may not grow any more."""
    with _disk(SQLITE_KILOBYTES) as disk, _folder() as folder:
        if disk is None:
            yield _limited(folder, random)
        else:
            yield _full(disk, sqlite_store(disk), random, "database or disk is full")


@contextmanager
def _disk(kilobytes: int) -> Iterator[Path | None]:
    """A disk of this size; None where this user may not mount one."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(small_disk(kilobytes))
        except PermissionError:
            disk = None
        yield disk


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="storno-torture-") as folder:
        yield Path(folder)


def _full(disk: Path, url: str, random: Random, says: str) -> Ailment:
    def strike(victim: Victim) -> tuple[int, str]:
        fill(disk, leave=random.randrange(FREE_BYTES))
        return victim.finish()

    return Ailment(disk, url, strike, (disk / "filler").unlink, says)


def _limited(folder: Path, random: Random) -> Ailment:
    def strike(victim: Victim) -> tuple[int, str]:
        log = folder / "storno.db-wal"
        most_bytes = log.stat().st_size + random.randrange(FREE_BYTES)
        for pid in (victim.pid, *(child.pid for child in victim.children())):
            limit_files(pid, most_bytes)
        return victim.finish()

    return Ailment(folder, sqlite_store(folder), strike, lambda: None, "disk I/O error")


@contextmanager
def read_only_sqlite(random: Random) -> Iterator[Ailment]:
    """Files that may be read alone; by whoever resumes a run that was killed, for a process that
    has them open may write on."""
    del random
    with _folder() as folder:
        url = sqlite_store(folder)
        command = [sys.executable, "-m", "tests.torture.victim", url, str(folder), RUN]

        def strike(victim: Victim) -> tuple[int, str]:
            children = victim.children()
            victim.kill()
            await_end(children)
            with read_only(folder):
                ran = subprocess.run(obedient(command), cwd=ROOT, capture_output=True, text=True)
            return ran.returncode, ran.stderr

        says = "attempt to write a readonly database"
        # The second where it cannot even be opened: what was killed has left a log to go through.
        next_steps = ("mend the cause", "that this user may write it")
        yield Ailment(folder, url, strike, lambda: None, says, next_steps)


@contextmanager
def full_postgresql(server: RestartingServer, random: Random) -> Iterator[Ailment]:
    """A database on a small disk; without the right to mount one, a server that says it is full."""
    says = "No space left on device"
    with _disk(POSTGRESQL_KILOBYTES) as disk, _folder() as folder:
        if disk is None:
            yield _refusing(server, folder, says)
        else:
            with server.store_on(disk) as url:
                yield _full(disk, url, random, says)


def _refusing(server: RestartingServer, folder: Path, says: str) -> Ailment:
    url = server.new_store(folder)

    def strike(victim: Victim) -> tuple[int, str]:
        server.refuse(url, says, "disk_full")
        return victim.finish()

    return Ailment(folder, url, strike, lambda: server.accept(url), says)


@contextmanager
def read_only_server(server: RestartingServer, random: Random) -> Iterator[Ailment]:
    """A server that lets nobody write, as one that only stands by does."""
    del random
    with _folder() as folder:

        def strike(victim: Victim) -> tuple[int, str]:
            server.let_write(False)
            return victim.finish()

        url = server.new_store(folder)
        says = "in a read-only transaction"
        yield Ailment(folder, url, strike, lambda: server.let_write(True), says)
