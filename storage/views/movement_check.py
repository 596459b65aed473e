"""Whether the movements of every commit are what its events say.

There may be one for nearly every record, so they are neither built a second time nor sorted: each
is reduced to a digest, and a commit's digests to their sum, in which no order matters. What the
events say is added, what the live view holds is taken away; a commit that agrees is left with 0.
The digests are keyed afresh for every check, so nobody can choose rows whose sums agree.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import zip_longest
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from ..schema import LogTables
from .difference import MOST_DIFFERENCES, Difference, differences
from .movement_rows import MovementValues
from .replay import Replay
from .tables import COLUMNS, MOVEMENTS

ROWS_AT_ONCE: Final = 10_000

MovementRow = tuple[Any, ...]
"""A row, in the order of its columns."""

Rows = defaultdict[int, list[MovementRow]]
"""Commit number to its movements."""

_KEY: Final = tuple(COLUMNS[MOVEMENTS])[:7]
"""All but the sums: what they are kept for."""

_KEY_WIDTH: Final = len(_KEY)


class MovementSums:
    """A sum of digests for every commit."""

    def __init__(self) -> None:
        self._sums: defaultdict[int, int] = defaultdict(int)
        self._key = secrets.token_bytes(32)

    def add(self, movements: MovementValues) -> None:
        """Add what the events say."""
        for row in movements.rows():
            self._sums[row[0]] += self._digest(row)

    def take_away(self, connection: sa.Connection, live: sa.Table) -> None:
        """Take away what the view holds, row by row as it comes."""
        rows = connection.execute(sa.select(live), execution_options={"yield_per": ROWS_AT_ONCE})
        for row in rows:
            self._sums[row[0]] -= self._digest(tuple(row))

    def differing(self) -> list[int]:
        """The commits whose movements differ, in order."""
        return sorted(number for number, rest in self._sums.items() if rest)

    def _digest(self, row: MovementRow) -> int:
        encoded = msgspec.json.encode(row)
        return int.from_bytes(blake2b(encoded, digest_size=24, key=self._key).digest())


def movement_differences(
    connection: sa.Connection, log: LogTables, live: sa.Table, commits: Sequence[int]
) -> Iterator[Difference]:
    """What differs in the first of the commits that differ."""
    chosen = commits[:MOST_DIFFERENCES]
    in_view = _live(connection, live, chosen)
    replay = Replay(log)
    for number in chosen:
        by_events = _rebuilt(connection, replay, number)
        keys = sorted({row[:_KEY_WIDTH] for row in (*in_view[number], *by_events)})
        for key in keys:
            pair = (_of(key, in_view[number]), _of(key, by_events))
            for sides in zip_longest(*_without_equal(*pair)):
                yield from differences(MOVEMENTS, _KEY, *map(_named, sides))


def _live(connection: sa.Connection, live: sa.Table, commits: Sequence[int]) -> Rows:
    rows: Rows = defaultdict(list)
    for row in connection.execute(sa.select(live).where(live.c.commit_number.in_(commits))):
        rows[row[0]].append(tuple(row))
    return rows


def _rebuilt(connection: sa.Connection, replay: Replay, number: int) -> list[MovementRow]:
    """What the commit's events say; nothing where there is no such commit."""
    if not replay.seek(connection, number):
        return []
    batch = replay.next_batch(connection, most_commits=1)
    return list(batch.movements.rows()) if batch else []


def _of(key: MovementRow, rows: list[MovementRow]) -> Counter[MovementRow]:
    return Counter(row for row in rows if row[:_KEY_WIDTH] == key)


def _without_equal(
    live: Counter[MovementRow], rebuilt: Counter[MovementRow]
) -> tuple[list[MovementRow], list[MovementRow]]:
    """The rows that one side has more often than the other."""
    return list((live - rebuilt).elements()), list((rebuilt - live).elements())


def _named(row: MovementRow | None) -> dict[str, Any] | None:
    return None if row is None else dict(zip(COLUMNS[MOVEMENTS], row, strict=True))
