"""Names: readable, reversible, never two alike, and short enough for an index."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.errors import StornoError
from storno.domain.ids import (
    HASHED,
    MAX_NAME_BYTES,
    ChunkId,
    InvalidKeyError,
    RunId,
    check_key,
    escape,
    key_of,
    keyless_stream,
    record_names,
    record_stream,
    run_name,
    unescape,
)

ANY_TEXT = st.text(max_size=30)

ESCAPED = {
    "INV-1001": "INV-1001",
    "2026/INV": "2026%2FINV",
    "100%": "100%25",
    "a\nb": "a%0Ab",
    "a\0b": "a%00b",
    "~run": "%7Erun",
    "a~b": "a~b",
    "M\u00fcller": "M\u00fcller",
    "\u202e": "%E2%80%AE",
    "\ud800": "%ED%A0%80",
    " ": " ",
    "": "",
}


@pytest.mark.parametrize(("part", "escaped"), ESCAPED.items())
def test_a_part_is_escaped_as_the_table_says(part: str, escaped: str) -> None:
    assert escape(part) == escaped


@given(ANY_TEXT)
def test_escaping_is_reversible_and_leaves_no_separator(part: str) -> None:
    escaped = escape(part)

    assert unescape(escaped) == part
    assert "/" not in escaped
    assert not escaped.startswith("~")
    assert escaped.isprintable()


@given(st.lists(ANY_TEXT, max_size=5), st.integers(0, 3))
def test_names_in_bulk_are_the_names_one_by_one(keys: list[str], plain: int) -> None:
    keys += [f"INV-{number}" for number in range(plain)]

    assert [f"record/job/{name}" for name in record_names(keys)] == [
        record_stream("job", key) for key in keys
    ]


@given(ANY_TEXT.filter(bool))
def test_the_key_is_read_from_its_stream(key: str) -> None:
    assert key_of(record_stream("job", key)) == key


@pytest.mark.parametrize("over", [0, 1])
def test_a_long_key_is_named_by_its_hash(over: int) -> None:
    key = "k" * (MAX_NAME_BYTES + over)
    stream = record_stream("job", key)

    if over:
        assert stream == f"record/job/{HASHED}{sha256(key.encode()).hexdigest()}"
        assert key_of(stream) is None
        assert key_of(stream, key) == key
    else:
        assert key_of(stream) == key


def test_length_is_counted_in_bytes() -> None:
    assert HASHED in record_stream("job", "\u00fc" * (MAX_NAME_BYTES // 2 + 1))
    assert HASHED not in record_stream("job", "\u00fc" * (MAX_NAME_BYTES // 2))


def test_no_key_can_pass_for_a_record_without_one() -> None:
    keyless = keyless_stream(RunId("job", "2026-01"), "0", 7)

    assert keyless == "record/job/~2026-01/0/7"
    assert key_of(keyless) is None
    assert record_stream("job", "~2026-01/0/7") != keyless


@pytest.mark.parametrize("key", ["", "a\0"])
def test_a_key_that_names_nothing(key: str) -> None:
    with pytest.raises(InvalidKeyError, match="the key"):
        check_key(key)


RUN_NAMES = {
    (): "once",
    ("2026-01",): "2026-01",
    ("2026-01", 7): "2026-01,7",
    ("",): "~empty",
    ("", ""): "~empty,~empty",
    ("a,b",): "a%252Cb",
    ("a/b",): "a%2Fb",
    ("~empty",): "%7Eempty",
}


@pytest.mark.parametrize(("values", "name"), RUN_NAMES.items())
def test_a_run_is_named_by_its_parameters(values: tuple[object, ...], name: str) -> None:
    assert run_name(values) == name


@given(st.lists(ANY_TEXT, min_size=1, max_size=3), st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_other_parameters_are_another_run(one: list[str], other: list[str]) -> None:
    assert (run_name(one) == run_name(other)) == (one == other)


@given(st.integers(0, 10**8 - 1), st.sampled_from(["0", "keys-3"]))
def test_a_chunk_is_read_from_its_stream(number: int, partition: str) -> None:
    chunk = ChunkId(RunId("job", "2026-01,a%2Fb"), partition, number)

    assert ChunkId.parse(chunk.stream) == chunk
    assert chunk.stream.startswith(chunk.run.chunks)


def test_chunks_sort_by_name_as_by_number() -> None:
    run = RunId("job", "once")
    streams = [ChunkId(run, "0", number).stream for number in (0, 9, 10, 99, 100, 12_345)]

    assert streams == sorted(streams)


def test_a_run_is_read_with_and_without_its_prefix() -> None:
    run = RunId("job", "2026-01")

    assert RunId.parse(str(run)) == RunId.parse(run.stream) == run


@pytest.mark.parametrize("text", ["", "job", "job/", "/run", "job/a/b"])
def test_what_is_no_run_is_named(text: str) -> None:
    with pytest.raises(StornoError, match="is no run: write <job>/<run>"):
        RunId.parse(text)
