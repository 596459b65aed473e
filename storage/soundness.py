"""What is read of the log holds bytes where bytes belong.

PostgreSQL sees to that itself. SQLite lets a value of any kind stand in any column, so whoever can
write to the file can leave text there, which readers would stumble over, or take for the event.
"""

from __future__ import annotations

from typing import TypeVar

from ..domain.codec import decode
from ..domain.errors import ChangedLogError
from ..domain.events import Event
from .dialect import Commit, Row

Rows = TypeVar("Rows", bound="list[Row]")


def sound(rows: Rows) -> Rows:
    """Stored events as they are.

    Raises:
        ChangedLogError: one of them is not what storno writes; says which.
    """
    for position, _, _, _, state in rows:
        if state.__class__ is not bytes:
            raise _changed(f"event {position}", state)
    return rows


def sound_commit(commit: Commit) -> Commit:
    """A stored commit as it is.

    Raises:
        ChangedLogError: it is not what storno writes.
    """
    for value in (commit.merkle_root, commit.chain_hash):
        sound_hash(commit.number, value)
    return commit


def sound_hash(number: int, value: bytes) -> bytes:
    """A hash of the commit with this number, as it is stored.

    Raises:
        ChangedLogError: it is not what storno writes.
    """
    if value.__class__ is not bytes:
        raise _changed(f"commit {number}", value)
    return value


def event_at(position: int, topic: str, state: bytes) -> Event:
    """The event that is stored at a position of the log.

    Raises:
        ChangedLogError: it is not what storno writes.
        StoreError: this version of storno does not know such events.
    """
    if state.__class__ is not bytes:
        raise _changed(f"event {position}", state)
    try:
        return decode(topic, state)
    except ChangedLogError as error:
        raise ChangedLogError(f"event {position} of the log was changed: {error}") from None


def _changed(what: str, value: object) -> ChangedLogError:
    kind = "text" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    return ChangedLogError(
        f"{what} of the log was changed: {kind} stands where storno writes bytes. Keep the store "
        "as it is, and run storno audit verify, which names all that was changed."
    )
