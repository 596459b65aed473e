"""Queries read page by page, on each database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storno.domain.errors import DefinitionError, SourceError
from storno.execution.sources import sql_query

from .reading import read_all

TABLE = sa.Table(
    "invoices",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("Name", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("amount", sa.Numeric(12, 2)),
)
ROWS = [
    {
        "id": number * 3_000_000_000 - 7_000_000_000,
        "Name": f"{number:02}%/é",
        "day": date(2020, 1, 30) + timedelta(days=number),
        "month": "2020-01" if number < 7 else "2020-02",
        "amount": Decimal(number) / 4,
    }
    for number in range(10)
]


@pytest.fixture
def database(store_url: str) -> Iterator[sa.Engine]:
    """A database with a table of invoices."""
    engine = sa.create_engine(store_url)
    TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), ROWS)
    yield engine
    engine.dispose()


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("key", ["id", "Name", "day"])
def test_pages_hold_every_row_once(database: sa.Engine, key: str, reopen: bool) -> None:
    source = sql_query(database, "SELECT * FROM invoices -- all of them;", key=key)

    for size in (1, 3, 10, 11):
        read = read_all(source, [size], reopen=reopen)
        assert ids(read.rows) == ids(ROWS)
    assert set(read.rows[0]) == set(ROWS[0])
    assert read.locations[1] == f"the row with {key} = {read.rows[1][key]!r}"
    assert source.strength == "weak"


def test_a_url_a_statement_and_parameters(database: sa.Engine, store_url: str) -> None:
    text = "SELECT id, amount FROM invoices WHERE month = :month AND id > :least AND '%' = '%';"
    by_text = sql_query(store_url, text, key="id", parameters={"least": 0})
    select = sa.select(TABLE.c.id, TABLE.c.amount).where(
        TABLE.c.month == sa.bindparam("month"), TABLE.c.id > 0
    )
    by_select = sql_query(database, select, key="id")

    for source in (by_text, by_select):
        bound = source.bind({"month": "2020-01", "other": 1}, required=["id", "amount"])
        assert ids(read_all(bound, [2], reopen=True).rows) == ids(ROWS[3:7])
        with bound.open() as reader:
            assert reader.columns == ("id", "amount")
            assert (reader.size, reader.position) == (4, 0)
            offset = reader.read(3).next_offset
            assert (reader.size, reader.position) == (4, 3)
        with bound.open(offset) as reader:
            assert (reader.size, reader.position) == (4, 3)


def test_rows_that_come_later_are_read_behind_the_last_key(database: sa.Engine) -> None:
    source = sql_query(database, "SELECT id FROM invoices", key="id")
    with source.open() as reader:
        last = reader.read(10)
        assert last.end
        with database.begin() as connection:
            connection.execute(TABLE.insert(), [{**ROWS[0], "id": 10**12}])
        assert reader.read(10).rows == [{"id": 10**12}]


ERRORS = [
    ("SELECT id FROM nothing", "id", {}, "The query cannot be read: "),
    ("SELECT id FROM invoices", "number", {}, "The query cannot be read: "),
    (
        "SELECT month, amount FROM invoices",
        "month",
        {},
        "Two rows of the query have month = '2020-01'; the key must be unique, or rows would be",
    ),
    (
        "SELECT NULLIF(id, 2000000000) AS id FROM invoices",
        "id",
        {},
        "1 rows of the query have no id (NULL), and cannot be paged by it: leave them out",
    ),
    (
        "SELECT id FROM invoices",
        "id",
        {"required": ["id", "amount"]},
        (
            "The query has no column 'amount'; it has 'id'. Name a column in the query: "
            "`... AS amount`."
        ),
    ),
    ("SELECT CAST(id AS real) AS id FROM invoices", "id", {}, "The key "),
]


@pytest.mark.parametrize(("query", "key", "options", "message"), ERRORS)
def test_queries_that_cannot_be_paged(
    database: sa.Engine, query: str, key: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError) as raised:
        read_all(sql_query(database, query, key=key).bind({}, **options))

    assert str(raised.value).startswith(message)


def test_a_parameter_that_is_missing(sqlite_url: str) -> None:
    source = sql_query(sqlite_url, "SELECT :a AS id, :monht AS b", key="id", parameters={"a": 1})

    with pytest.raises(DefinitionError) as raised:
        source.bind({"month": 1})

    assert str(raised.value) == (
        "The query needs a value for :monht (did you mean 'month'?); give it in parameters=, or "
        "as a parameter of the job. There are: a, month."
    )


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    source = sql_query("sqlite:///in.db", "SELECT 1 AS id", key="id").bind({}, base=tmp_path)

    with pytest.raises(SourceError, match=f"There is no SQLite database at {tmp_path}"):
        source.open()
    assert not list(tmp_path.iterdir())


def test_definitions_that_cannot_work() -> None:
    with pytest.raises(DefinitionError, match="URL cannot be read"):
        sql_query("in.db", "SELECT 1 AS id", key="id")
    with pytest.raises(DefinitionError, match="no column 'number' to page by; it has id, Name"):
        sql_query("sqlite:///in.db", sa.select(TABLE), key="number")
    with pytest.raises(SourceError, match="driver for nosql is missing"):
        sql_query("nosql://host/db", "SELECT 1 AS id", key="id").open()


def test_a_lost_connection_may_pass(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    reader = sql_query(engine, "SELECT * FROM generate_series(1, 9) AS id", key="id").open()
    assert ids(reader.read(4).rows) == [1, 2, 3, 4]
    other = sa.create_engine(postgres_url)
    with other.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    other.dispose()

    with pytest.raises(ConnectionError):
        reader.read(4)
    assert ids(reader.read(4).rows) == [5, 6, 7, 8]
    engine.dispose()


# The time stamps lie in the hour that Berlin's clocks show twice.
KEYS = {
    "date": "DATE '2020-01-01' + n",
    "timestamp": "TIMESTAMP '2020-01-01 12:30:00.123456' + n * INTERVAL '1 hour'",
    "timestamp with time zone": "TIMESTAMPTZ '2020-10-25 00:00Z' + n * INTERVAL '10 minutes'",
    "numeric": "n + 0.5",
    "uuid": "CAST('00000000-0000-0000-0000-00000000000' || n AS uuid)",
    "integer": "CAST(n AS integer)",
    "bigint": "n + 5000000000",
    "text": "'k' || n",
    "enumeration": "CAST(CAST(n AS text) AS digit)",
}


@pytest.mark.parametrize("expression", KEYS.values(), ids=KEYS)
def test_keys_of_every_type(postgres_url: str, expression: str) -> None:
    here = sa.create_engine(postgres_url, connect_args={"options": "-c timezone=Europe/Berlin"})
    there = sa.create_engine(postgres_url, connect_args={"options": "-c timezone=UTC"})
    with here.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE digit AS ENUM ('1', '2', '3', '4', '5')")
    query = f"SELECT {expression} AS id, n FROM generate_series(1, 5) AS n"

    assert numbers(read_all(sql_query(here, query, key="id"), [2], reopen=True).rows) == [
        *range(1, 6)
    ]
    with sql_query(here, query, key="id").open() as reader:
        offset = reader.read(2).next_offset
    with sql_query(there, query, key="id").open(offset) as reader:
        assert numbers(reader.read(9).rows) == [3, 4, 5]
    here.dispose()
    there.dispose()


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["n"] for row in rows]


def test_describe_hides_the_password() -> None:
    source = sql_query(
        "postgresql://me:secret@host/db", "SELECT id FROM t WHERE m = :m", key="id"
    ).bind({"m": date(2020, 1, 1)})

    assert source.describe() == {
        "kind": "sql",
        "database": "postgresql://me:***@host/db",
        "query": "SELECT id FROM t WHERE m = :m",
        "key": "id",
        "parameters": {"m": "2020-01-01"},
    }
