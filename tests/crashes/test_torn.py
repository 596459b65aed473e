"""A WAL that is torn, truncated or damaged: the store opens at the end of some commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from storno.storage.log import Commit
from storno.storage.store import Store

from ..scenarios.lab import Lab
from .mishaps import Mishap
from .project import Project

COPIES = 12
LAST_COMMIT = 5


@pytest.fixture
def killed(on_sqlite: Project) -> Project:
    """A project whose run was killed after its last commit: all of it is in the WAL."""
    on_sqlite.lab.close()
    on_sqlite.run(code=None, mishap=Mishap(at="committed", nth=LAST_COMMIT))
    assert (on_sqlite.folder / "storno.db-wal").stat().st_size > 100_000
    return on_sqlite


def truncate(wal: bytearray, at: int) -> None:
    del wal[at:]


def damage(wal: bytearray, at: int) -> None:
    wal[at] ^= 0x55


def overwrite(wal: bytearray, at: int) -> None:
    """As a page that was never written."""
    wal[at : at + 4096] = bytes(len(wal[at : at + 4096]))


@pytest.mark.parametrize("tear", [truncate, damage, overwrite], ids=lambda each: each.__name__)
def test_a_torn_wal_opens_at_the_end_of_a_commit(
    killed: Project, tmp_path: Path, tear: Callable[[bytearray, int], None]
) -> None:
    """Scenario 21: at random bytes; the log is the beginning of what it was, the views agree."""
    random = Random(tear.__name__)
    whole = (killed.folder / "storno.db-wal").read_bytes()
    seen = set()
    all_commits = commits_of(copy(killed, tmp_path / "whole", whole))
    assert len(all_commits) == LAST_COMMIT
    for number in range(COPIES):
        wal = bytearray(whole)
        tear(wal, random.randrange(len(wal)))
        found = commits_of(copy(killed, tmp_path / f"{number}", bytes(wal)))
        assert found == all_commits[: len(found)]
        seen.add(len(found))
    assert len(seen) > 1


def copy(killed: Project, folder: Path, wal: bytes) -> Path:
    """The store with another WAL; the file of its index does not outlive a loss of power."""
    folder.mkdir()
    shutil.copy(killed.folder / "storno.db", folder / "storno.db")
    (folder / "storno.db-wal").write_bytes(wal)
    return folder


def commits_of(folder: Path) -> list[Commit]:
    """The commits of a store, which has to be sound."""
    lab = Lab(f"sqlite:///{folder / 'storno.db'}", is_new=False)
    lab.check()
    commits = lab.store.log.commits()
    lab.close()
    return commits


def test_a_run_goes_on_from_a_torn_wal(killed: Project, tmp_path: Path) -> None:
    """Scenario 21: what was lost is done again, once."""
    whole = (killed.folder / "storno.db-wal").read_bytes()
    folder = copy(killed, tmp_path / "torn", whole[: len(whole) // 2])
    lab = Lab(f"sqlite:///{folder / 'storno.db'}", is_new=False)
    before = len(lab.posted())

    killed.storno()("resume", "last", "--store", lab.url)

    assert before < len(lab.posted()) == 35
    lab.check()
    lab.close()


def test_a_loss_of_power_loses_no_commit(killed: Project) -> None:
    """Scenario 21: each commit is on the disk before it is acknowledged."""
    store = Store.open(killed.url)
    with store.engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "journal_mode")
        ]
    store.close()
    assert settings == [2, "wal"]  # 2: FULL
