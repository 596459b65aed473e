"""CSV input as a whole: several files, endless lines, reads that fail. Origin: scenario 36."""

from __future__ import annotations

import gzip
import resource
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from storno.domain.errors import SourceError
from storno.execution.sources import Malformed, csv_source

from .reading import read_all


def test_files_with_other_orders_of_columns_are_one_input(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"a,b\n1,2\n3,4")
    (tmp_path / "2.csv").write_bytes(b"")
    (tmp_path / "3.csv").write_bytes(b"\xef\xbb\xbfb,a\n6,5\n\n")
    (tmp_path / "4.csv").write_bytes(b"a,b\n")
    source = csv_source("*.csv").bind({}, base=tmp_path)

    read = read_all(source)

    assert read.rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    assert read.locations == ["1.csv line 2", "1.csv line 3", "3.csv line 2"]
    for size in (1, 2, 3):
        assert read_all(source, [size], reopen=True).rows == read.rows
    with source.open() as reader:
        assert reader.columns == ("a", "b")
        assert reader.size == sum(path.stat().st_size for path in tmp_path.iterdir())
        positions = [reader.position, *(reader.read(1) and reader.position for _ in range(3))]
    assert positions == [4, 8, 11 + 3 + 4, reader.size]


def test_files_without_headers_but_with_marks(tmp_path: Path) -> None:
    for name, content in (("1.csv", b"1\n2\n"), ("2.csv", b"3\n4\n")):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content)
    source = csv_source("*.csv", columns=["a"]).bind({}, base=tmp_path)

    for size in (1, 2, 3):
        read = read_all(source, [size], reopen=True)
        assert [row["a"] for row in read.rows] == ["1", "2", "3", "4"]
        with source.open() as reader:
            assert reader.difference(read.ranges) is None


def test_a_field_may_be_as_long_as_a_record(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\n1,"' + "x" * 500_000 + '"\n')

    assert [len(row["b"]) for row in read_all(csv_source(tmp_path / "in.csv")).rows] == [500_000]


ENDLESS_LINE = """
import sys, tracemalloc
from storno.execution.sources import csv_source
with csv_source(sys.argv[1]).open() as reader:
    tracemalloc.start()
    batch = reader.read(10)
print([getattr(row, "message", row) for row in batch.rows], batch.digest, batch.end)
assert tracemalloc.get_traced_memory()[1] < 8_000_000
"""


def test_an_endless_line_is_passed_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(200_000_000)  # one line of NULs
    with path.open("ab") as file:
        file.write(b"\n3,4\n")

    done = subprocess.run(
        [sys.executable, "-c", ENDLESS_LINE, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (150_000_000, 150_000_000)),
        check=False,
    )

    assert done.stderr == ""
    assert "The line has 199,999,993 bytes" in done.stdout
    assert done.stdout.startswith("[{'a': '1', 'b': '2'}, ")
    assert "{'a': '3', 'b': '4'}]" in done.stdout
    assert read_all(csv_source(path)).ranges[0].digest in done.stdout


def test_a_read_that_failed_in_the_middle_starts_over(tmp_path: Path) -> None:
    rows = [
        {"n": str(number), "noise": sha256(b"%d" % number).hexdigest()} for number in range(9999)
    ]
    lines = "".join(f"{row['n']},{row['noise']}\n" for row in rows)
    stored = gzip.compress(f"n,noise\n{lines}".encode())
    path = tmp_path / "in.csv.gz"
    path.write_bytes(stored[:-1000])

    with csv_source(path).open() as reader:
        first = reader.read(10)
        for _ in range(2):
            with pytest.raises(SourceError, match="is damaged"):
                reader.read(20_000)
        path.write_bytes(stored)
        rest = reader.read(20_000)

    assert first.rows + rest.rows == rows


def test_a_read_that_failed_starts_over(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"a,b\n1,2\n3,4\n")
    (tmp_path / "2.csv").write_bytes(b"a,a\n")
    source = csv_source(["1.csv", "2.csv"]).bind({}, base=tmp_path)

    with source.open() as reader:
        first = reader.read(1)
        for _ in range(2):
            with pytest.raises(SourceError, match=r"2\.csv: columns 1"):
                reader.read(5)
        (tmp_path / "2.csv").write_bytes(b"b,a\n6,5\n")
        rest = reader.read(5)

    assert first.rows == [{"a": "1", "b": "2"}]
    assert rest.rows == [{"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    assert not any(isinstance(row, Malformed) for row in rest.rows)
