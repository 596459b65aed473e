"""What every source of records offers to the chunk loop.

A source is a declaration (frozen, made at definition); opening it gives a reader, which hands out
batches of records and names, for each, where it begins and what its bytes were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from ...domain.errors import InputChangedError

Offset = dict[str, int | str]
"""Where a record begins: JSON-able, and opaque to everybody but the source that made it.

An empty one means the start.
"""


Strength = Literal["strong", "weak", "none"]
"""How surely a source notices that its input changed.

``strong``: by the content's SHA-256 (files); ``weak``: only by what was asked (a query's text);
``none``: not at all (an iterable).
"""

Unit = Literal["bytes", "records"]


def offset_part(offset: Offset, name: str) -> int | str:
    """One part of an offset.

    Raises:
        InputChangedError: the offset has no such part, so another kind of source made it.
    """
    if name not in offset:
        raise InputChangedError(
            "The run has read from another kind of source so far: give the job that source again, "
            "or start another run."
        )
    return offset[name]


class Malformed(Struct, frozen=True):
    """Stands among the rows where the input holds something that is not a record.

    Attributes:
        message: what is wrong with it, for a person.
        raw: the input as it was found, JSON-able, shortened where it is long.
        error: the stable code of the failure.
    """

    message: str
    raw: Mapping[str, Any]
    error: str = "invalid-record"


class Batch(Struct, frozen=True):
    """Consecutive records.

    Attributes:
        rows: one ``dict`` of field to value, or one ``Malformed``, per record in order.
        malformed: whether any row is a ``Malformed``, so that the usual batch needs no look.
        next_offset: where the record after the last one begins.
        digest: SHA-256 (hex) of the input from the batch's offset to ``next_offset``; None where
            the source is not strong.
        end: no record follows.
        location: the place of the row with an index, such as ``payments.csv line 17``.
    """

    rows: list[Any]
    malformed: bool
    next_offset: Offset
    digest: str | None
    end: bool
    location: Callable[[int], str]

    def slice(self, start: int, stop: int) -> Batch:
        """Some of its rows; where they begin and end in the source is still the whole's."""
        location = self.location
        return replace(
            self, rows=self.rows[start:stop], location=lambda index: location(start + index)
        )


class Range(NamedTuple):
    """A stretch of input that was read before, and what it was.

    Attributes:
        first: the offset at which it begins.
        next: the offset at which it ends (exclusive).
        digest: the digest of the batch read there.
    """

    first: Offset
    next: Offset
    digest: str


class Difference(Struct, frozen=True):
    """Where, and in what, the input is not what it was.

    Attributes:
        location: the first stretch that differs, such as ``payments.csv, bytes 0 to 81,920``.
        what: what is different there.
    """

    location: str
    what: str


class Reader(Protocol):
    """An open source: a context manager, used by one thread."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The records' field names (after aliases), None where only the records know."""

    @property
    def unit(self) -> Unit:
        """What ``size`` and ``position`` count."""

    @property
    def size(self) -> int | None:
        """How much input there is, None where unknown."""

    @property
    def position(self) -> int:
        """How much of the input has been read."""

    def read(self, count: int) -> Batch:
        """The next records: ``count`` of them, fewer only at the end, none after it.

        A read that raised may be called again: it starts over at the same record.

        Raises:
            SourceError: the input cannot be used, now or later.
            OSError: reading failed in a way that may pass.
        """

    def difference(self, ranges: Iterable[Range]) -> Difference | None:
        """The first of the ranges whose input is no longer what it was, None when all are.

        Reads the input once, from the first range to the last; where ``read`` stands does not
        matter and does not change. Input after the last range is not looked at. A source that is
        not strong answers None.
        """

    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Source(Protocol):
    """Where a job's records come from."""

    @property
    def strength(self) -> Strength:
        """How surely it notices that its input changed."""

    def bind(
        self,
        parameters: Mapping[str, Any],
        *,
        base: Path | None = None,
        required: Collection[str] = (),
    ) -> Source:
        """This source for one run.

        Args:
            parameters: the run's parameters, by name; they fill ``{name}`` in paths, and
                ``:name`` in queries.
            base: the folder against which relative paths stand; None: the current one.
            required: fields that every file, or the query's result, must have a column for.

        Raises:
            DefinitionError: a placeholder names no parameter.
        """

    def open(self, offset: Offset | None = None) -> Reader:
        """A reader that begins at an offset, or at the start.

        Raises:
            SourceError: the input is missing, unreadable, or not what the source declares.
            InputChangedError: the offset lies outside of the input there is now.
        """

    def describe(self) -> dict[str, Any]:
        """What is read, JSON-able: ``kind``, and paths and sizes or the query, for the record."""
