"""Somebody with full access to the database: drops the triggers, changes rows, puts them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storno.domain.checkpoint import Checkpoint, origin_of
from storno.domain.codec import encode
from storno.domain.events import RunStopped
from storno.domain.note import PrivateKey
from storno.domain.seal import EMPTY_CHAIN, NewEvents, commit_leaf, event_leaf, merkle_root
from storno.storage.schema import append_only, log_tables
from storno.storage.store import Store
from storno.storage.tree import current_checkpoint
from storno.storage.verification.verify import Verification, verify

from ..storage.tampering import tampered

TABLES = log_tables()
EVENTS, COMMITS = TABLES.events, TABLES.commits

Row = tuple[Any, ...]

_STATE = encode(RunStopped(attempt=1, why="requested"))


@dataclass(frozen=True)
class Attacker:
    """A connection on which nothing is refused."""

    connection: sa.Connection

    def sql(self, statement: str, **values: Any) -> None:
        """Change something; it must be there."""
        found = self.connection.execute(sa.text(statement), values)
        assert found.rowcount != 0, statement

    def rows(self, table: sa.Table) -> list[Row]:
        """All rows, by their number."""
        select = sa.select(table).order_by(*table.primary_key.columns)
        return [tuple(row) for row in self.connection.execute(select)]

    def event(self, position: int) -> Any:
        return self.connection.execute(sa.select(EVENTS).where(EVENTS.c.position == position)).one()

    def change(self, position: int, /, **values: Any) -> None:
        """Change columns of an event."""
        where = EVENTS.c.position == position
        assert self.connection.execute(EVENTS.update().where(where).values(**values)).rowcount == 1

    def change_commit(self, number: int, /, **values: Any) -> None:
        """Change columns of a commit."""
        where = COMMITS.c.number == number
        assert self.connection.execute(COMMITS.update().where(where).values(**values)).rowcount == 1

    def shift(self, behind: int, by: int) -> None:
        """Renumber the events behind a position."""
        far = 1_000_000
        self.sql("UPDATE events SET position = position + :far WHERE position > :at",
                 far=far, at=behind)  # fmt: skip
        self.sql("UPDATE events SET position = position - :back WHERE position > :far",
                 back=far - by, far=far)  # fmt: skip

    def replace_all(self, events: Sequence[Row], commits: Sequence[Row]) -> None:
        """Put other rows in the place of all."""
        for table, rows in ((EVENTS, events), (COMMITS, commits)):
            self.connection.execute(table.delete())
            names = table.columns.keys()
            if rows:
                self.connection.execute(
                    table.insert(), [dict(zip(names, row, strict=True)) for row in rows]
                )

    def recompute(self) -> None:
        """Make every hash that of what is stored: what no hash in the store can tell."""
        events, previous = self.rows(EVENTS), EMPTY_CHAIN
        for number, first, count, recorded_at, _, _ in self.rows(COMMITS):
            own = [row for row in events if first <= row[0] < first + count]
            root = merkle_root([event_leaf(*row[1:]) for row in own])
            previous = commit_leaf(number, first, count, recorded_at, root, previous)
            self.change_commit(number, merkle_root=root, chain_hash=previous)


@contextmanager
def attacking(store: Store) -> Iterator[Attacker]:
    """An attack that leaves no trace in the schema: the triggers are there again behind it."""
    with tampered(store.engine) as connection:
        yield Attacker(connection)
        if connection.dialect.name == "postgresql":
            for table in TABLES:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ENABLE TRIGGER USER")
        else:
            for statement in append_only(TABLES, "sqlite"):
                connection.exec_driver_sql(statement)


def cut_off(attacker: Attacker, last_commit: int) -> None:
    """Take away everything behind a commit."""
    attacker.sql(
        "DELETE FROM events WHERE position >= "
        "(SELECT first_position FROM commits WHERE number = :number)",
        number=last_commit + 1,
    )
    attacker.sql("DELETE FROM commits WHERE number > :number", number=last_commit)


def key_of(store: Store) -> PrivateKey:
    """The auditor's key; no attacker of these tests has it."""
    return PrivateKey(origin_of(store.store_id), bytes(range(32)))


def kept(store: Store) -> Checkpoint:
    """A signed checkpoint of the store as it stands."""
    return current_checkpoint(store).signed(key_of(store))


def found(store: Store, *checkpoints: Checkpoint, since: Checkpoint | None = None) -> Verification:
    """What a verification says."""
    return verify(store, checkpoints=checkpoints, since=since)


def readable(streams: Sequence[str], versions: Sequence[int]) -> NewEvents:
    """Events that are events, to be appended."""
    count = len(streams)
    return NewEvents(list(streams), list(versions), [RunStopped.TOPIC] * count, [_STATE] * count)


def told(verification: Verification) -> str:
    """Its problems, for the message of an assertion."""
    return "\n".join(map(str, verification.problems))
