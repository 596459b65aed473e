"""What the log needs from a database, and nothing else; sqlite.py and postgresql.py provide it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import sqlalchemy as sa
from msgspec import Struct

from ..domain.errors import StornoError
from ..domain.seal import NewEvents


class Row(NamedTuple):
    """A stored event. Positions number all events of the log from 1, without gaps."""

    position: int
    stream: str
    version: int
    topic: str
    state: bytes


class Commit(Struct, frozen=True):
    """One append: a row of ``commits``.

    Attributes:
        number: from 1, without gaps.
        first_position: the position of its first event.
        count: how many events it holds.
        recorded_at: microseconds since 1970-01-01 UTC, never before the previous commit's.
        merkle_root: RFC 6962's root over its events' leaves, 32 bytes.
        chain_hash: ``commit_leaf`` of the above and the previous commit's, 32 bytes.
    """

    number: int
    first_position: int
    count: int
    recorded_at: int
    merkle_root: bytes
    chain_hash: bytes

    @property
    def last_position(self) -> int:
        """The position of its last event."""
        return self.first_position + self.count - 1


class Head(NamedTuple):
    """Where the log stands: the database's clock in microseconds, and the last commit if any."""

    now: int
    commit: Commit | None


class LogDialect(Protocol):
    """The statements of one log in one database. Each method is one statement, or few."""

    def lock(self, connection: sa.Connection) -> None:
        """Take the append lock until the transaction ends."""

    def head(self, connection: sa.Connection) -> Head:
        """Read the last commit, under the lock if one is held."""

    def now(self, connection: sa.Connection) -> int:
        """The database's clock, microseconds since 1970-01-01 UTC."""

    def versions(self, connection: sa.Connection, streams: Sequence[str]) -> dict[str, int]:
        """The last version of each stream that has events."""

    def insert(self, connection: sa.Connection, commit: Commit, events: NewEvents) -> None:
        """Insert a commit and its events; who waits for them is woken once they are committed."""

    def read_streams(self, connection: sa.Connection, streams: Sequence[str]) -> list[Row]:
        """All events of the streams, by stream and version."""

    def explain(
        self, connection: sa.Connection, error: sa.exc.DBAPIError, events: NewEvents
    ) -> StornoError | None:
        """What a failed append means, if it is a conflict or a held lock; before the rollback."""
