"""Whatever is written as CSV is read back, however it is cut into batches."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from hashlib import sha256
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from storno.execution.sources import Range, csv_source

from .reading import read_all

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(st.one_of(st.sampled_from('",;\r\n \t€é'), CHARACTERS), max_size=6)
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=12))
    return [[f"column {index}" for index in range(width)], *rows]


def written(table: list[list[str]], delimiter: str, newline: str, *, final: bool) -> str:
    # Before Python 3.13 the writer leaves a carriage return bare if it is not in the line's end.
    bare = newline == "\n" and any("\r" in cell for row in table for cell in row)
    quoting = csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
    out = StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting).writerows(table)
    return out.getvalue() if final else out.getvalue().removesuffix(newline)


@settings(deadline=None)  # a busy machine is no fault
@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t| "),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"]),
    sizes=SIZES,
    final=st.booleans(),
)
def test_round_trip(
    table: list[list[str]],
    delimiter: str,
    newline: str,
    encoding: str,
    sizes: list[int],
    final: bool,
) -> None:
    content = written(table, delimiter, newline, final=final).encode(encoding)
    with TemporaryDirectory() as folder:
        path = Path(folder, "in.csv")
        path.write_bytes(content)
        source = csv_source(path, delimiter=delimiter, encoding=encoding)
        expected = [dict(zip(table[0], row, strict=True)) for row in table[1:]]

        assert read_all(source).rows == expected
        for reopen in (False, True):
            read = read_all(source, sizes, reopen=reopen)
            assert read.rows == expected
            assert_covers(read.ranges, content)
            with source.open() as reader:
                assert reader.difference(read.ranges) is None


def assert_covers(ranges: list[Range], content: bytes) -> None:
    """The ranges follow each other from the first byte to the last, and hash what is there."""
    at = 0
    for one in ranges:
        stop = int(one.next["byte"])
        assert one.first.get("byte", 0) == at
        assert one.digest == sha256(content[at:stop]).hexdigest()
        at = stop
    assert at == len(content)


PIECES = [
    b"a",
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\r\n",
    b" ",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"1,2\n",
    b"x" * 30,
]


@settings(deadline=None)  # a busy machine is no fault
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40),
    limit=st.sampled_from([16, 64, 1024]),
    sizes=SIZES,
)
def test_any_bytes_are_read_alike_however_they_are_cut(
    pieces: list[bytes], limit: int, sizes: list[int]
) -> None:
    content = b"a,b\n" + b"".join(pieces)
    with TemporaryDirectory() as folder:
        path = Path(folder, "in.csv")
        path.write_bytes(content)
        source = csv_source(path, max_record_bytes=limit)

        whole = read_all(source)
        for reopen in (False, True):
            cut = read_all(source, sizes, reopen=reopen)
            assert (cut.rows, cut.locations) == (whole.rows, whole.locations)
            assert_covers(cut.ranges, content)


@settings(deadline=None)
@given(
    files=st.lists(
        st.tuples(
            st.sampled_from([b"", b"\xef\xbb\xbf"]),
            st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join),
        ),
        min_size=1,
        max_size=4,
    ),
    header=st.booleans(),
    stored=st.sampled_from([bytes, gzip.compress]),
    sizes=SIZES,
)
def test_any_files_are_read_alike_however_they_are_cut(
    files: list[tuple[bytes, bytes]],
    header: bool,
    stored: Callable[[bytes], bytes],
    sizes: list[int],
) -> None:
    with TemporaryDirectory() as folder:
        suffix = ".csv.gz" if stored is gzip.compress else ".csv"
        for number, (mark, content) in enumerate(files):
            whole = mark + (b"a,b\n" if header else b"") + content
            Path(folder, f"{number}{suffix}").write_bytes(stored(whole))
        columns = None if header else ["a", "b"]
        source = csv_source(f"*{suffix}", columns=columns).bind({}, base=Path(folder))

        expected = read_all(source)
        for reopen in (False, True):
            read = read_all(source, sizes, reopen=reopen)
            assert (read.rows, read.locations) == (expected.rows, expected.locations)
            with source.open() as reader:
                assert reader.difference(read.ranges) is None
