"""What is known of a dead letter's record, and whether that can be tried as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ..domain.errors import UsageError
from ..domain.events import RecordFailed
from ..domain.record import Record, encode_value, spellings
from ..domain.suggest import did_you_mean
from .draw import CUT, MAX_PAYLOAD_CHARACTERS
from .job import Job
from .letters import Letter
from .personal import Privacy, own_subject

RAW = "invalid-record"
"""The error of a record whose payload is what was read; of any other it is what it was made of."""

_CUT = re.compile(CUT.format(r"\d+") + "$")


def names(job: Job) -> dict[str, tuple[str, ...]]:
    """The record's fields, and what the input may call each."""
    return spellings(job.model)


def refusal(job: Job, letter: Letter) -> str | None:
    """Why it cannot be tried as it is, and what to do; None where it can."""
    row = letter.values
    if letter.closed:
        return (
            f"its {', '.join(letter.closed)} cannot be read: forgotten, or without its key. Set it "
            "with 'storno dead-letters edit' where you may, or discard it"
        )
    known = {each for every in names(job).values() for each in every}
    if not isinstance(row, dict) or not known.intersection(row):
        return (
            "the input held no record there, only text: set its fields with 'storno dead-letters "
            "edit', or mend the input and read it once more"
        )
    cut = [name for name, value in row.items() if name in known and _is_cut(value)]
    if cut:
        return (
            f"of its {', '.join(cut)} only the first {MAX_PAYLOAD_CHARACTERS:,} characters were "
            "kept: set it with 'storno dead-letters edit', or mend the input and read it once more"
        )
    return None


def _is_cut(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > MAX_PAYLOAD_CHARACTERS and _CUT.search(value) is not None
    if isinstance(value, dict):
        return any(map(_is_cut, value.values()))
    return isinstance(value, list) and any(map(_is_cut, value))


def strays(letter: Letter, record: Record) -> list[str]:
    """Fields that are not what they were when they are validated once more.

    A record that failed after it was validated is known by its fields. A model that converts
    what it reads, such as cents to euros, would convert them twice.
    """
    failed, correction = letter.letter.failed, letter.letter.correction
    before = letter.failed_values
    if not isinstance(failed, RecordFailed) or failed.error == RAW or not isinstance(before, dict):
        return []
    changed: Collection[str] = correction.changed if correction is not None else ()
    now = json.loads(encode_value(record.__dict__))
    return [
        name
        for name, value in now.items()
        if name in before and name not in changed and before[name] != value
    ]


def corrected(job: Job, letter: Letter, changes: Mapping[str, str]) -> dict[str, Any]:
    """The row with some fields set; each stays under the name that it had there.

    Raises:
        UsageError: a name is none of the record's fields.
    """
    row = dict(letter.values) if isinstance(letter.values, dict) else {}
    known = names(job)
    spelled = {each: every for every in known.values() for each in every}
    for name, value in changes.items():
        if name not in spelled:
            raise UsageError(
                f"the records of job {job.name} have no field {name!r}."
                f"{did_you_mean(name, spelled)} They have {', '.join(known)}."
            )
        places = [each for each in spelled[name] if each in row]
        row[places[0] if places else name] = value
        for other in places[1:]:
            del row[other]
    return row


def changed_fields(job: Job, letter: Letter, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields in which a row is not what failed, by their own names, as the record has them."""
    before = letter.failed_values if isinstance(letter.failed_values, dict) else {}
    return tuple(
        name for name, every in names(job).items() if _value(before, every) != _value(row, every)
    )


def _value(row: Mapping[str, Any], spelled: tuple[str, ...]) -> Any:
    return next((row[each] for each in spelled if each in row), None)


def stored(letter: Letter, row: dict[str, Any], privacy: Privacy | None) -> bytes:
    """A corrected row as it is stored; where nothing is changed, as it is stored already.

    What is sealed once more looks different each time.
    """
    if row == letter.values:
        return bytes(letter.letter.payload)
    encoded = encode_value(row)
    if privacy is None:
        return encoded
    failed = letter.letter.failed
    own = own_subject(letter.place.job, failed.run, failed.partition, failed.ordinal)
    return bytes(privacy.sealing([None], [row], lambda _: own).payload(0, msgspec.Raw(encoded)))
