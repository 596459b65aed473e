"""Connections: which databases, with which settings, and who may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from storno.domain.errors import StoreMissingError, UnsoundSQLiteError, UsageError
from storno.storage import migrate, sqlite_engine
from storno.storage.engine import create_engine, filler, store_path, writer
from storno.storage.log import EventLog

from .helpers import append, event


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 6, 23), True),
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_sqlite_with_the_wal_reset_race_is_unsound(version: tuple[int, ...], sound: bool) -> None:
    assert sqlite_engine.is_sound(version) is sound


def test_the_sqlite_in_use_is_sound() -> None:
    assert sqlite_engine.is_sound(sqlite_engine.library().sqlite_version_info)


def test_an_unsound_sqlite_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sqlite_engine.library()
    monkeypatch.setattr(module, "sqlite_version_info", (3, 40, 1))
    url = f"sqlite:///{tmp_path / 'storno.db'}"
    with pytest.raises(UnsoundSQLiteError, match="pysqlite3"):
        create_engine(url)
    monkeypatch.setenv(sqlite_engine.ALLOW_UNSOUND, "1")
    create_engine(url)


@pytest.mark.parametrize("url", ["", "storno.db", "sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_what_can_be_no_store_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        create_engine(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_is_reached_by_psycopg_3(scheme: str) -> None:
    assert create_engine(f"{scheme}://u@host/db").dialect.driver == "psycopg"


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'mistyped.db'}")
    with pytest.raises(StoreMissingError, match=r"mistyped\.db.*storno db init"):
        engine.connect()
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_stays_where_it_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_engine("sqlite:///here.db")
    monkeypatch.chdir("/")
    assert store_path(engine) == str(tmp_path / "here.db")


def test_paths_may_hold_any_character(tmp_path: Path) -> None:
    file = tmp_path / "a ?b#c%20d&e=ü.db"
    url = sa.URL.create("sqlite", database=str(file))
    migrate.init(url)
    engine = create_engine(url)
    append(EventLog(engine), [event("a")])
    engine.dispose()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_every_sqlite_connection_has_the_settings(sqlite_url: str) -> None:
    migrate.init(sqlite_url)
    engine = create_engine(sqlite_url, lock_timeout_seconds=7)
    settings = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": 7000,
        "wal_autocheckpoint": 16_000,
        "cache_size": -8_192,
    }
    with engine.connect() as first, writer(engine).connect() as second:
        for connection in (first, second):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in settings
            }
            assert found == settings
    engine.dispose()


def test_a_reader_cannot_write_and_a_writer_can(sqlite_url: str) -> None:
    """On the same connection, given back to the pool in between."""
    migrate.init(sqlite_url)
    engine = create_engine(sqlite_url)
    insert = "INSERT INTO store_meta VALUES ('a', 'b')"
    for _ in range(2):
        with engine.begin() as reader, pytest.raises(OperationalError, match="readonly"):
            reader.exec_driver_sql(insert)
        with writer(engine).connect() as connection:
            connection.exec_driver_sql(insert)
    engine.dispose()


def test_a_filler_waits_for_no_disk_and_a_writer_after_it_does(store_url: str) -> None:
    """On the same connection, given back to the pool in between."""
    migrate.init(store_url)
    engine = create_engine(store_url)
    is_sqlite = engine.dialect.name == "sqlite"
    ask = "PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit"

    def told(kind: Engine) -> object:
        with kind.begin() as connection:
            return connection.exec_driver_sql(ask).scalar_one()

    lasting, later = (2, 1) if is_sqlite else ("on", "off")
    assert [told(kind(engine)) for kind in (writer, filler, filler, writer)] == [
        *(lasting, later, later, lasting)
    ]
    assert told(engine) == lasting
    engine.dispose()


def test_postgresql_reads_committed_and_says_who_it_is(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("transaction_isolation", "client_encoding", "application_name")
        ]
    assert shown[:2] == ["read committed", "UTF8"]
    assert shown[2].startswith(f"storno {os.getpid()}@")
    engine.dispose()
    named = create_engine(f"{postgres_url}&application_name=nightly")
    with named.connect() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "nightly"
    named.dispose()
