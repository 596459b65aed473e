"""The dead letter: a record that failed for good and waits for a person.

A record's stream holds the dead letters of every input record with its key, each named by its
place: run, partition and ordinal. A dead letter is also settled by a later pass of its run through
the input, which need not write to this stream: the view knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .errors import NotAllowedError, UsageError
from .events import (
    Actor,
    Event,
    RecordAttempted,
    RecordCorrected,
    RecordDiscarded,
    RecordFailed,
    RecordResolved,
    RecordReversalFailed,
    RecordReversalResolved,
    RecordReversed,
    RecordSucceeded,
)

Place = tuple[str, str, int]
"""Run, partition and ordinal; ``reversal/<id>`` stands for the run of what was not taken back."""


class Status(StrEnum):
    """Where a dead letter stands."""

    OPEN = "open"
    CORRECTED = "corrected"
    DISCARDED = "discarded"
    RESOLVED = "resolved"


class DeadLetter(Struct, frozen=True):
    """The fold of what a record's stream says about one place.

    Attributes:
        failed: its last failure, and that event's version.
        correction: the last since that failure.
        in_doubt: it was attempted anew and no outcome followed.
    """

    status: Status
    failed: RecordFailed | RecordReversalFailed
    failed_version: int
    correction: RecordCorrected | None = None
    in_doubt: bool = False

    @property
    def payload(self) -> msgspec.Raw:
        """What is to be tried: as corrected, else as it failed."""
        if self.correction is not None:
            return self.correction.payload
        return self.failed_payload

    @property
    def failed_payload(self) -> msgspec.Raw:
        """What failed."""
        failed = self.failed
        return failed.record if isinstance(failed, RecordReversalFailed) else failed.payload

    @property
    def waits(self) -> bool:
        """Whether it is still to be settled."""
        return self.status in (Status.OPEN, Status.CORRECTED)


OF_REVERSALS = "reversal"
"""Stands for the job where a dead letter is a reversal's; no job is called so."""


def of_reversal(reversal: str) -> str:
    """What stands for the run in the place of what a reversal could not take back."""
    return f"{OF_REVERSALS}/{reversal}"


def fold(events: Iterable[Event]) -> dict[Place, DeadLetter]:
    """The dead letters in a record's stream, by place, from all its events."""
    letters: dict[Place, DeadLetter] = {}
    for version, event in enumerate(events, 1):
        _evolve(letters, version, event)
    return letters


def _evolve(letters: dict[Place, DeadLetter], version: int, event: Event) -> None:
    match event:
        case RecordFailed(run=run, partition=partition, ordinal=ordinal):
            letters[run, partition, ordinal] = DeadLetter(Status.OPEN, event, version)
        case RecordReversalFailed(reversal=reversal, partition=partition, ordinal=ordinal):
            place = (of_reversal(reversal), partition, ordinal)
            letters[place] = DeadLetter(Status.OPEN, event, version)
        case RecordCorrected(run=run, partition=partition, ordinal=ordinal):
            _change(letters, (run, partition, ordinal), status=Status.CORRECTED, correction=event)
        case RecordDiscarded(run=run, partition=partition, ordinal=ordinal):
            _change(letters, (run, partition, ordinal), status=Status.DISCARDED)
        case RecordAttempted(run=run, partition=partition, ordinal=ordinal):
            _change(letters, (run, partition, ordinal), in_doubt=True)
        case (
            RecordSucceeded(run=run, partition=partition, ordinal=ordinal)
            | RecordResolved(run=run, partition=partition, ordinal=ordinal)
        ):
            _change(letters, (run, partition, ordinal), status=Status.RESOLVED, in_doubt=False)
        case (
            RecordReversed(reversal=reversal, partition=partition, ordinal=ordinal)
            | RecordReversalResolved(reversal=reversal, partition=partition, ordinal=ordinal)
        ):
            place = (of_reversal(reversal), partition, ordinal)
            _change(letters, place, status=Status.RESOLVED)
        case _:
            pass


def _change(letters: dict[Place, DeadLetter], place: Place, **changes: Any) -> None:
    if place in letters:
        letters[place] = replace(letters[place], **changes)


def correct(
    letter: DeadLetter,
    payload: bytes,
    changed: tuple[str, ...],
    actor: Actor,
    reason: str,
    *,
    moved_to: str | None = None,
) -> tuple[Event, ...]:
    """Mend what is to be tried; nothing where it is that already.

    Args:
        payload: the whole record as it is to be tried, JSON.
        changed: the fields that differ from what was to be tried so far.
        moved_to: the key it has by that, where it is another one.

    Raises:
        NotAllowedError: it is posted or discarded, or may have been carried out.
        UsageError: no reason.
    """
    _give_reason(reason, "correcting")
    failed = letter.failed
    if isinstance(failed, RecordReversalFailed):
        raise NotAllowedError(
            "what a reversal could not take back is posted, and not corrected: mend the cause and "
            f"execute reversal {failed.reversal} again, or settle it with 'dead-letters discard'."
        )
    if letter.status is Status.RESOLVED:
        raise NotAllowedError(
            "the dead letter is resolved: its record is posted, and what is posted is reversed, "
            "not edited."
        )
    if letter.status is Status.DISCARDED:
        raise NotAllowedError("the dead letter is discarded: it was given up, for good.")
    _refuse_doubt(letter, "corrected")
    if payload == bytes(letter.payload):
        return ()
    return (
        RecordCorrected(
            **_place_of(failed),
            failed_version=letter.failed_version,
            payload=msgspec.Raw(payload),
            changed=changed,
            actor=actor,
            reason=reason,
            moved_to=moved_to,
        ),
    )


def discard(
    letter: DeadLetter, actor: Actor, reason: str, *, counted: bool = True
) -> tuple[Event, ...]:
    """Give a dead letter up; nothing where it has been.

    What a reversal could not take back is settled by that: a person saw to it elsewhere.

    Args:
        counted: whether the run's totals count it as failed.

    Raises:
        NotAllowedError: it is posted, or may have been carried out.
        UsageError: no reason.
    """
    _give_reason(reason, "discarding")
    failed = letter.failed
    if isinstance(failed, RecordReversalFailed):
        if letter.status is Status.RESOLVED:
            return ()
        return (
            RecordReversalResolved(
                **_place_of(failed),
                reversal=failed.reversal,
                failed_version=letter.failed_version,
                actor=actor,
                reason=reason,
            ),
        )
    if letter.status is Status.DISCARDED:
        return ()
    if letter.status is Status.RESOLVED:
        raise NotAllowedError(
            "the dead letter is resolved: its record is posted, there is nothing to discard."
        )
    _refuse_doubt(letter, "discarded")
    return (
        RecordDiscarded(
            **_place_of(failed),
            failed_version=letter.failed_version,
            actor=actor,
            reason=reason,
            counted=counted,
        ),
    )


def resolve(
    letter: DeadLetter, chunk: str, *, moved_to: str | None, skipped: bool
) -> RecordResolved:
    """It was tried again, in this chunk, and went through without a posting in its stream."""
    failed = letter.failed
    return RecordResolved(
        **(_place_of(failed) | {"chunk": chunk}),
        failed_version=letter.failed_version,
        moved_to=moved_to,
        skipped=skipped,
    )


def _place_of(failed: RecordFailed | RecordReversalFailed) -> dict[str, Any]:
    return {
        "run": failed.run,
        "partition": failed.partition,
        "chunk": failed.chunk,
        "ordinal": failed.ordinal,
        "attempt": failed.attempt,
        "key": failed.key,
    }


def _give_reason(reason: str, act: str) -> None:
    if not reason.strip():
        raise UsageError(f"{act} a dead letter needs a reason: add --reason TEXT.")


def _refuse_doubt(letter: DeadLetter, act: str) -> None:
    if letter.in_doubt:
        raise NotAllowedError(
            "the record was called out for once more and its outcome is not known, so it cannot "
            f"be {act}: retry it first, with the same idempotency key it will be found out."
        )
