"""Postings read in bulk: of very many events, no more than what moves the ledger.

A view that is made anew reads every posting ever made. One by one, and with the record that each
was made from, that takes four times as long.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from .codec import decode
from .entry import PostedEntry
from .errors import ChangedLogError
from .events import RecordReversed, RecordSucceeded


class Moving(Protocol):
    """What has entries: a posting, or the taking back of one."""

    @property
    def entries(self) -> tuple[PostedEntry, ...]:
        """What is posted."""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """Of a ``RecordSucceeded``, its entries."""

    entries: tuple[PostedEntry, ...] = ()


class TakenBack(msgspec.Struct, frozen=True, gc=False):
    """Of a ``RecordReversed``, its entries, and which attempt of the reversal it belongs to."""

    attempt: int
    entries: tuple[PostedEntry, ...] = ()


NO_STATES: Final = b"[]"

_POSTINGS: Final = msgspec.json.Decoder(list[Posting])
_TAKEN_BACK: Final = msgspec.json.Decoder(list[TakenBack])
_STATES: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Postings(msgspec.Struct, frozen=True):
    """The stored states of a commit's postings, in no order, as lists in JSON.

    Attributes:
        commit: its number, for the message where they cannot be read.
        count: how many states there are.
        posted: those of ``RecordSucceeded``.
        taken_back: those of ``RecordReversed``.
    """

    commit: int
    count: int = 0
    posted: bytes | memoryview = NO_STATES
    taken_back: bytes | memoryview = NO_STATES

    def entries(self) -> tuple[list[Posting], list[TakenBack]]:
        """What moves the ledger.

        Raises:
            ChangedLogError: a state cannot be read.
        """
        try:
            posted = _POSTINGS.decode(self.posted)
            taken_back = _TAKEN_BACK.decode(self.taken_back)
        except msgspec.DecodeError as error:
            raise self._unreadable(str(error)) from None
        if (found := len(posted) + len(taken_back)) != self.count:
            raise self._unreadable(f"{self.count} events have the states of {found}")
        return posted, taken_back

    def successes(self) -> list[RecordSucceeded]:
        """All of the postings, whole."""
        events = (decode(RecordSucceeded.TOPIC, state) for state in _states(self.posted))
        return [event for event in events if isinstance(event, RecordSucceeded)]

    def reversals(self) -> list[RecordReversed]:
        """All that is taken back, whole."""
        events = (decode(RecordReversed.TOPIC, state) for state in _states(self.taken_back))
        return [event for event in events if isinstance(event, RecordReversed)]

    def _unreadable(self, why: str) -> ChangedLogError:
        return ChangedLogError(
            f"the postings of commit {self.commit} cannot be read: {why}. "
            "Was the store changed by hand? Run storno audit verify, which says where."
        )


def _states(listed: bytes | memoryview) -> list[bytes]:
    return [bytes(state) for state in _STATES.decode(listed)]
