"""Drawing a chunk's records: read, validated in bulk, named by their keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, field
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from ..domain.errors import StornoError
from ..domain.events import RecordFailed
from ..domain.ids import (
    HASHED,
    ChunkId,
    InvalidKeyError,
    check_key,
    keyless_stream,
    record_names,
)
from ..domain.record import Record, content_of, encode_value, plain_names
from .job import Job
from .personal import Privacy, Sealing, own_subject
from .sources.base import Batch, Malformed

MAX_PAYLOAD_CHARACTERS = 20_000
"""What is kept of one text of a failed record; more says nothing to a person."""

CUT = " ... and {} more characters"
"""What stands for the rest."""


class Kept(NamedTuple):
    """What a record counts as without anything being written for it.

    Attributes:
        key: the one it was skipped under.
    """

    outcome: Literal["succeeded", "skipped", "failed", "discarded"]
    key: str | None = None


class Drawn(Struct):
    """A chunk's records, aligned by index: each has a stream, and a record or a failure.

    Attributes:
        chunk: which chunk it is.
        attempt: the run's attempt.
        first_ordinal: of the record at index 0.
        records: None where it failed already.
        keys: empty where there is none.
        streams: where each record's events go.
        failures: index to failure.
        batch: what was read.
        ordinals: given where the records are chosen ones, not consecutive.
        partition: of the input, whatever the chunk is called.
        hashed_keys: index to key, where the stream's name cannot hold it.
        sealing: of their personal fields; None where there are none.
        settled: index to what stands, where somebody has seen to the record's dead letter.
    """

    chunk: ChunkId
    attempt: int
    first_ordinal: int
    records: list[Record | None]
    keys: list[str]
    streams: list[str]
    failures: dict[int, RecordFailed]
    rows: Sequence[Any]
    location: Callable[[int], str]
    ordinals: Sequence[int] | None = None
    partition: str = ""
    hashed_keys: dict[int, str] = field(default_factory=dict)
    sealing: Sealing | None = None
    settled: Mapping[int, Kept] = field(default_factory=dict)

    def ordinal(self, index: int) -> int:
        """The record's number in its partition."""
        return self.first_ordinal + index if self.ordinals is None else self.ordinals[index]

    def all_ordinals(self) -> Sequence[int]:
        """The records' numbers, by index."""
        if self.ordinals is not None:
            return self.ordinals
        return range(self.first_ordinal, self.first_ordinal + len(self.records))

    def stored_key(self, index: int) -> str | None:
        """The key, where the stream's name cannot hold it."""
        return self.hashed_keys.get(index)

    def content(self, index: int) -> tuple[bytes, str | None]:
        """A valid record's fields as they are stored, and its digest where it does not follow."""
        record = self.records[index]
        assert record is not None, "only a valid record has content"
        return content_of(record) if self.sealing is None else self.sealing.content(index, record)

    def failed(
        self, index: int, error: str, message: str, *, tries: int = 1, **more: Any
    ) -> RecordFailed:
        """The failure of the record at an index."""
        record = self.records[index]
        raw = record.__dict__ if record is not None else self.rows[index]
        event = RecordFailed(
            run=self.chunk.run.name,
            partition=self.partition,
            chunk=self.chunk.label,
            ordinal=self.ordinal(index),
            attempt=self.attempt,
            key=self.stored_key(index),
            error=error,
            message=_cut(message),
            payload=payload(raw),
            location=_cut(self.location(index)),
            tries=tries,
            **more,
        )
        return event if self.sealing is None else self.sealing.failure(index, event)


def draw(
    job: Job,
    chunk: ChunkId,
    batch: Batch,
    *,
    attempt: int,
    partition: str,
    first_ordinal: int,
    ordinals: Sequence[int] | None = None,
    privacy: Privacy | None = None,
) -> Drawn:
    """Validate and name a batch's records; ``privacy`` is what their personal fields need."""
    drawn = Drawn(
        chunk, attempt, first_ordinal, [], [], [], {}, batch.rows, batch.location, ordinals,
        partition,
    )  # fmt: skip
    drawn.records = [None] * len(batch.rows)
    _validate(job, batch, drawn)
    _name(job, drawn)
    if privacy is not None:
        _seal(job, drawn, privacy)
    return drawn


def _seal(job: Job, drawn: Drawn, privacy: Privacy) -> None:
    """Seal what failed already, now that it is known whose keys are needed; then the rest."""
    run, partition = drawn.chunk.run, drawn.partition
    drawn.sealing = sealing = privacy.sealing(
        drawn.records,
        drawn.rows,
        lambda index: own_subject(run.job, run.name, partition, drawn.ordinal(index)),
    )
    for index, failure in drawn.failures.items():
        drawn.failures[index] = sealing.failure(index, failure)
    if callable(job.key):
        for index in range(len(drawn.records)):
            _refuse_personal_key(drawn, sealing, index)


def _refuse_personal_key(drawn: Drawn, sealing: Sealing, index: int) -> None:
    """A key is stored as it is, and so must not be made of what is personal."""
    if (
        drawn.records[index] is None
        or sealing.masked(index, drawn.keys[index]) == drawn.keys[index]
    ):
        return
    drawn.failures[index] = drawn.failed(
        index, "personal-key", "the key function makes the key of a personal field"
    )
    drawn.records[index] = None
    drawn.keys[index] = ""
    drawn.hashed_keys.pop(index, None)
    drawn.streams[index] = keyless_stream(drawn.chunk.run, drawn.partition, drawn.ordinal(index))
    drawn.failures[index] = msgspec.structs.replace(drawn.failures[index], key=None)


def _validate(job: Job, batch: Batch, drawn: Drawn) -> None:
    rows: list[Any] = batch.rows
    indexes: Sequence[int] = range(len(rows))
    if batch.malformed:
        for index, row in enumerate(rows):
            if isinstance(row, Malformed):
                drawn.failures[index] = drawn.failed(index, row.error, row.message)
        indexes = [index for index in indexes if index not in drawn.failures]
        rows = [rows[index] for index in indexes]
    try:
        valid = job.validate_many(rows)
    except ValidationError as error:
        faults = _faults(error, plain_names(job.model) if job.model.personal_fields else None)
        for position, message in faults.items():
            index = indexes[position]
            drawn.failures[index] = drawn.failed(index, "invalid-record", message)
        kept = [position for position in range(len(rows)) if position not in faults]
        indexes = [indexes[position] for position in kept]
        valid = job.validate_many([rows[position] for position in kept])
    if len(valid) == len(drawn.records):
        drawn.records[:] = valid
        return
    for index, record in zip(indexes, valid, strict=True):
        drawn.records[index] = record


def _faults(error: ValidationError, quotable: Collection[str] | None) -> dict[int, str]:
    """Position in the validated list to everything that is wrong with that record.

    Args:
        quotable: what the input calls the fields whose values may be quoted; None for all.
    """
    faults: dict[int, list[str]] = {}
    for fault in error.errors(include_url=False, include_context=False):
        position, *path = fault["loc"]
        where = ".".join(map(str, path)) or "record"
        may_quote = quotable is None or (bool(path) and path[0] in quotable)
        quotes = may_quote and fault["type"] != "missing"
        given = f" (got {_short(fault['input'])})" if quotes else ""
        faults.setdefault(int(position), []).append(f"{where}: {fault['msg']}{given}")
    return {position: "; ".join(messages) for position, messages in faults.items()}


def _short(value: object) -> str:
    text = ascii_safe(value)
    return text if len(text) <= 80 else text[:77] + "..."


def ascii_safe(value: object) -> str:
    """The value's repr, whatever it is: some objects cannot even be printed."""
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be printed>"


def _name(job: Job, drawn: Drawn) -> None:
    """Give every record its key and its stream; one without a usable key fails."""
    records = drawn.records
    try:
        drawn.keys = keys = list(map(job.key_of, records))  # type: ignore[arg-type]
    except Exception:  # some record failed already, or the key function did
        drawn.keys = keys = [_key(job, drawn, index) for index in range(len(records))]
    if not all(keys) or "\0" in "".join(keys):
        for index in range(len(keys)):
            _check_key(drawn, index)
    prefix = f"record/{job.name}/"
    names = record_names(keys)
    streams = [prefix + name for name in names]
    drawn.hashed_keys = {
        index: keys[index] for index, name in enumerate(names) if name.startswith(HASHED)
    }
    for index, key in enumerate(keys) if drawn.failures else ():
        if not key:
            streams[index] = keyless_stream(drawn.chunk.run, drawn.partition, drawn.ordinal(index))
    drawn.streams = streams
    for index, failure in drawn.failures.items():
        drawn.failures[index] = msgspec.structs.replace(failure, key=drawn.stored_key(index))


def _key(job: Job, drawn: Drawn, index: int) -> str:
    record = drawn.records[index]
    if record is None:
        return _readable_key(job, drawn.rows[index])
    try:
        key = job.key_of(record)
        if not isinstance(key, str):
            raise TypeError(f"the key must be text, not {type(key).__name__}")
    except Exception as error:
        drawn.failures[index] = drawn.failed(index, "invalid-key", describe(error))
        drawn.records[index] = None
        return ""
    return key


def _readable_key(job: Job, row: Any) -> str:
    """The key of a record that is not valid, where the raw row shows it plainly."""
    if not isinstance(job.key, str) or not isinstance(row, dict):
        return ""
    alias = job.model.model_fields[job.key].alias
    value = row.get(alias) if alias is not None and alias in row else row.get(job.key)
    return value if isinstance(value, str) and "\0" not in value else ""


def _check_key(drawn: Drawn, index: int) -> None:
    if index in drawn.failures:
        return
    try:
        check_key(drawn.keys[index])
    except InvalidKeyError as error:
        drawn.failures[index] = drawn.failed(index, "invalid-key", str(error))
        drawn.records[index] = None
        drawn.keys[index] = ""


def describe(error: BaseException) -> str:
    """An exception's message, whatever it is."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be printed"
    if isinstance(error, StornoError) and text:
        return text
    return text or type(error).__name__


def payload(raw: Any) -> msgspec.Raw:
    """What is known of a failed record, as JSON, with endless texts cut."""
    if isinstance(raw, Malformed):
        raw = raw.raw
    try:
        return msgspec.Raw(encode_value(_cut(raw)))
    except Exception:
        fallback = to_jsonable_python(raw, fallback=ascii_safe, inf_nan_mode="strings")
        return msgspec.Raw(encode_value(_cut(fallback)))


def _cut(value: Any) -> Any:
    if isinstance(value, Decimal) and len(text := str(value)) > MAX_PAYLOAD_CHARACTERS:
        value = text
    if isinstance(value, str):
        if len(value) > MAX_PAYLOAD_CHARACTERS:
            rest = len(value) - MAX_PAYLOAD_CHARACTERS
            value = value[:MAX_PAYLOAD_CHARACTERS] + CUT.format(rest)
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_cut(str(name)): _cut(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(item) for item in value]
    return value
