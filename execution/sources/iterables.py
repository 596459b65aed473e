"""Records from Python: a sequence, or any iterator that can start at an offset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import Struct

from ...domain.errors import DefinitionError
from .base import Batch, Difference, Malformed, Offset, Range, offset_part

Factory = Callable[[int], Iterable[Any]]


def iterable(records: Sequence[Any] | Factory) -> IterableSource:
    """Records from Python objects.

    Nothing can be said about whether they change between a start and a resume: the source's
    strength is ``none``.

    Args:
        records: a sequence of mappings; or a function that, given how many records to leave out
            from the start, gives the ones after them. It is called again after an error, and by
            each resume, and must give the same records in the same order.

    Raises:
        DefinitionError: it is neither.
    """
    if isinstance(records, Sequence) and not isinstance(records, (str, bytes)):
        return IterableSource(lambda offset: islice(records, offset, None), lambda: len(records))
    if callable(records):
        return IterableSource(records, None)
    raise DefinitionError(
        f"iterable() takes a sequence, or a function from an offset to an iterator; this is a "
        f"{type(records).__name__}, which cannot be read again from its middle."
    )


class IterableSource(Struct, frozen=True):
    """Records from Python objects. See ``storno.execution.sources.base.Source``."""

    factory: Factory
    length: Callable[[], int] | None

    @property
    def strength(self) -> Literal["none"]:
        """None: a change of the records goes unnoticed."""
        return "none"

    def bind(
        self,
        parameters: Mapping[str, Any],  # noqa: ARG002
        *,
        base: Path | None = None,  # noqa: ARG002
        required: Collection[str] = (),  # noqa: ARG002
    ) -> IterableSource:
        """The same: there is nothing to fill in."""
        return self

    def open(self, offset: Offset | None = None) -> IterableReader:
        """A reader that begins at an offset, or at the start."""
        return IterableReader(self, int(offset_part(offset, "index")) if offset else 0)

    def describe(self) -> dict[str, Any]:
        """How many records there are, where that is known."""
        return {"kind": "iterable"} | ({"records": self.length()} if self.length else {})


class IterableReader:
    """Reads an iterator, and keeps one record in hand to know whether there is a next one."""

    unit: Literal["records"] = "records"
    columns: tuple[str, ...] | None = None

    def __init__(self, source: IterableSource, index: int) -> None:
        self.size = source.length() if source.length else None
        self._factory = source.factory
        self._index = index
        self._records: Iterator[Any] | None = None
        self._in_hand: list[Any] = []

    @property
    def position(self) -> int:
        """Records read."""
        return self._index

    def read(self, count: int) -> Batch:
        """The next records."""
        try:
            taken = self._take(count + 1)
        except BaseException:
            self.close()  # a generator that raised would pass for one that ended
            raise
        self._in_hand = taken[count:]
        rows = [_row(record) for record in taken[:count]]
        first = self._index
        self._index += len(rows)
        return Batch(
            rows=rows,
            malformed=any(isinstance(row, Malformed) for row in rows),
            next_offset={"index": self._index},
            digest=None,
            end=not self._in_hand,
            location=lambda index: f"record {first + index + 1}",
        )

    def difference(self, ranges: Iterable[Range]) -> Difference | None:  # noqa: ARG002
        """None: there is nothing to compare."""
        return None

    def close(self) -> None:
        """Let go of the iterator; another ``read`` asks for a new one."""
        self._records = None
        self._in_hand = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, count: int) -> list[Any]:
        if self._records is None:
            self._records = iter(self._factory(self._index))
        return self._in_hand + list(islice(self._records, count - len(self._in_hand)))


def _row(record: Any) -> dict[str, Any] | Malformed:
    if type(record) is dict:
        return record
    if isinstance(record, Mapping):
        return dict(record)
    kind = type(record).__name__
    return Malformed(f"It is a {kind}, not a mapping of fields to values.", {"text": repr(record)})
