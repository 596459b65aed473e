"""JSON Lines, read digit for digit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storno.domain.errors import DefinitionError
from storno.execution.sources import json_lines

from .reading import read_all

RECORDS: dict[str, tuple[bytes, dict[str, Any], list[dict[str, Any]]]] = {
    "plain": (b'{"a":1,"b":"x"}\n{"a":null}\n', {}, [{"a": 1, "b": "x"}, {"a": None}]),
    "empty file": (b"", {}, []),
    "no final newline, blank lines": (b'\n{"a":1}\r\n  \n{"a":2}', {}, [{"a": 1}, {"a": 2}]),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}\n', {}, [{"a": 1}]),
    "digits stay": (
        b'{"a":0.10,"b":12345678901234567890.123,"c":1e3,"d":[1.5],"e":9007199254740993}\n',
        {},
        [
            {
                "a": Decimal("0.10"),
                "b": Decimal("12345678901234567890.123"),
                "c": Decimal("1e3"),
                "d": [Decimal("1.5")],
                "e": 9007199254740993,
            }
        ],
    ),
    "aliases": (
        b'{"Amt":1,"b":2}\n{"amt":3}\n',
        {"aliases": {"Amt": "amount", "amt": "amount"}},
        [{"amount": 1, "b": 2}, {"amount": 3}],
    ),
    "utf-16": ('{"a":"é"}\n'.encode("utf-16"), {"encoding": "utf-16"}, [{"a": "é"}]),
    "two encodings": (
        b'{"a":"\xc2\xa3"}\n{"a":"\xa3"}\n',
        {"encoding": ["utf-8", "cp1252"]},
        [{"a": "£"}, {"a": "£"}],
    ),
}


@pytest.mark.parametrize(("content", "options", "expected"), RECORDS.values(), ids=RECORDS)
def test_records(
    tmp_path: Path, content: bytes, options: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    source = json_lines("in.jsonl", **options).bind({}, base=tmp_path, required=["a"])

    read = read_all(source)

    assert [str(row) for row in read.rows] == [str(row) for row in expected]
    assert read_all(source, [1], reopen=True).rows == read.rows
    with source.open() as reader:
        assert reader.columns is None
        assert reader.difference(read.ranges) is None


MALFORMED: dict[str, tuple[bytes, str]] = {
    "a list": (b"[1]", "It is no JSON object: Expected `object`, got `array`."),
    "not a number": (b'{"a":NaN}', "It is no JSON: JSON is malformed: invalid character (byte 5)."),
    "cut off": (b'{"a":', "It is no JSON: Input data was truncated."),
    "two objects": (
        b'{"a":1}{"a":2}',
        "It is no JSON: JSON is malformed: trailing characters (byte 8).",
    ),
    "not utf-8": (b'{"a":"\xff"}', "It holds bytes that are not utf-8."),
    "too deep": (b'{"a":' + b"[" * 50_000, "Its values are nested too deeply."),
    "too long": (
        b'{"a":"' + b"x" * 70_000 + b'"}',
        "The line has 70,009 bytes, and a record may have 65,536 (max_record_bytes).",
    ),
    "doubled by aliases": (
        b'{"Amt":1,"amt":2}',
        "Two of its names stand for one field (aliases).",
    ),
}


@pytest.mark.parametrize(("line", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"x":1}\n\n' + line + b'\n{"x":2}\n')
    source = json_lines("in.jsonl", aliases={"Amt": "x", "amt": "x"}, max_record_bytes=65_536).bind(
        {}, base=tmp_path
    )

    read = read_all(source)

    assert read.messages == [("in.jsonl line 3", message)]
    assert read.records == [{"x": 1}, {"x": 2}]
    assert read_all(source, [1], reopen=True).rows == read.rows


def test_impossible_options() -> None:
    with pytest.raises(DefinitionError, match="max_record_bytes is 0"):
        json_lines("in.jsonl", max_record_bytes=0)


def test_describe(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"{}\n")

    assert json_lines("in.jsonl").bind({}, base=tmp_path).describe() == {
        "kind": "json-lines",
        "files": [{"path": "in.jsonl", "bytes": 3}],
    }
