"""The write-ahead log moves into the database file beside the commits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from storno.storage.checkpointing import BYTES, Checkpointer
from storno.storage.engine import create_engine
from storno.storage.log import EventLog
from storno.storage.migrate import init

from .helpers import append, events, until, whole_log


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[sa.Engine]:
    init(sqlite_url)
    engine = create_engine(sqlite_url)
    yield engine
    engine.dispose()


def database_file(engine: sa.Engine) -> Path:
    assert engine.url.database is not None
    return Path(engine.url.database)


def test_what_was_written_is_moved_without_a_commit(sqlite: sa.Engine) -> None:
    log = EventLog(sqlite)
    append(log, events("a", 2000))
    file = database_file(sqlite)
    before = file.stat().st_size
    with Checkpointer(sqlite) as checkpointer:
        checkpointer.wrote(BYTES - 1)
        checkpointer.wrote(1)
        until(lambda: file.stat().st_size > before)
    assert len(whole_log(log)) == 2000


def test_little_is_left_in_the_log(sqlite: sa.Engine) -> None:
    append(EventLog(sqlite), events("a", 2000))
    before = database_file(sqlite).stat().st_size
    with Checkpointer(sqlite) as checkpointer:
        checkpointer.wrote(BYTES - 1)
    assert database_file(sqlite).stat().st_size == before


def test_commits_go_on_meanwhile(engine: sa.Engine) -> None:
    log = EventLog(engine)
    with Checkpointer(engine) as checkpointer:
        for number in range(20):
            append(log, events(f"s{number}", 500))
            checkpointer.wrote(BYTES)
    assert [commit.number for commit in log.commits()] == list(range(1, 21))
    assert [row.position for row in whole_log(log)] == list(range(1, 10_001))
