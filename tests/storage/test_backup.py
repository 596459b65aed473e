"""Backups taken while the store is in use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from storno.domain.errors import (
    CheckFailedError,
    ConflictError,
    NotFoundError,
    StoreError,
    StoreMissingError,
)
from storno.storage.backup import UNFINISHED, backup
from storno.storage.engine import create_engine
from storno.storage.log import EventLog
from storno.storage.migrate import check, init, store_id

from ..servers import Server
from .helpers import append, event, events, start, until, whole_log
from .suites import DATABASES

SERVERS = [database for database in DATABASES if database != "sqlite"]


def test_a_sqlite_backup_is_a_store(sqlite_url: str, tmp_path: Path) -> None:
    init(sqlite_url)
    log = EventLog(create_engine(sqlite_url))
    append(log, events("a", 2000))
    file = tmp_path / "copy with space?#%.db"
    backup(sqlite_url, file)
    append(log, [event("later")])
    copied = create_engine(sa.URL.create("sqlite", database=str(file)))
    check(copied)
    assert store_id(copied) == store_id(log.engine)
    assert whole_log(EventLog(copied)) == whole_log(log)[:-1]
    copied.dispose()
    log.engine.dispose()
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, "storno.db"]


def test_a_backup_beside_a_writer_ends_at_a_commit(sqlite_url: str, tmp_path: Path) -> None:
    init(sqlite_url)
    log = EventLog(create_engine(sqlite_url))
    writing = start("process_appends.py", sqlite_url, "busy", 100_000)
    until(log.head)
    backup(sqlite_url, tmp_path / "copy.db")
    writing.kill()
    writing.communicate()
    copy = EventLog(create_engine(f"sqlite:///{tmp_path / 'copy.db'}"))
    head = copy.head()
    assert head is not None
    assert len(whole_log(copy)) == head.last_position
    copy.engine.dispose()
    log.engine.dispose()


def test_a_backup_overwrites_nothing(sqlite_url: str, tmp_path: Path) -> None:
    init(sqlite_url)
    file = tmp_path / "precious"
    file.write_text("keep me")
    with pytest.raises(ConflictError, match="overwrites nothing"):
        backup(sqlite_url, file)
    assert file.read_text() == "keep me"


def test_a_backup_needs_its_folder(sqlite_url: str, tmp_path: Path) -> None:
    init(sqlite_url)
    with pytest.raises(NotFoundError, match="no folder"):
        backup(sqlite_url, tmp_path / "nowhere" / "copy.db")


def test_what_is_no_store_is_not_backed_up(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        backup(sqlite_url, tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_gives_no_backup(sqlite_url: str, tmp_path: Path) -> None:
    init(sqlite_url)
    log = EventLog(create_engine(sqlite_url))
    append(log, events("a", 5000))
    log.engine.dispose()
    store = tmp_path / "storno.db"
    content = bytearray(store.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(range(256)) * 16
    store.write_bytes(content)
    with pytest.raises(CheckFailedError, match="damaged"):
        backup(sqlite_url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert (tmp_path / f"copy.db{UNFINISHED}").exists()


@pytest.mark.parametrize("database", SERVERS)
def test_a_postgresql_backup_is_restored_by_pg_restore(
    database: str,
    new_database: Callable[[str], str],
    postgresql_servers: dict[str, Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, target = new_database(database), new_database(database)
    programs = postgresql_servers[database].binaries
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    init(url)
    log = EventLog(create_engine(url))
    append(log, events("a", 2000))
    file = tmp_path / "store.dump"
    backup(url, file)
    with create_engine(target).begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public")
    subprocess.run([programs / "pg_restore", f"--dbname={target}", file], check=True)
    restored = EventLog(create_engine(target))
    check(restored.engine)
    assert store_id(restored.engine) == store_id(log.engine)
    assert whole_log(restored) == whole_log(log)
    assert append(restored, [event("later")]).number == 2
    for engine in (restored.engine, log.engine):
        engine.dispose()


def test_without_pg_dump_its_package_is_named(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(postgres_url)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("pg_dump") is None
    with pytest.raises(StoreError, match="postgresql-client"):
        backup(postgres_url, tmp_path / "store.dump")
