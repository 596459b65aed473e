"""Parquet files: values as they are, and every change of them found."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storno.domain.errors import InputChangedError, SourceError
from storno.execution.sources import Difference, parquet

from .reading import read_all

ROWS = [
    {
        "id": number,
        "amount": Decimal(number).quantize(Decimal("0.01")) if number % 5 else None,
        "day": dt.date(2020, 1, 1) + dt.timedelta(days=number),
        "tags": [str(number), "x"],
    }
    for number in range(100)
]


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of one input, the second of them empty, in groups of 16 rows."""
    write(tmp_path / "1.parquet", ROWS[:70], row_group_size=16)
    empty = pa.Table.from_pylist(ROWS[:1]).slice(0, 0)
    pq.write_table(empty, tmp_path / "2.parquet")
    turned = [dict(reversed(row.items())) for row in ROWS[70:]]
    write(tmp_path / "3.parquet", turned, row_group_size=16)
    return tmp_path


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("size", [7, 16, 70, 100, 1000])
def test_rows(folder: Path, size: int, reopen: bool) -> None:
    source = parquet("*.parquet").bind({}, base=folder, required=["id", "amount"])

    read = read_all(source, [size], reopen=reopen)

    assert read.rows == ROWS
    assert read.locations[69] == "1.parquet row 70"
    assert read.locations[70:72] == ["3.parquet row 1", "3.parquet row 2"]
    with source.open() as reader:
        assert (reader.size, reader.position) == (100, 0)
        assert reader.columns == ("id", "amount", "day", "tags")
        reader.read(80)
        assert reader.position == 80
        assert reader.difference(reversed(read.ranges)) is None
        assert reader.read(1).rows == ROWS[80:81]


def test_aliases_and_required_fields(folder: Path) -> None:
    source = parquet("1.parquet", aliases={"id": "key"}).bind({}, base=folder)

    assert read_all(source).rows[1]["key"] == 1
    with pytest.raises(SourceError, match=r"1\.parquet has no column 'id'"):
        source.bind({}, base=folder, required=["id"]).open()


def test_changed_values_are_found(folder: Path) -> None:
    source = parquet("*.parquet").bind({}, base=folder)
    ranges = read_all(source, [30]).ranges

    def difference() -> Difference | None:
        with source.open() as reader:
            return reader.difference(ranges)

    changed = [dict(row) for row in ROWS]
    write(folder / "1.parquet", changed[:70], row_group_size=50, compression="zstd")
    assert difference() is None  # written differently, but the same values

    changed[45]["amount"] = Decimal("0.01")
    write(folder / "1.parquet", changed[:70])
    assert difference() == Difference("1.parquet, from row 31", "the rows are not the same")

    write(folder / "1.parquet", ROWS[:60])
    assert difference() == Difference("1.parquet, from row 61", "the rows are not the same")

    write(folder / "1.parquet", ROWS[:50])
    assert difference() == Difference("1.parquet, from row 31", "the rows are not the same")
    with source.open() as reader:
        assert reader.difference(ranges[2:]) == Difference(
            "1.parquet", "1.parquet has only 50 rows"
        )

    write(folder / "1.parquet", ROWS[:70])
    (folder / "1.parquet").unlink()
    assert difference() == Difference("1.parquet", "the file is no longer among the input")


@pytest.mark.parametrize(("name", "rows"), [("1.parquet", ROWS[:70]), ("3.parquet", ROWS[70:])])
def test_a_renamed_column_is_found(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    source = parquet("*.parquet").bind({}, base=folder)
    write(folder / name, rows)
    ranges = read_all(source, [100]).ranges

    write(folder / name, [{"number": row["id"], **row} for row in map(dict, rows)])
    table = pq.read_table(folder / name).drop_columns("id")
    pq.write_table(table, folder / name)

    with source.open() as reader:
        assert reader.difference(ranges) == Difference(
            "1.parquet, from row 1", "the rows are not the same"
        )


@pytest.mark.parametrize("reopen", [False, True])
def test_row_groups_longer_than_what_is_read_at_once(tmp_path: Path, reopen: bool) -> None:
    rows = [{"id": number} for number in range(10_000)]
    write(tmp_path / "in.parquet", rows)
    source = parquet(tmp_path / "in.parquet")

    read = read_all(source, [4500], reopen=reopen)

    assert read.rows == rows
    with source.open() as reader:
        assert reader.difference(read.ranges[1:]) is None


def test_a_read_that_failed_starts_over(folder: Path) -> None:
    source = parquet("*.parquet").bind({}, base=folder, required=["id"])
    with source.open() as reader:
        first = reader.read(60)
        write(folder / "3.parquet", [{"number": row["id"]} for row in ROWS[70:]])
        for _ in range(2):
            with pytest.raises(SourceError, match=r"3\.parquet has no column 'id'"):
                reader.read(40)
        write(folder / "3.parquet", ROWS[70:])
        rest = reader.read(40)

    assert first.rows + rest.rows == ROWS


def test_growth_behind_what_was_read(folder: Path) -> None:
    source = parquet("*.parquet").bind({}, base=folder)
    ranges = read_all(source, [30]).ranges

    write(folder / "4.parquet", ROWS[:3])

    with source.open(ranges[-1].next) as reader:
        assert reader.difference(ranges) is None
        assert reader.read(5).rows == ROWS[:3]


def test_reading_goes_on_only_where_it_can(folder: Path) -> None:
    source = parquet("1.parquet").bind({}, base=folder)

    with pytest.raises(InputChangedError, match="is shorter than it was: it has 70 rows"):
        source.open({"path": "1.parquet", "row": 71})
    with source.open({"path": "1.parquet", "row": 70}) as reader:
        assert reader.read(1).rows == []


@pytest.mark.parametrize("damage", ["no parquet", "cut off", "overwritten"])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "in.parquet"
    write(path, ROWS * 20, use_dictionary=False)
    stored = path.read_bytes()
    path.write_bytes(
        {
            "no parquet": b"a,b\n1,2\n",
            "cut off": stored[:-100],
            "overwritten": stored[:10] + bytes(3000) + stored[3010:],
        }[damage]
    )

    with pytest.raises(SourceError, match=r"in.parquet cannot be read as Parquet: "):
        read_all(parquet(path))


def test_fsspec_urls() -> None:
    import fsspec

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), buffer)
    fsspec.filesystem("memory").pipe("/parquet/in.parquet", buffer.getvalue())

    assert read_all(parquet("memory://parquet/*.parquet"), [33]).rows == ROWS


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"in\.parquet does not exist"):
        parquet(tmp_path / "in.parquet").open()


def test_describe(folder: Path) -> None:
    source = parquet("2.parquet").bind({}, base=folder)
    size = (folder / "2.parquet").stat().st_size

    assert source.strength == "strong"
    assert source.describe() == {
        "kind": "parquet",
        "files": [{"path": "2.parquet", "bytes": size}],
    }
