"""Whole columns as PostgreSQL's binary arrays, each one buffer joined in one go.

psycopg dumps a list item by item: 15 microseconds a row for events of 350 bytes as text, 3 in
binary, against about 1 here.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack
from typing import Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from typing_extensions import override

_INT4_OID: Final = 23
_TEXT_OID: Final = 25
_BYTEA_OID: Final = 17
_INT4_ARRAY_OID: Final = 1007
_TEXT_ARRAY_OID: Final = 1009
_BYTEA_ARRAY_OID: Final = 1001

# One dimension, no nulls, the items' type, how many, the first has index 1. The format is the one
# of array_send in src/backend/utils/adt/arrayfuncs.c.
_header = Struct(">iiIii").pack
_length = Struct(">i").pack


class BinaryArray:
    """A column, ready to be sent."""

    __slots__ = ("buffer",)

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer


class Int4Array(BinaryArray):
    """A column of 32-bit integers."""

    def __init__(self, values: Sequence[int]) -> None:
        count = len(values)
        interleaved = [4] * (2 * count)
        interleaved[1::2] = values
        super().__init__(_header(1, 0, _INT4_OID, count, 1) + pack(f">{2 * count}i", *interleaved))


class TextArray(BinaryArray):
    """A column of text."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(_joined([value.encode() for value in values], _TEXT_OID))


class ByteaArray(BinaryArray):
    """A column of bytes."""

    def __init__(self, values: Sequence[bytes]) -> None:
        super().__init__(_joined(values, _BYTEA_OID))


def _joined(values: Sequence[bytes], oid: int) -> bytes:
    parts = [_header(1, 0, oid, len(values), 1)] * (2 * len(values) + 1)
    parts[1::2] = [_length(len(value)) for value in values]
    parts[2::2] = values
    return b"".join(parts)


class _BinaryArrayDumper(Dumper):
    format = Format.BINARY

    @override
    def dump(self, obj: BinaryArray) -> bytes:
        return obj.buffer


class _Int4ArrayDumper(_BinaryArrayDumper):
    oid = _INT4_ARRAY_OID


class _TextArrayDumper(_BinaryArrayDumper):
    oid = _TEXT_ARRAY_OID


class _ByteaArrayDumper(_BinaryArrayDumper):
    oid = _BYTEA_ARRAY_OID


def register(connection: psycopg.Connection[object]) -> None:
    """Teach a connection to send these arrays."""
    connection.adapters.register_dumper(Int4Array, _Int4ArrayDumper)
    connection.adapters.register_dumper(TextArray, _TextArrayDumper)
    connection.adapters.register_dumper(ByteaArray, _ByteaArrayDumper)
