"""The record: the life of one business key, and whether it may be posted.

A record's stream keeps two things apart: where its posting stands, and that an attempt to post
it failed. A failure may follow a posting (a key conflict) any number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from hashlib import sha256
from typing import Any, ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pydantic import AliasChoices, BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from .events import (
    Event,
    RecordAttempted,
    RecordFailed,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
)
from .personal import personal_fields

DIGEST_VERSION = "1:"
PERSONAL_DIGEST_VERSION = "2:"
"""Of a record with personal fields: HMACs under the keys of whom they are about stand for them."""


class Incidental:
    """Marks a field that is no part of a record's content: ``Annotated[str, Incidental()]``.

    Two deliveries of one key that differ only in such fields are the same record.
    """


class Record(BaseModel):
    """Base of the records of a job: a frozen pydantic model.

    The validated fields are stored with the posting; numbers with a meaning are ``Decimal``.
    """

    model_config = ConfigDict(
        frozen=True, validate_by_name=True, validate_by_alias=True, extra="ignore"
    )
    incidental_fields: ClassVar[frozenset[str]] = frozenset()
    personal_fields: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.incidental_fields = frozenset(
            name
            for name, field in cls.model_fields.items()
            if any(isinstance(mark, Incidental) or mark is Incidental for mark in field.metadata)
        )
        cls.personal_fields = personal_fields(cls.__name__, cls.model_fields)


def spellings(model: type[Record]) -> dict[str, tuple[str, ...]]:
    """A record's fields, and what the input may call each; its own name comes first."""
    found = {}
    for name, field in model.model_fields.items():
        given = field.validation_alias if field.validation_alias is not None else field.alias
        choices = given.choices if isinstance(given, AliasChoices) else [given]
        found[name] = (name, *(each for each in choices if isinstance(each, str) and each != name))
    return found


def plain_names(model: type[Record]) -> frozenset[str]:
    """What the input may call the fields that are not personal."""
    return frozenset(
        each
        for name, every in spellings(model).items()
        if name not in model.personal_fields
        for each in every
    )


def _encode_other(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.__dict__
    return to_jsonable_python(value)


encode_value = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="string").encode
"""Any value of a record as canonical JSON: fields in their declared order, decimals as text."""


def content_of(record: Record) -> tuple[bytes, str | None]:
    """The record's fields as JSON, and the digest of its content where fields are left out of it.

    Where none is, the digest follows from the JSON and is not worth storing.
    """
    incidental = record.incidental_fields
    encoded = encode_value(record.__dict__)
    if not incidental:
        return encoded, None
    content = {name: value for name, value in record.__dict__.items() if name not in incidental}
    return encoded, digest_of(encode_value(content))


def digest_of(content: bytes, version: str = DIGEST_VERSION) -> str:
    """The versioned digest of a record's content."""
    return version + sha256(content).hexdigest()


def content_digest(encoded: bytes, digest: str | None) -> str:
    """The digest of a record's content, from its JSON and the digest that may stand beside it."""
    return digest if digest is not None else digest_of(encoded)


def same_content(record: Record, stored: bytes) -> bool:
    """Whether a stored record has the same values, if not the same text: 10.5 and 10.50."""
    try:
        other = type(record).model_validate_json(stored)
    except ValueError:
        return False
    return all(
        value == getattr(other, name)
        for name, value in record.__dict__.items()
        if name not in record.incidental_fields
    )


class RecordState(Struct, frozen=True):
    """The fold of a record's stream.

    Attributes:
        version: of its last event; 0 where there is none.
        posting: the posting in force.
        posting_version: its version; where none is in force, that of the one taken back last.
        postings: how often it has been posted.
        in_doubt: an attempt to call out whose outcome is not known.
        reversed_by: the reversal that took the last posting back, where none is in force.
        set_aside: why a reversal could not take the last posting back, and nobody has settled it.
        settled_for: the reversal for which a person has.
    """

    version: int = 0
    posting: RecordSucceeded | None = None
    posting_version: int = 0
    postings: int = 0
    in_doubt: RecordAttempted | None = None
    reversed_by: str | None = None
    set_aside: RecordReversalFailed | None = None
    settled_for: str | None = None


NEW = RecordState()


def evolve(state: RecordState, event: Event) -> RecordState:
    """The state after one more event."""
    version = state.version + 1
    match event:
        case RecordSucceeded():
            return RecordState(version, event, version, state.postings + 1)
        case RecordAttempted():
            return replace(state, version=version, in_doubt=event)
        case RecordFailed():
            return replace(state, version=version, in_doubt=None)
        case RecordReversed():
            return RecordState(
                version,
                posting_version=event.posted_version,
                postings=state.postings,
                reversed_by=event.reversal,
            )
        case RecordReversalFailed():
            return replace(state, version=version, set_aside=event, settled_for=None)
        case RecordReversalResolved():
            return replace(state, version=version, set_aside=None, settled_for=event.reversal)
        case _:
            return replace(state, version=version)


class Standing(Enum):
    """How a record that is to be posted stands to what its stream already holds."""

    FREE = "free"
    POSTED_HERE = "posted here"
    POSTED_ELSEWHERE = "posted elsewhere"
    CONFLICT = "conflict"
    IN_DOUBT = "in doubt"


def standing(
    state: RecordState,
    record: Record,
    digest: str,
    place: tuple[str, str, int],
    same: Callable[[Record, bytes], bool] = same_content,
) -> Standing:
    """Whether the record may be posted.

    Args:
        state: of the record's stream.
        record: the validated record.
        digest: its content's.
        place: run, partition and ordinal, to tell a repeated key from the same input record.
        same: whether a stored record has the same values, where the digests differ.
    """
    posting = state.posting
    if state.in_doubt is not None and state.in_doubt.run != place[0]:
        return Standing.IN_DOUBT
    if posting is None:
        return Standing.FREE
    if content_digest(posting.record, posting.digest) != digest and not same(
        record, bytes(posting.record)
    ):
        return Standing.CONFLICT
    if (posting.run, posting.partition, posting.ordinal) == place:
        return Standing.POSTED_HERE
    return Standing.POSTED_ELSEWHERE


def conflict_message(state: RecordState, job: str) -> str:
    """What a conflict of one of the job's keys says: which posting stands in the way."""
    posting = state.posting
    assert posting is not None, "a conflict is with a posting"
    return (
        f"the key was posted with other content by run {job}/{posting.run}, record "
        f"{posting.ordinal}: correct it with 'storno dead-letters edit', or discard it"
    )
