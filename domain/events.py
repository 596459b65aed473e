"""The events. THE STORAGE FORMAT: what is written here is read for as long as a store lives.

An event's state is its JSON; stream and version stand beside it in the store, the time in its
commit. A change of a field's meaning is a new class with a new topic, and an upcaster from the
old one; ``tests/domain/test_frozen_events.py`` keeps a sample of every version ever stored.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from .entry import PostedEntry

Offset = dict[str, int | str]
"""Where a record begins in its source; only the source reads it."""


NO_OUTPUT = msgspec.Raw()
"""Left out of the stored state; msgspec cannot read a raw value that may also be null."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all events."""

    TOPIC: ClassVar[str]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acted: the name that was given, and the operating system's user and host beside it."""

    name: str
    os_user: str
    host: str


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A process, such that it can be told from every other: also from a later one with its pid."""

    host: str
    boot_id: str
    pid: int
    process_started: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Counts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Outcomes of records; ``read`` is always the sum of the others."""

    read: int = 0
    succeeded: int = 0
    skipped: int = 0
    failed: int = 0
    discarded: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            read=self.read + other.read,
            succeeded=self.succeeded + other.succeeded,
            skipped=self.skipped + other.skipped,
            failed=self.failed + other.failed,
            discarded=self.discarded + other.discarded,
        )


class RunStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A run's first attempt begins."""

    TOPIC: ClassVar[str] = "storno.RunStarted.v1"
    attempt: int
    identity: str
    parameters: dict[str, Any]
    source: dict[str, Any]
    code: str
    worker: Worker
    actor: Actor
    book: str


class RunResumed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A further attempt begins. ``why``: resume, takeover or again.

    ``again_from`` is the number of the first chunk of an attempt that reads every record anew.
    """

    TOPIC: ClassVar[str] = "storno.RunResumed.v1"
    attempt: int
    code: str
    worker: Worker
    actor: Actor
    why: str
    again_from: int | None = None
    reason: str = ""


class RunStopRequested(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asked the run to stop at the end of its current chunk."""

    TOPIC: ClassVar[str] = "storno.RunStopRequested.v1"
    actor: Actor
    reason: str


class RunStopped(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The attempt ended before the input did; a resume goes on."""

    TOPIC: ClassVar[str] = "storno.RunStopped.v1"
    attempt: int
    why: str


class RunCompleted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Every record of the input has its outcome. ``totals``: minor units debited per currency."""

    TOPIC: ClassVar[str] = "storno.RunCompleted.v1"
    attempt: int
    counts: Counts
    totals: dict[str, int] = {}


class RunFailed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The attempt ended by a fault. ``error`` is a stable code."""

    TOPIC: ClassVar[str] = "storno.RunFailed.v1"
    attempt: int
    error: str
    message: str


class RunAbandoned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody ended the run for good."""

    TOPIC: ClassVar[str] = "storno.RunAbandoned.v1"
    actor: Actor
    reason: str


class ChunkStarted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A claim: this worker works on the records from ``first_offset`` on.

    ``actor`` is who had dead letters tried again, and ``code`` the digest of the job's code then;
    of other chunks the run's attempt knows both.
    """

    TOPIC: ClassVar[str] = "storno.ChunkStarted.v1"
    attempt: int
    worker: str
    lease_seconds: float
    first_offset: Offset
    first_ordinal: int
    actor: Actor | None = None
    code: str | None = None


class ChunkCompleted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The chunk's records are committed with it.

    ``digest`` is the SHA-256 of the input between the offsets, ``position`` how far the source has
    been read (in the unit of its size), ``totals`` the minor units debited per currency,
    ``controls`` what the job's control totals have summed in this chunk, ``kept`` the ordinals of
    records that count as failed or discarded because their dead letters stay as a person left them.
    """

    TOPIC: ClassVar[str] = "storno.ChunkCompleted.v1"
    attempt: int
    first_offset: Offset
    next_offset: Offset
    first_ordinal: int
    counts: Counts
    digest: str | None = None
    position: int | None = None
    totals: dict[str, int] = {}
    controls: dict[str, str] = {}
    skipped_keys: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()


class ChunkFailed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The chunk's records were read, and none was committed."""

    TOPIC: ClassVar[str] = "storno.ChunkFailed.v1"
    attempt: int
    first_offset: Offset
    next_offset: Offset
    first_ordinal: int
    read: int
    error: str
    message: str
    tries: int
    digest: str | None = None


class RecordEvent(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what happens to a record: its place in the input, and the chunk it came with.

    ``chunk`` is ``<partition>/<number>``, the end of the chunk's stream name. ``key`` is given
    only where the stream's name cannot hold it (over 1,024 bytes).
    """

    run: str
    partition: str
    chunk: str
    ordinal: int
    attempt: int
    key: str | None = None


class RecordAttempted(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The job is about to call out for this record: without an outcome it stays in doubt."""

    TOPIC: ClassVar[str] = "storno.RecordAttempted.v1"
    idempotency_key: str
    record: msgspec.Raw


class RecordSucceeded(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The record is posted: its validated fields, its entries, and its effect's stored output.

    ``digest`` is its content's, where that is not simply the digest of ``record``; ``output`` is
    ``NO_OUTPUT`` where the record had no effect. ``moved_from`` is the stream of the dead letter
    whose key was corrected to this one.
    """

    TOPIC: ClassVar[str] = "storno.RecordSucceeded.v1"
    record: msgspec.Raw
    digest: str | None = None
    entries: tuple[PostedEntry, ...] = ()
    output: msgspec.Raw = NO_OUTPUT
    moved_from: str | None = None


class RecordFailed(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """The record failed for good: a dead letter.

    ``error`` is a stable code or the exception's class; ``payload`` what is known of the record;
    ``posted_version`` names the posting that a key conflict is with; ``moved_from`` the stream in
    which the dead letter was, where its key was corrected to this one.
    """

    TOPIC: ClassVar[str] = "storno.RecordFailed.v1"
    error: str
    message: str
    payload: msgspec.Raw
    location: str = ""
    tries: int = 1
    digest: str | None = None
    posted_version: int | None = None
    moved_from: str | None = None


class RecordCorrected(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person mended a dead letter; what failed stays as it was, in the event before.

    ``failed_version`` names the failing event, ``payload`` is the whole record as it is to be
    tried, ``changed`` the fields that differ, ``moved_to`` the key it will have where that is
    another one now.
    """

    TOPIC: ClassVar[str] = "storno.RecordCorrected.v1"
    failed_version: int
    payload: msgspec.Raw
    changed: tuple[str, ...]
    actor: Actor
    reason: str
    moved_to: str | None = None


class RecordDiscarded(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person gave a dead letter up: the record is not posted.

    ``counted``: whether the run's totals count it as failed. They do not where only chosen keys
    were worked on, or where a pass through the input that is under way has yet to come to it.
    """

    TOPIC: ClassVar[str] = "storno.RecordDiscarded.v1"
    failed_version: int
    actor: Actor
    reason: str
    counted: bool = True


class RecordResolved(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A dead letter was tried again and went through, without a posting in this stream.

    It was posted with the key ``moved_to``, or was posted before with the same content
    (``skipped``).
    """

    TOPIC: ClassVar[str] = "storno.RecordResolved.v1"
    failed_version: int
    moved_to: str | None = None
    skipped: bool = False


class RecordReversed(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A posting is taken back: the entries that do it, and what the handler says it did.

    The record's place is that of the posting; ``chunk`` and ``attempt`` are the reversal's.
    ``posted_version`` names the posting in the same stream.
    """

    TOPIC: ClassVar[str] = "storno.RecordReversed.v1"
    reversal: str
    posted_version: int
    entries: tuple[PostedEntry, ...] = ()
    output: msgspec.Raw = NO_OUTPUT


class RecordReversalFailed(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A posting could not be taken back: a dead letter of the reversal. ``error`` as elsewhere."""

    TOPIC: ClassVar[str] = "storno.RecordReversalFailed.v1"
    reversal: str
    posted_version: int
    error: str
    message: str
    record: msgspec.Raw
    tries: int = 1


class RecordReversalResolved(RecordEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A person settled outside of storno what a reversal could not take back."""

    TOPIC: ClassVar[str] = "storno.RecordReversalResolved.v1"
    reversal: str
    failed_version: int
    actor: Actor
    reason: str


class RunReversing(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A reversal begins to take back what the run posted: it cannot go on meanwhile."""

    TOPIC: ClassVar[str] = "storno.RunReversing.v1"
    reversal: str


class RunReversed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A reversal ended. ``standing``: how many of the run's postings are still in force."""

    TOPIC: ClassVar[str] = "storno.RunReversed.v1"
    reversal: str
    reversed: int
    standing: int


EVENTS: tuple[type[Event], ...] = (
    RunStarted,
    RunResumed,
    RunStopRequested,
    RunStopped,
    RunCompleted,
    RunFailed,
    RunAbandoned,
    ChunkStarted,
    ChunkCompleted,
    ChunkFailed,
    RecordAttempted,
    RecordSucceeded,
    RecordFailed,
    RecordCorrected,
    RecordDiscarded,
    RecordResolved,
    RecordReversed,
    RecordReversalFailed,
    RecordReversalResolved,
    RunReversing,
    RunReversed,
)
