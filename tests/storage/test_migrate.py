"""Making a store, its schema's version, and what a kill in the middle leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storno.domain.errors import ConflictError, SchemaVersionError, StoreError, StoreMissingError
from storno.storage import migrate, migrations, schema
from storno.storage.engine import create_engine, store_path, writer
from storno.storage.log import EventLog
from storno.storage.migrate import REVISION, VERSION_TABLE, check, init, store_id

from .helpers import append, event, finish, start
from .suites import DATABASES


@pytest.fixture
def place(store_url: str) -> Iterator[sa.Engine]:
    """An engine on a place without a store."""
    engine = create_engine(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(place: sa.Engine) -> sa.Engine:
    """An engine on a store that was made, and not copied."""
    init(place.url)
    return place


def described(url: str) -> tuple[str, dict[str, list[str]]]:
    """The store's id, and its tables with their columns and triggers."""
    engine = create_engine(url)
    check(engine)
    seen = sa.inspect(engine)
    tables = {
        table: sorted(repr(column) for column in seen.get_columns(table))
        for table in seen.get_table_names()
    }
    triggers = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger",
    }[engine.dialect.name]
    with engine.connect() as connection:
        tables["triggers"] = sorted(connection.exec_driver_sql(triggers).scalars())
    identity = store_id(engine)
    engine.dispose()
    return identity, tables


@pytest.mark.parametrize("database", DATABASES)
def test_the_stores_that_tests_get_are_as_one_that_was_made(
    new_database: Callable[[str], str], new_store: Callable[[str], str], database: str
) -> None:
    url = new_database(database)
    init(url)
    made, tables = described(url)
    copies = [described(new_store(database)) for _ in range(2)]

    assert [copied for _, copied in copies] == [tables] * 2
    assert len({made, *(identity for identity, _ in copies)}) == 3


def set_revision(engine: sa.Engine, revision: str) -> None:
    with writer(engine).begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")


def test_a_new_store_has_an_id_for_good(engine: sa.Engine) -> None:
    identity = store_id(engine)
    assert re.fullmatch("[0-9a-f]{32}", identity)
    assert migrate.migrate(engine.url) == (REVISION, REVISION)
    assert store_id(engine) == identity
    check(engine)


def test_making_a_store_twice_is_refused_and_changes_nothing(engine: sa.Engine) -> None:
    append(EventLog(engine), [event("a")])
    identity = store_id(engine)
    with pytest.raises(ConflictError, match="There is a store at"):
        init(engine.url)
    assert store_id(engine) == identity
    assert len(EventLog(engine).read_log()) == 1


def test_without_a_store_the_way_to_one_is_named(place: sa.Engine) -> None:
    with pytest.raises(StoreMissingError, match="storno db init"):
        check(place)
    with pytest.raises(StoreMissingError, match="storno db init"):
        migrate.migrate(place.url)
    path = store_path(place)
    assert path is None or not Path(path).exists()


def test_a_database_of_others_is_no_store_until_made_one(place: sa.Engine) -> None:
    path = store_path(place)
    if path is not None:
        Path(path).touch()
    with writer(place).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x INTEGER)")
        connection.exec_driver_sql("INSERT INTO theirs VALUES (7)")
    with pytest.raises(StoreMissingError, match="storno db init"):
        check(place)
    init(place.url)
    check(place)
    with place.connect() as connection:
        assert connection.exec_driver_sql("SELECT x FROM theirs").scalar_one() == 7


def test_an_older_schema_asks_for_migration(engine: sa.Engine) -> None:
    set_revision(engine, "0000")
    with pytest.raises(SchemaVersionError, match="storno db migrate"):
        check(engine)


def test_a_newer_schema_asks_for_a_newer_storno(engine: sa.Engine) -> None:
    set_revision(engine, "9999")
    with pytest.raises(SchemaVersionError, match="Upgrade storno"):
        check(engine)
    with pytest.raises(SchemaVersionError, match="Upgrade storno"):
        migrate.migrate(engine.url)


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    file.write_text("key,amount\n" * 1000)
    url = f"sqlite:///{file}"
    for act in (lambda: check(create_engine(url)), lambda: init(url)):
        with pytest.raises(StoreError, match=r"payments\.csv cannot be used"):
            act()
    assert file.read_text() == "key,amount\n" * 1000


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Name a place"):
        init(f"sqlite:///{tmp_path}/file/storno.db")


def test_a_server_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="that the database runs"):
        check(create_engine(f"postgresql:///store?host={tmp_path}"))


def test_killed_at_any_statement_a_rerun_completes_it(store_url: str) -> None:
    """Scenario 16: kill -9 while migrations run."""
    (killed,) = finish([start("process_dies_in_init.py", store_url)])
    assert int(killed) > 5
    engine = create_engine(store_url)
    check(engine)
    append(EventLog(engine), [event("a")])
    engine.dispose()


def test_the_last_migration_is_the_version_that_is_checked() -> None:
    config = Config()
    config.set_main_option("script_location", migrations.__path__[0])
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == REVISION
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)


def test_migrations_make_what_the_code_works_on(engine: sa.Engine) -> None:
    wanted = sa.MetaData()
    for metadata in (schema.STORE, schema.log_tables().events.metadata):
        for table in metadata.tables.values():
            table.to_metadata(wanted)
    with engine.connect() as connection:
        ours = {*wanted.tables, VERSION_TABLE}
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in ours,
            },
        )
        assert compare_metadata(context, wanted) == []


def test_migrations_guard_the_log_as_the_code_does(engine: sa.Engine) -> None:
    """A log made by code, for another application, has the same guards as the store's own."""
    other = schema.log_tables("other")
    with writer(engine).begin() as connection:
        schema.create_log(connection, other)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            select = "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
        else:
            select = "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
        guards = {re.sub(r"\s+", " ", text) for (text,) in connection.exec_driver_sql(select)}
    own = {guard for guard in guards if "other_" not in guard}
    assert own
    assert {guard.replace("other_", "") for guard in guards - own} == own
