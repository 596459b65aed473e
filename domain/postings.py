"""Postings read in bulk: of very many events, no more than what moves the ledger.

A view that is made anew reads every posting ever made. One by one, and with the record that each
was made from, that takes four times as long. Most postings of a commit are alike: one entry, dated
as the others are. Of those the database cuts out the lines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, Protocol

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
SECOND_ENTRY: Final = b'},{"book":'
LINES: Final = b',"lines":['
TEXT: Final = b']],"text":'
END: Final = b"}]}"
NO_TEXT: Final = b"]]" + END
MARK: Final = b"\x01"
"""Where a database cuts the states of postings, to have no more than their lines; bytes of JSON.

The opening is what stands in a commit's first posting from the first ``FIRST_ENTRY`` to the next
``LINES``, both included. Another posting looks like it if the same bytes stand in its state,
wherever; what follows them is its rest. The rests stand one after the other, a ``MARK`` behind
each. In them ``NO_TEXT`` with its mark, and then ``END`` with its mark, become ``],``, and ``TEXT``
becomes a comma. So an entry's text stands in its last line, behind what a line has, where nobody
looks for it, and all of it, without the last comma and in brackets, is a list of lines.

Whatever JSON the states are, either that is what they post, or it cannot be decoded as lines:

- A mark is in no JSON, and nothing that has one can be decoded. So every rest ended in ``END``.
- Within a string a quote has a backslash before it. The first quotes here have a comma before
  them, so they are outside of strings and what they enclose is a key; and strings stay as they are.
- The opening, closed by a bracket, has to be decoded as one object. So at first the lines of that
  object are open in the state where the list is open in what is decoded, and both go on alike up to
  a replacement, because whatever closes more than was opened since closes the list too early.
- ``TEXT`` closes a line, or an array in one, and leaves an object open in the state where there is
  an array in what is decoded. Behind the text may come a comma and a key, or a brace; no array may
  have either. So the state ends there with ``END``, which closes an object, a list, and one more
  object, which is the event. Therefore the first of them is an entry, its key is the event's own
  and not one of a record that has a key of that name, and the text closed its lines.
- Without ``TEXT``, ``END`` has to be ``NO_TEXT``, or it closes too much; and what that closes is a
  line, the lines, an entry, a list and an event.
- So nothing follows the entry: no second one, and nothing else that the event has.

A text is taken for a string, which is what events have; the proof of the log finds any other.
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

FIRST_LINE_BYTES: Final = 500
"""Where a line is longer, its currency is not asked for beforehand."""


class OneUnit(NamedTuple):
    """All that postings move which have one heading.

    Attributes:
        book: of all lines.
        effective: the business date of all lines.
        posting: the posting date of all lines.
        currency: of all lines.
        exponent: the currency's.
        lines: one after the other.
    """

    book: str
    effective: dt.date
    posting: dt.date
    currency: str
    exponent: int
    lines: list[PostedLine]


@lru_cache(maxsize=64)
def _in_unit(currency: str, exponent: int) -> msgspec.json.Decoder[list[PostedLine]]:
    """Decodes lines that all have this currency and exponent, and refuses any other.

    A text that is known beforehand is not made anew for each line, and nothing is left to be
    compared by what adds the lines up.
    """
    unit = [("currency", Literal[currency]), ("exponent", Literal[exponent])]
    line: Any = msgspec.defstruct("LineInUnit", unit, bases=(PostedLine,), frozen=True, gc=False)
    return msgspec.json.Decoder(list[line])


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
            shared = self._shared()
            lines = _LISTED.decode(self.listed)
        except msgspec.DecodeError:
            return None
        return PostedEntry(shared.book, shared.effective, shared.posting, lines)

    def in_one_unit(self) -> OneUnit | None:
        """All that they move; None where that has several currencies, or they are not alike."""
        head = bytes(self.listed[:FIRST_LINE_BYTES])
        try:
            (first,) = _LISTED.decode(head[: head.find(b"]") + 1] + b"]")
            lines = _in_unit(first.currency, first.exponent).decode(self.listed)
            shared = self._shared()
        except msgspec.DecodeError:
            return None
        unit = (first.currency, first.exponent)
        return OneUnit(shared.book, shared.effective, shared.posting, *unit, lines)

    def _shared(self) -> _Opening:
        return _OPENING.decode(self.opening[len(ENTRIES) : -len(LINES)] + b"}")
