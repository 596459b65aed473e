"""Reading sources to their end, and what all of them must hold to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storno.execution.sources import Batch, Malformed, Offset, Range, Source


@dataclass(frozen=True)
class Read:
    """What a source gave: every row, its place, and the batches' ranges."""

    rows: list[Any]
    locations: list[str]
    ranges: list[Range]

    @property
    def records(self) -> list[Any]:
        """The rows that are records."""
        return [row for row in self.rows if not isinstance(row, Malformed)]

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Where something was malformed, and how."""
        pairs = zip(self.rows, self.locations, strict=True)
        return [(place, row.message) for row, place in pairs if isinstance(row, Malformed)]


def read_all(source: Source, sizes: Sequence[int] = (1000,), *, reopen: bool = False) -> Read:
    """Read to the end in batches of the given sizes, over and over.

    Args:
        source: what to read.
        sizes: the batches' record counts.
        reopen: open the source anew at each batch's end, as a resume does.
    """
    rows: list[Any] = []
    locations: list[str] = []
    ranges: list[Range] = []
    offset: Offset = {}
    reader = source.open()
    for turn in range(1_000_000):
        batch = reader.read(sizes[turn % len(sizes)])
        check_batch(batch, sizes[turn % len(sizes)])
        rows += batch.rows
        locations += [batch.location(index) for index in range(len(batch.rows))]
        ranges.append(Range(offset, batch.next_offset, batch.digest or ""))
        offset = batch.next_offset
        if batch.end:
            break
        if reopen:
            reader.close()
            reader = source.open(offset)
    assert reader.read(1).rows == []
    reader.close()
    return Read(rows, locations, ranges)


def check_batch(batch: Batch, count: int) -> None:
    """What every batch promises."""
    assert batch.malformed == any(isinstance(row, Malformed) for row in batch.rows)
    assert all(isinstance(row, (dict, Malformed)) for row in batch.rows)
    assert len(batch.rows) <= count
    assert batch.end or len(batch.rows) == count
