"""Paths, globs, URLs, placeholders and compression."""

from __future__ import annotations

import gzip
import lzma
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import fsspec
import pytest

from storno.domain.errors import DefinitionError, InputChangedError, SourceError
from storno.execution.sources import csv_source

from .reading import read_all

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LINES = b"a,b\n" + b"".join(b"%d,row %d\n" % (number, number * 7) for number in range(1, 3001))
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    # With a checksum, as the zstd command writes it; without one, damage need not show.
    ".zst": lambda data: zstd.compress(
        data, options={zstd.CompressionParameter.checksum_flag: True}
    ),
}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_read_as_they_are(tmp_path: Path, suffix: str) -> None:
    compress = COMPRESS[suffix]
    (tmp_path / "plain.csv").write_bytes(LINES)
    half = len(LINES) // 2
    stored = compress(LINES[:half]) + compress(LINES[half:])  # two members, as `cat` makes them
    (tmp_path / f"in.csv{suffix}").write_bytes(stored)
    source = csv_source(f"in.csv{suffix}").bind({}, base=tmp_path)
    expected = read_all(csv_source(tmp_path / "plain.csv"), [700])

    for reopen in (False, True):
        read = read_all(source, [700], reopen=reopen)
        assert read.rows == expected.rows
        assert [one.digest for one in read.ranges] == [one.digest for one in expected.ranges]
    with source.open() as reader:
        assert reader.difference(read.ranges) is None
        size = len(stored)
        assert reader.size == size
        while not reader.read(700).end:
            assert 0 < reader.position <= size
        assert reader.position == size


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("damage", ["cut off", "overwritten", "not compressed"])
def test_damaged_compressed_files(tmp_path: Path, suffix: str, damage: str) -> None:
    stored = COMPRESS[suffix](LINES)
    stored = {
        "cut off": stored[:-20],
        "overwritten": stored[:50] + bytes(50) + stored[100:],
        "not compressed": LINES,
    }[damage]
    path = tmp_path / f"in.csv{suffix}"
    path.write_bytes(stored)

    with pytest.raises(SourceError, match=r"in.csv.* is damaged, or not compressed as its name"):
        read_all(csv_source(path))


def test_fsspec_urls() -> None:
    system = fsspec.filesystem("memory")
    system.pipe("/in/1.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    system.pipe("/in/2.csv.gz", gzip.compress(b"a,b\n3,4\n"))
    source = csv_source("memory://in/*.csv.gz")

    read = read_all(source, [1], reopen=True)

    assert read.rows == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    assert read.locations == ["memory:///in/1.csv.gz line 2", "memory:///in/2.csv.gz line 2"]
    assert read_all(csv_source("memory://in/2.csv.gz")).rows == [{"a": "3", "b": "4"}]
    with pytest.raises(SourceError, match=r"No file matches 'memory://out/\*'\."):
        csv_source("memory://out/*").open()
    with pytest.raises(SourceError, match=r"memory://in/3.csv does not exist"):
        csv_source("memory://in/3.csv").open()


def test_files_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c/a.csv", "[x].csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"name\n{name}\n")

    def names(*paths: str) -> list[str]:
        rows = read_all(csv_source(paths).bind({}, base=tmp_path)).rows
        return [row["name"] for row in rows]

    assert names("b.csv", "a.csv") == ["b.csv", "a.csv"]
    assert names("[ab].csv") == ["a.csv", "b.csv"]
    assert names("**/*.csv") == ["[x].csv", "a.csv", "b.csv", "c/a.csv"]
    assert names("[x].csv") == ["[x].csv"]
    assert names(str(tmp_path / "?.csv")) == ["a.csv", "b.csv"]


def test_placeholders_stand_for_parameters(tmp_path: Path) -> None:
    for name in ("p-2020-01.csv", "p-2020-02.csv", "p-[*].csv", "{x}.csv"):
        (tmp_path / name).write_text(f"name\n{name}\n")

    def names(path: str, **parameters: object) -> list[str]:
        rows = read_all(csv_source(path).bind(parameters, base=tmp_path)).rows
        return [row["name"] for row in rows]

    assert names("p-{month}.csv", month="2020-02", other=1) == ["p-2020-02.csv"]
    assert names("p-{day:%Y-%m}.csv", day=date(2020, 1, 31)) == ["p-2020-01.csv"]
    assert names("p-{year}-*.csv", year=2020) == ["p-2020-01.csv", "p-2020-02.csv"]
    assert names("?-{name}.csv", name="[*]") == ["p-[*].csv"]
    assert names("{{x}}.csv") == ["{x}.csv"]


PLACEHOLDERS: list[tuple[str, dict[str, object], str]] = [
    (
        "{monht}.csv",
        {"month": 1, "year": 2},
        (
            "'{monht}.csv' needs a parameter 'monht'; the job's are month, year "
            "(did you mean 'month'?)."
        ),
    ),
    ("{month}.csv", {}, "'{month}.csv' needs a parameter 'month'; the job has no parameters."),
    ("{day:%Y}.csv", {"day": 1}, "'{day:%Y}.csv': {day} does not fit: Invalid format specifier"),
]


@pytest.mark.parametrize(("path", "parameters", "message"), PLACEHOLDERS)
def test_placeholders_without_a_parameter(
    path: str, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(DefinitionError) as raised:
        csv_source(path).bind(parameters)

    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("path", ["{.csv", "{}.csv", "{0}.csv", "{a.b}.csv", "{a[0]}.csv"])
def test_braces_that_hold_no_name(path: str) -> None:
    with pytest.raises(DefinitionError, match=r"write \{\{ and \}\} for braces"):
        csv_source(path)


def test_input_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    def message(*paths: str) -> str:
        with pytest.raises(SourceError) as raised:
            csv_source(paths).bind({}, base=tmp_path).open()
        return str(raised.value)

    assert message("in.csv") == f"in.csv does not exist: nothing is at {tmp_path / 'in.csv'}."
    assert message("in-*.csv") == f"No file matches 'in-*.csv' in {tmp_path}."
    assert message("folder") == ("folder is a folder: name the files in it, as in folder/*.csv.")
    (tmp_path / "in.csv").write_text("a\n")
    assert message("in.csv", "*.csv") == (
        "in.csv is among the input twice: let only one of the paths in.csv, *.csv find it."
    )
    with pytest.raises(DefinitionError, match="at least one path"):
        csv_source([])


def test_an_unbound_placeholder_is_named() -> None:
    with pytest.raises(DefinitionError, match="needs a parameter 'month'"):
        csv_source("{month}.csv").open()


def test_errors_that_may_pass_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "in.csv").symlink_to("in.csv")  # ELOOP, for want of a flaky network drive

    with pytest.raises(OSError, match="symbolic links"):
        csv_source(tmp_path / "in.csv").open()


def test_reading_goes_on_only_where_it_can(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"a,b\n1,2\n3,45")
    source = csv_source("in.csv").bind({}, base=tmp_path)
    with source.open() as reader:
        offset = reader.read(2).next_offset

    path.write_bytes(b"a,b\n1,2\n3,45\n6,7\n")
    with source.open(offset) as reader:
        assert reader.read(2).rows == [{"a": "6", "b": "7"}]
    path.write_bytes(b"a,b\n1,2\n3,456\n")
    with pytest.raises(InputChangedError, match=r"line 3 was the last and had no line end"):
        source.open(offset)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(InputChangedError, match=r"in.csv is shorter than it was"):
        source.open(offset)
    path.rename(tmp_path / "2.csv")
    with pytest.raises(InputChangedError, match=r"in.csv, .* is no longer among the input"):
        csv_source("*.csv").bind({}, base=tmp_path).open(offset)


def test_describe_names_files_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n")
    (tmp_path / "b.csv").write_bytes(b"a,b\n1,2\n")

    assert csv_source("?.csv").bind({}, base=tmp_path).describe() == {
        "kind": "csv",
        "files": [{"path": "a.csv", "bytes": 4}, {"path": "b.csv", "bytes": 8}],
    }
