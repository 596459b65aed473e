"""Offsets are JSON, and belong to the kind of source that made them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from storno.domain.errors import InputChangedError
from storno.execution.sources import Source, csv_source, iterable, json_lines, parquet, sql_query

KINDS = ["csv", "json-lines", "parquet", "sql", "iterable"]


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Source]:
    """Three records in each kind of source."""
    rows = [{"id": number} for number in (1, 2, 3)]
    (tmp_path / "in.csv").write_text("id\n1\n2\n3\n")
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'in.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1), (2), (3)")
    engine.dispose()
    given: Sequence[Source] = [
        csv_source("in.csv"),
        json_lines("in.jsonl"),
        parquet("in.parquet"),
        sql_query("sqlite:///in.db", "SELECT id FROM t", key="id"),
        iterable(rows),
    ]
    return dict(zip(KINDS, (source.bind({}, base=tmp_path) for source in given), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_survive_json(sources: dict[str, Source], kind: str) -> None:
    with sources[kind].open() as reader:
        offset = json.loads(json.dumps(reader.read(1).next_offset))

    with sources[kind].open(offset) as reader:
        rest = reader.read(5)

    assert [int(row["id"]) for row in rest.rows] == [2, 3]
    assert json.loads(json.dumps(sources[kind].describe())) == sources[kind].describe()
    assert sources[kind].describe()["kind"] == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_an_offset_of_another_kind_is_refused(
    sources: dict[str, Source], kind: str, other: str
) -> None:
    if kind == other:
        return
    with sources[kind].open() as reader:
        offset = reader.read(1).next_offset

    with pytest.raises(
        InputChangedError, match=r"another kind of source|no longer among the input"
    ):
        sources[other].open(offset)
