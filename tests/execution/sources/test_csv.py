"""CSV files as people send them. Origin of the cases: scenario 36, and RFC 4180."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storno.domain.errors import DefinitionError, SourceError
from storno.execution.sources import csv_source

from .reading import read_all

RECORDS: dict[str, tuple[bytes, dict[str, Any], list[dict[str, str]]]] = {
    "plain": (b"a,b\n1,2\n3,4\n", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
    "empty file": (b"", {}, []),
    "header only": (b"a,b\n", {}, []),
    "header without line end": (b"a,b", {}, []),
    "blank lines only": (b"\n\r\n  \n", {}, []),
    "no final newline": (b"a,b\n1,2", {}, [{"a": "1", "b": "2"}]),
    "CRLF": (b"a,b\r\n1,2\r\n3,4\r\n", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
    "CRLF in some lines": (b"a,b\n1,2\r\n3,4", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
    "byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n", {}, [{"a": "1", "b": "2"}]),
    "byte order mark before a quote": (b'\xef\xbb\xbf"a",b\n1,2\n', {}, [{"a": "1", "b": "2"}]),
    "byte order mark, declared utf-8": (
        b"\xef\xbb\xbfa,b\n1,2\n",
        {"encoding": "utf-8"},
        [{"a": "1", "b": "2"}],
    ),
    "blank lines in the middle": (
        b"\na,b\n\n1,2\n \t \n\r\n3,4\n\n",
        {},
        [
            {"a": "1", "b": "2"},
            {"a": "3", "b": "4"},
        ],
    ),
    "quoted delimiter": (b'a,b\n"1,5",2\n', {}, [{"a": "1,5", "b": "2"}]),
    "quoted quotes": (b'a,b\n"say ""hi""",2\n', {}, [{"a": 'say "hi"', "b": "2"}]),
    "quoted line breaks": (
        b'a,b\n"1\n\n2",3\n"\r\n",4',
        {},
        [
            {"a": "1\n\n2", "b": "3"},
            {"a": "\r\n", "b": "4"},
        ],
    ),
    "quote inside a field": (b'a,b\n5" pipe,2\n', {}, [{"a": '5" pipe', "b": "2"}]),
    "quotes mean nothing": (b'a,b\n"1,2"\n', {"quotechar": None}, [{"a": '"1', "b": '2"'}]),
    "semicolons": (b"a;b\n1,5;2\n", {"delimiter": ";"}, [{"a": "1,5", "b": "2"}]),
    "tabs, empty fields": (
        b"a\tb\n\t\n1\t\n",
        {"delimiter": "\t"},
        [
            {"a": "", "b": ""},
            {"a": "1", "b": ""},
        ],
    ),
    "empty rows are records": (b"a,b\n,\n1,2\n", {}, [{"a": "", "b": ""}, {"a": "1", "b": "2"}]),
    "empty rows skipped": (
        b"a,b\n,\n1,2\n,,,\r\n\n3,\n,4\n,\n,",
        {"skip_empty_rows": True},
        [{"a": "1", "b": "2"}, {"a": "3", "b": ""}, {"a": "", "b": "4"}],
    ),
    "empty rows skipped, no other ones": (b"a,b\n,\n,\n", {"skip_empty_rows": True}, []),
    "empty rows skipped, but not inside of quotes": (
        b'a,b\n"1\n,\n",2\n,\n',
        {"skip_empty_rows": True},
        [{"a": "1\n,\n", "b": "2"}],
    ),
    "empty quotes and white space are values": (
        b'a,b\n"",""\n , \n,\n',
        {"skip_empty_rows": True},
        [{"a": "", "b": ""}, {"a": " ", "b": " "}],
    ),
    "one column": (b'a\n1\n\n \n""\n', {}, [{"a": "1"}, {"a": " "}, {"a": ""}]),
    "unnamed columns": (b"a,,\n1,2,3\n", {}, [{"a": "1", "column_2": "2", "column_3": "3"}]),
    "aliases": (
        b" VAT Reg no ,b\n1,2\n",
        {"aliases": {"Vat Reg No": "vat", "VAT Reg no": "vat"}},
        [{"vat": "1", "b": "2"}],
    ),
    "columns without a header": (b"1,2\n", {"columns": ["a", "b"]}, [{"a": "1", "b": "2"}]),
    "columns, with a mark": (
        b"\xef\xbb\xbf1,2\n3,4\n",
        {"columns": ["a", "b"]},
        [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}],
    ),
    "cp1252": (b"a,b\n\x80,2\n", {"encoding": "cp1252"}, [{"a": "€", "b": "2"}]),
    "two encodings in a file": (
        b"a,b\n\xc2\xa3,\xe2\x82\xac\n\xa3,\x80\n",
        {"encoding": ("utf-8-sig", "cp1252")},
        [{"a": "£", "b": "€"}, {"a": "£", "b": "€"}],
    ),
    "EBCDIC": ("a,b\n1,ä\n".encode("cp037"), {"encoding": "cp037"}, [{"a": "1", "b": "ä"}]),
    "utf-16 with mark": (
        "a,b\n1,Ċ\n".encode("utf-16"),
        {"encoding": "utf-16"},
        [
            {"a": "1", "b": "Ċ"},
        ],
    ),
    "utf-16 big endian": (
        b"\xfe\xff" + 'a,b\n"1\n",\u0a0a\n'.encode("utf-16-be"),
        {"encoding": "utf-16"},
        [{"a": "1\n", "b": "\u0a0a"}],
    ),
    "utf-16, a line end's bytes across two characters": (
        "a,b\n1,\u0a41\u0100\n2,\u0100\u0a41\n".encode("utf-16-le"),
        {"encoding": "utf-16-le"},
        [{"a": "1", "b": "\u0a41\u0100"}, {"a": "2", "b": "\u0100\u0a41"}],
    ),
    "utf-16 big endian, a line end's bytes across two characters": (
        "a,b\n1,\u0a41\u0100\n2,\u0100\u0a41\n".encode("utf-16-be"),
        {"encoding": "utf-16-be"},
        [{"a": "1", "b": "\u0a41\u0100"}, {"a": "2", "b": "\u0100\u0a41"}],
    ),
    "utf-16-le without mark": (
        "a,b\r\n1,\u0a00\r\n".encode("utf-16-le"),
        {"encoding": "utf-16-le"},
        [{"a": "1", "b": "\u0a00"}],
    ),
    "utf-32": ("a,b\n1,😀\n".encode("utf-32"), {"encoding": "utf-32"}, [{"a": "1", "b": "😀"}]),
    "separators of Unicode end no line": (
        "a,b\n1\u2028\x85\x0b\x1c,2\n".encode(),
        {},
        [{"a": "1\u2028\x85\x0b\x1c", "b": "2"}],
    ),
}


@pytest.mark.parametrize(("content", "options", "expected"), RECORDS.values(), ids=RECORDS)
def test_records(
    tmp_path: Path, content: bytes, options: dict[str, Any], expected: list[dict[str, str]]
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    source = csv_source("in.csv", **options).bind({}, base=tmp_path)

    assert read_all(source).rows == expected
    assert read_all(source, [1], reopen=True).rows == expected


MALFORMED: dict[str, tuple[bytes, dict[str, Any], list[str], list[tuple[str, str]]]] = {
    # content, options, first fields of the records, (place, message) of the rest
    "too few and too many fields": (
        b"a,b\n1,2\n3\n4,5,6\n7,8\n",
        {},
        ["1", "7"],
        [
            ("in.csv line 3", "It has 1 field, and the header has 2."),
            ("in.csv line 4", "It has 3 fields, and the header has 2."),
        ],
    ),
    "not utf-8": (
        b"a,b\n1,2\n3,\xff\n4,5\n",
        {},
        ["1", "4"],
        [("in.csv line 3", "It holds bytes that are not utf-8.")],
    ),
    "not utf-8 inside quotes": (
        b'a,b\n1,2\n3,"x\n\xff\n"\n4,5\n',
        {},
        ["1", "4"],
        [("in.csv line 3", "It holds bytes that are not utf-8.")],
    ),
    "no text in any encoding": (
        b"a,b\n1,\x81\n2,\xa3\n",
        {"encoding": ["utf-8", "cp1252"]},
        ["2"],
        [("in.csv line 2", "It holds bytes that are not utf-8 or cp1252.")],
    ),
    "half a character of utf-16": (
        "a,b\n1,2\n".encode("utf-16-le") + b"\x00\xd8" + ",2\n3,4\n".encode("utf-16-le"),
        {"encoding": "utf-16-le"},
        ["1", "3"],
        [("in.csv line 3", "It holds bytes that are not utf-16-le.")],
    ),
    "NUL": (
        b"a,b\n1,2\n\0,3\n4,5\n",
        {},
        ["1", "4"],
        [("in.csv line 3", "It holds NUL characters (is the file's encoding utf-16?).")],
    ),
    "quote never closed": (
        b'a,b\n1,2\n"3,4\n5,6\n7,8',
        {},
        ["1", "5", "7"],
        [("in.csv line 3", "It opens a quoted field that is not closed before the file ends.")],
    ),
    "quote not closed within the limit": (
        b'a,b\n"1,2\n' + b"3,4\n" * 20,
        {"max_record_bytes": 30},
        ["3"] * 20,
        [
            (
                "in.csv line 2",
                "It opens a quoted field that is not closed within 30 bytes (max_record_bytes).",
            )
        ],
    ),
    "quote too many": (
        b'a,b\n1,2\n"3"x,4\n5,6\n',
        {},
        ["1", "5"],
        [("in.csv line 3", "Its quotes make no sense: ',' expected after '\"'.")],
    ),
    "quote too many swallows no record behind it": (
        b'a,b\n"1,2\n3,4\n5,"6"\n7,8\n',
        {},
        ["3", "5", "7"],
        [("in.csv line 2", "Its quotes make no sense: ',' expected after '\"'.")],
    ),
    "lone carriage return": (
        b"a,b\n1,2\n3,4\r5,6\n7,8\n",
        {},
        ["1", "7"],
        [("in.csv line 3", "It holds a carriage return, outside of quotes, that ends no line.")],
    ),
    "line too long": (
        b"a,b\n1,2\n" + b"x" * 50 + b",y\n3,4\n",
        {"max_record_bytes": 30},
        ["1", "3"],
        [("in.csv line 3", "The line has 53 bytes, and a record may have 30 (max_record_bytes).")],
    ),
    "last line too long, without end": (
        b"a,b\n1,2\n" + b"x" * 50,
        {"max_record_bytes": 30},
        ["1"],
        [("in.csv line 3", "The line has 50 bytes, and a record may have 30 (max_record_bytes).")],
    ),
}


@pytest.mark.parametrize(
    ("content", "options", "firsts", "expected"), MALFORMED.values(), ids=MALFORMED
)
def test_malformed(
    tmp_path: Path,
    content: bytes,
    options: dict[str, Any],
    firsts: list[str],
    expected: list[tuple[str, str]],
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    source = csv_source("in.csv", **options).bind({}, base=tmp_path)

    read = read_all(source)

    assert read.messages == expected
    assert [record["a"] for record in read.records] == firsts
    assert read_all(source, [1], reopen=True).rows == read.rows


def test_what_is_malformed_is_shown_as_found(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"a,b\n1,\xff\0\xc3\xa9\r\n" + b"x" * 9000 + b"\n")

    rows = read_all(csv_source(tmp_path / "in.csv")).rows

    assert rows[0].raw == {"text": "1,\\xff\\x00é"}
    assert rows[1].raw == {"text": "x" * 4096, "bytes": 9001}
    assert rows[0].error == "invalid-record"


def test_lines_are_counted_through_blanks_and_quoted_breaks(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b'\na,b\n1,2\n\n"x\n\ny",3\n4,5\nbad\n6,7\n')
    source = csv_source("in.csv").bind({}, base=tmp_path)
    places = [f"in.csv line {number}" for number in (3, 5, 8, 9, 10)]

    assert read_all(source).locations == places
    assert read_all(source, [1], reopen=True).locations == places


ERRORS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "doubled column": (
        b"a,b, a\n1,2,3\n",
        {},
        (
            "in.csv: columns 1 ('a') and 3 ('a') are both the field 'a'; "
            "rename one, or give it an alias."
        ),
    ),
    "doubled by an alias": (
        b"Vat Reg No,VAT\n1,2\n",
        {"aliases": {"Vat Reg No": "vat", "VAT": "vat"}},
        (
            "in.csv: columns 1 ('Vat Reg No') and 2 ('VAT') are both the field 'vat'; "
            "rename one, or give it an alias."
        ),
    ),
    "wrong delimiter": (
        b"a;b;c\n1;2;3\n",
        {},
        (
            "in.csv has one column, 'a;b;c', when its header is split at ',': "
            "it looks like delimiter=';'."
        ),
    ),
    "missing column": (
        b"key,Amount,Date\n1,2,3\n",
        {},
        (
            "in.csv has no column 'amount' (did you mean 'Amount'?); "
            "it has 'key', 'Amount', 'Date'. "
            "If one of them is meant, say so: aliases={...: 'amount'}."
        ),
    ),
    "header not utf-8": (
        b"key,amount,\xff\n1,2,3\n",
        {},
        "in.csv line 1: the header cannot be read. It holds bytes that are not utf-8.",
    ),
    "utf-16, not said": (
        "key,amount\n1,2\n".encode("utf-16-le"),
        {},
        (
            "in.csv line 1: the header cannot be read. "
            "It holds NUL characters (is the file's encoding utf-16?)."
        ),
    ),
    "carriage returns only": (
        b"key,amount\r1,2\r",
        {},
        (
            "in.csv line 1: the header cannot be read. "
            "It holds a carriage return, outside of quotes, that ends no line."
        ),
    ),
    "header too long": (
        b"key,amount\n1,2\n",
        {"max_record_bytes": 5},
        "in.csv line 1: the header is longer than 5 bytes (max_record_bytes).",
    ),
}


@pytest.mark.parametrize(("content", "options", "message"), ERRORS.values(), ids=ERRORS)
def test_a_file_that_is_not_what_was_declared(
    tmp_path: Path, content: bytes, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    source = csv_source("in.csv", **options).bind({}, base=tmp_path, required=["key", "amount"])

    with pytest.raises(SourceError) as raised:
        source.open()

    assert str(raised.value) == message


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"delimiter": ""}, "delimiter is '': it must be one character."),
    ({"delimiter": "||"}, "delimiter is '||': it must be one character."),
    ({"delimiter": "\n"}, "delimiter is '\\n': it must be one character."),
    ({"quotechar": "''"}, "quotechar is \"''\": it must be one character."),
    ({"delimiter": '"'}, "delimiter and quotechar are both '\"'."),
    ({"max_record_bytes": 0}, "max_record_bytes is 0: it must be 1 or more."),
    ({"columns": []}, "columns is empty: name the file's columns, or leave it out."),
    ({"columns": ["a", ""]}, "columns holds an empty name."),
    ({"columns": ["a", "a"]}, "columns holds 'a' twice."),
    ({"encoding": []}, "encoding is empty: name one, such as 'utf-8'."),
    (
        {"encoding": "utf-9"},
        "unknown encoding: utf-9: name one that Python knows, such as 'cp1252'.",
    ),
    (
        {"encoding": ["utf-8", "utf-16"]},
        "The encodings utf-8, utf-16 end their lines differently: name one.",
    ),
]


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        csv_source("in.csv", **options)

    assert str(raised.value) == message
