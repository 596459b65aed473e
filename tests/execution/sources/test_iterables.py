"""Records from Python objects."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest

from storno.domain.errors import DefinitionError
from storno.execution.sources import Malformed, iterable

from .reading import read_all

RECORDS = [{"n": number} for number in range(7)]


@pytest.mark.parametrize("reopen", [False, True])
@pytest.mark.parametrize("size", [1, 3, 7, 10])
def test_a_sequence(size: int, reopen: bool) -> None:
    source = iterable(RECORDS).bind({"month": 1})

    read = read_all(source, [size], reopen=reopen)

    assert read.rows == RECORDS
    assert read.locations == [f"record {number}" for number in range(1, 8)]
    assert source.describe() == {"kind": "iterable", "records": 7}
    assert source.strength == "none"
    with source.open({"index": 5}) as reader:
        assert (reader.size, reader.position, reader.difference(read.ranges)) == (7, 5, None)


def test_a_function_from_an_offset() -> None:
    offsets: list[int] = []

    def records(offset: int) -> Iterator[dict[str, int]]:
        offsets.append(offset)
        return ({"n": number} for number in range(offset, 7))

    source = iterable(records)

    assert read_all(source, [3]).rows == RECORDS
    assert read_all(source, [3], reopen=True).rows == RECORDS
    assert offsets == [0, 0, 3, 6]
    assert source.describe() == {"kind": "iterable"}
    with source.open() as reader:
        assert reader.size is None


def test_an_iterator_that_raised_is_asked_anew() -> None:
    faults = [ConnectionError("the line is down"), None]

    def records(offset: int) -> Iterator[dict[str, int]]:
        for number in range(offset, 7):
            if number == 5 and (fault := faults.pop(0)):
                raise fault
            yield {"n": number}

    with iterable(records).open() as reader:
        assert reader.read(2).rows == RECORDS[:2]
        with pytest.raises(ConnectionError):
            reader.read(4)
        faults.append(None)
        assert reader.read(4).rows == RECORDS[2:6]
        assert reader.read(4).rows == RECORDS[6:]


def test_what_is_no_mapping_is_malformed() -> None:
    rows: list[Any] = [MappingProxyType({"n": 1}), (1, 2)]

    assert read_all(iterable(rows)).rows == [
        {"n": 1},
        Malformed("It is a tuple, not a mapping of fields to values.", {"text": "(1, 2)"}),
    ]


@pytest.mark.parametrize("records", [iter(RECORDS), "text", b"bytes", 5])
def test_what_cannot_start_at_an_offset(records: Any) -> None:
    with pytest.raises(DefinitionError, match="a sequence, or a function from an offset"):
        iterable(records)


def test_no_records() -> None:
    assert read_all(iterable([])).rows == []
