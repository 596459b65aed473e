"""Input that changed after it was read is found, and named. Origin: scenario 23."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from storno.execution.sources import Difference, csv_source
from storno.execution.sources.verify import WORTH_A_THREAD

from .reading import Read, read_all

FIRST = b"a,b\n" + b"".join(b"%03d,x\n" % number for number in range(100))
SECOND = b"a,b\n" + b"".join(b"%03d,y\n" % number for number in range(50))


def plain(content: bytes) -> bytes:
    return content


@pytest.fixture(params=[plain, gzip.compress], ids=["plain", "gzip"])
def stored(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    store: Callable[[bytes], bytes] = request.param
    return store


class Input:
    """Two files that were read in chunks of 40 records."""

    def __init__(self, folder: Path, stored: Callable[[bytes], bytes]) -> None:
        self.suffix = ".csv.gz" if stored is gzip.compress else ".csv"
        self.stored = stored
        self.folder = folder
        self.write("1", FIRST)
        self.write("2", SECOND)
        self.read: Read = read_all(self.source, [40])

    @property
    def source(self):
        return csv_source(f"*{self.suffix}").bind({}, base=self.folder)

    def write(self, name: str, content: bytes) -> None:
        (self.folder / f"{name}{self.suffix}").write_bytes(self.stored(content))

    def difference(self, chunks: slice = slice(None)) -> Difference | None:
        with self.source.open() as reader:
            first = reader.read(3)
            found = reader.difference(self.read.ranges[chunks])
            assert reader.read(1).rows != first.rows[:1]  # reading stands where it stood
            return found


@pytest.fixture
def files(tmp_path: Path, stored: Callable[[bytes], bytes]) -> Input:
    return Input(tmp_path, stored)


def test_unchanged(files: Input) -> None:
    assert len(files.read.ranges) == 4
    assert files.difference() is None
    assert files.difference(slice(0)) is None


def test_order_and_gaps_do_not_matter(files: Input) -> None:
    files.read.ranges.reverse()

    assert files.difference() is None
    assert files.difference(slice(None, None, 2)) is None


@pytest.mark.parametrize(
    ("byte", "where"),
    [
        (0, "1{0}, bytes 0 to 244"),
        (243, "1{0}, bytes 0 to 244"),
        (244, "1{0}, bytes 244 to 484"),
        (484, "1{0}, byte 484, to 2{0}, byte 124"),
        (603, "1{0}, byte 484, to 2{0}, byte 124"),
    ],
)
def test_a_changed_byte(files: Input, byte: int, where: str) -> None:
    changed = bytearray(FIRST)
    changed[byte] ^= 1
    files.write("1", bytes(changed))

    assert files.difference() == Difference(
        where.format(files.suffix), "the bytes are not the same"
    )


def test_the_first_of_several_differences_is_named(files: Input) -> None:
    files.write("1", FIRST.replace(b"050,x", b"050,z"))
    files.write("2", SECOND.replace(b"049,y", b"049,z"))

    found = files.difference()

    assert found is not None
    assert found.location == f"1{files.suffix}, bytes 244 to 484"


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ((b"999,x", b"999,y"), None),
        ((b"002,x", b"040,y"), "1{0}, bytes 16 to 22"),
        ((b"999,x", b"040,y"), "2{0}, bytes 244 to 250"),
    ],
)
def test_many_ranges_are_shared_out(
    files: Input, changed: tuple[bytes, bytes], where: str | None
) -> None:
    files.read = read_all(files.source, [1])
    files.write("1", FIRST.replace(changed[0], b"ooo,z"))
    files.write("2", SECOND.replace(changed[1], b"ooo,z"))

    found = files.difference()

    assert len(files.read.ranges) > 2 * WORTH_A_THREAD
    assert (found and found.location) == (where and where.format(files.suffix))


def test_a_file_cut_off(files: Input) -> None:
    files.write("2", SECOND[:200])

    suffix = files.suffix
    assert files.difference() == Difference(
        f"2{suffix}, bytes 124 to 304", f"2{suffix} ends at byte 200"
    )


def test_growth_behind_what_was_read(files: Input) -> None:
    files.write("2", SECOND + b"050,y\n")
    assert files.difference() is None

    files.write("1", FIRST + b"100,x\n")  # not the last file: these records were passed by
    assert files.difference() is not None
    assert files.difference(slice(2)) is None


def test_a_file_put_between(files: Input) -> None:
    files.write("1b", b"a,b\n5,6\n")

    suffix = files.suffix
    assert files.difference() == Difference(
        f"1{suffix}, byte 484, to 2{suffix}, byte 124", "the bytes are not the same"
    )


def test_a_file_put_before(files: Input) -> None:
    files.write("0", b"a,b\n5,6\n7,8\n9,10\n11,12\n")

    assert files.difference() is not None


def test_a_file_taken_away(files: Input) -> None:
    (files.folder / f"2{files.suffix}").unlink()

    assert files.difference() == Difference(
        f"2{files.suffix}", "the file is no longer among the input"
    )
