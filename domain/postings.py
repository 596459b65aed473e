"""Postings read in bulk: of very many events, no more than what moves the ledger.

A view that is made anew reads every posting ever made. One by one, and with the record that each
was made from, that takes four times as long. Most postings of a commit are alike: one entry, dated
as the others are. Of those the database cuts out the lines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from .codec import decode
from .entry import PostedEntry, PostedLine
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


ENTRIES: Final = b',"entries":['
FIRST_ENTRY: Final = ENTRIES + b'{"book":'
LINES: Final = b',"lines":['
TEXT: Final = b']],"text":"'
NO_TEXT: Final = b"]]}]}"
"""Where a database cuts the states of postings, to have no more than their lines; bytes of JSON.

The opening is what stands in a commit's first posting from the first ``FIRST_ENTRY`` to the next
``LINES``, both included. Another posting is like it if the same bytes stand in its state, wherever;
what follows them is its rest. Its lines are the rest up to the first ``]`` of ``TEXT``, if nothing
but three more bytes follows the quote after that; without it, the rest up to the first ``]`` of
``NO_TEXT``, with which it has to end.

Whatever JSON a state is, what is cut out so is all that it posts, or no lines can be decoded of it:

- Within a string a quote has a backslash before it. The first ones here have a comma, so they are
  outside of strings, and what they enclose is a key.
- The opening, closed by a bracket, has to be decoded as one object. So the lines belong to the
  object that ``FIRST_ENTRY`` begins.
- What is decoded as lines is balanced. Behind it the text, if any, is closed, and so few bytes are
  left that all of them close something: the entry, the list, and the event. So it is the event's
  own list, not one of a record that has a key of that name, and it has no second entry.
"""

NO_STATES: Final = b"[]"

_POSTINGS: Final = msgspec.json.Decoder(list[Posting])
_TAKEN_BACK: Final = msgspec.json.Decoder(list[TakenBack])
_STATES: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Opening(msgspec.Struct, frozen=True):
    """What entries that are alike have in common."""

    book: str
    effective: dt.date
    posting: dt.date


_OPENING: Final = msgspec.json.Decoder(_Opening)
_LISTED: Final = msgspec.json.Decoder(tuple[PostedLine, ...])


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


class AlikePostings(Struct, frozen=True):
    """The postings of a commit that has nothing but postings that are alike.

    Attributes:
        opening: what each of their entries begins with, as it was cut out.
        listed: the lines of all of them, a list in JSON.
        whole: reads the same postings as they are stored.
    """

    opening: bytes
    listed: bytes | memoryview
    whole: Callable[[], Postings]

    def entry(self) -> PostedEntry | None:
        """All that they move, as one entry; None where they look alike and are not."""
        try:
            shared = _OPENING.decode(self.opening[len(ENTRIES) : -len(LINES)] + b"}")
            lines = _LISTED.decode(self.listed)
        except msgspec.DecodeError:
            return None
        return PostedEntry(shared.book, shared.effective, shared.posting, lines)
