"""The subject: whom personal fields are about, the key that seals them, and its destruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Protocol

from msgspec import Struct

from .errors import UsageError
from .events import Actor, Event

SUBJECTS: Final = "subject/"
OWN: Final = "record"
"""What is known of a record whose subject cannot be read is sealed as if it were about itself."""

SECRET_BYTES: Final = 64
"""Of a key: the first half seals, the other goes into digests of content."""


class SubjectForgotten(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A subject's key is destroyed: what was sealed with it cannot be read any more.

    The stream is named by the key's handle, which stands in all that it sealed; nothing here says
    whom it was about.
    """

    TOPIC: ClassVar[str] = "storno.SubjectForgotten.v1"
    actor: Actor
    reason: str


EVENTS: tuple[type[Event], ...] = (SubjectForgotten,)


class SubjectKey(Struct, frozen=True):
    """A subject's key.

    Attributes:
        handle: names it in all that it seals: 1 to 64 letters, digits, ``_`` and ``-``, at random,
            never used for another key.
        secret: 64 random bytes.
    """

    handle: str
    secret: bytes


class KeyStore(Protocol):
    """Where the keys of personal fields are kept: a table, or a vault of your own.

    A subject has one key at a time; after its destruction another one may be made.
    """

    def find(self, subjects: Sequence[str]) -> Mapping[str, SubjectKey]:
        """The keys of these subjects; those that have none are left out."""

    def make(self, subjects: Sequence[str]) -> Mapping[str, SubjectKey]:
        """The keys of these subjects; those without one get one.

        They are kept for good when this returns, and are the same for whoever asks meanwhile.
        """

    def read(self, handles: Sequence[str]) -> Mapping[str, bytes]:
        """The secrets of these keys by handle; those that are no more are left out."""

    def destroy(self, handle: str) -> None:
        """Destroy a key, also in every copy that you know of; nothing where it is no more."""

    def close(self) -> None:
        """Give up connections."""


def subject_of(field: str, value: object) -> str | None:
    """What a subject is called, as ``supplier_id=S-12``; None where the field is empty."""
    text = "" if value is None else str(value)
    return f"{field}={text}" if text else None


def stream_of(handle: str) -> str:
    """The stream that says what became of a key."""
    return f"{SUBJECTS}{handle}"


def forget(version: int, actor: Actor, reason: str) -> tuple[Event, ...]:
    """Record that a key is destroyed; nothing where that is recorded.

    Args:
        version: of the key's stream.

    Raises:
        UsageError: no reason.
    """
    if not reason.strip():
        raise UsageError("forgetting needs a reason: add --reason TEXT.")
    return () if version else (SubjectForgotten(actor=actor, reason=reason),)
