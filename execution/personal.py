"""The one place that seals what is personal in a job's records.

``domain/personal.py`` says what is personal and how a sealed value looks, ``ciphers.py`` encrypts
it: AES-256-GCM, under a key for each person, which the key store gives out chunk by chunk.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct, field
from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..domain.entry import PostedEntry
from ..domain.events import RecordFailed, RecordSucceeded
from ..domain.personal import OUTPUT, TEXT, WHOLE, Mask
from ..domain.record import (
    PERSONAL_DIGEST_VERSION,
    Record,
    digest_of,
    encode_value,
    plain_names,
    same_content,
    spellings,
)
from ..domain.subject import OWN, SECRET_BYTES, SubjectKey, subject_of
from .ciphers import Cipher, Opener, asked
from .job import Job
from .journal import Journal


@dataclass(frozen=True)
class Privacy:
    """Seals what a job's model marks as personal.

    Attributes:
        lasting: whether keys are kept; what is only tried out gets some of its own.
    """

    journal: Journal
    job: Job
    lasting: bool = True

    @classmethod
    def of(cls, journal: Journal, job: Job, *, lasting: bool = True) -> Privacy | None:
        """None where the job marks nothing: then none of this costs anything."""
        return cls(journal, job, lasting) if job.model.personal_fields else None

    @cached_property
    def subject_fields(self) -> tuple[str, ...]:
        """The fields that say whom records are about."""
        return tuple(dict.fromkeys(self.job.model.personal_fields.values()))

    @cached_property
    def _subject_names(self) -> dict[str, str]:
        """What the input may call a personal field, to whom it is about."""
        known = spellings(self.job.model)
        return {
            each: subject
            for name, subject in self.job.model.personal_fields.items()
            for each in known[name]
        }

    def subject_of_column(self, name: str) -> str:
        """The field that says whom a column is about; of columns that are no field, the first."""
        return self._subject_names.get(name, self.subject_fields[0])

    def subject_in_row(self, row: Any, name: str) -> str | None:
        """Whom a row is about that is not valid, where it says so plainly."""
        adapter = self._adapters.get(name)
        if adapter is None or not isinstance(row, dict):
            return None
        given = [row[each] for each in spellings(self.job.model)[name] if each in row]
        try:
            return subject_of(name, adapter.validate_python(given[0])) if given else None
        except ValidationError:
            return None

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        """What validates a subject's field alone; not where the model has a function for it."""
        model = self.job.model
        decorated = model.__pydantic_decorators__
        functions = [*decorated.field_validators.values()]
        if decorated.model_validators or decorated.validators:
            return {}
        touched = {name for each in functions for name in each.info.fields}
        strip = model.model_config.get("str_strip_whitespace", False)
        return {
            name: TypeAdapter(
                model.model_fields[name].rebuild_annotation(),
                config=ConfigDict(str_strip_whitespace=strip),
            )
            for name in self.subject_fields
            if not touched.intersection((name, "*"))
        }

    def ciphers(self, subjects: Sequence[str]) -> dict[str, Cipher]:
        """The keys of these subjects, made where they have none."""
        keys = self.journal.keys
        ask = keys.make if self.lasting else keys.find
        found = dict(asked(self.journal, lambda: ask(subjects)))
        for each in subjects:
            if each not in found:
                found[each] = _passing_key()
        return {subject: Cipher(key) for subject, key in found.items()}

    def sealing(
        self, records: Sequence[Record | None], rows: Sequence[Any], own: Callable[[int], str]
    ) -> Sealing:
        """What seals these records.

        Args:
            records: the valid ones; None where one is not.
            rows: as they were read, for those.
            own: index to what stands for a record's subject where it has none.
        """
        return Sealing(self, records, rows, own)


def own_subject(job: str, run: str, partition: str, ordinal: int) -> str:
    """What stands for the subject of a record that does not say whom it is about."""
    return f"{OWN}={job}/{run}/{partition}/{ordinal}"


class Sealing(Struct):
    """Seals the personal fields of some records, which are named by their indexes."""

    _privacy: Privacy
    _records: Sequence[Record | None]
    _rows: Sequence[Any]
    _own: Callable[[int], str]
    _ciphers: dict[str, Cipher] = field(default_factory=dict)

    def chosen(self, kept: Sequence[int]) -> Sealing:
        """For some of the records, which are counted anew."""
        records = [self._records[index] for index in kept]
        rows = [self._rows[index] for index in kept]
        own = self._own
        return Sealing(self._privacy, records, rows, lambda at: own(kept[at]), self._ciphers)

    def content(self, index: int, record: Record) -> tuple[bytes, str]:
        """A record's fields as they are stored, and the digest of its content."""
        values = record.__dict__
        stored = dict(values)
        content = {name: values[name] for name in values if name not in record.incidental_fields}
        for name, by in record.personal_fields.items():
            cipher, plain = self._cipher(index, by), encode_value(values[name])
            stored[name] = cipher.seal(name, plain)
            if name in content:
                content[name] = cipher.digest(name, plain)
        return encode_value(stored), digest_of(encode_value(content), PERSONAL_DIGEST_VERSION)

    def same(self, record: Record, stored: bytes) -> bool:
        """Whether a stored record has the same values; what was erased of it agrees with any."""
        document = Opener(self._privacy.journal).document(stored)
        if document.locked:
            return False
        ours = json.loads(encode_value(record.__dict__))
        values = document.values | {name: ours[name] for name in document.erased if name in ours}
        return same_content(record, encode_value(values))

    def success(self, index: int, record: Record, event: RecordSucceeded) -> RecordSucceeded:
        """A posting: its record sealed, and so are texts of entries and an output that quote it."""
        encoded, digest = self.content(index, record)
        return msgspec.structs.replace(
            event,
            record=msgspec.Raw(encoded),
            digest=digest,
            entries=tuple(self._entry(index, entry) for entry in event.entries),
            output=self.output(index, event.output),
        )

    def _entry(self, index: int, entry: PostedEntry) -> PostedEntry:
        if not entry.text:
            return entry
        return msgspec.structs.replace(entry, text=self._sealed(index, TEXT, entry.text))

    def output(self, index: int, output: msgspec.Raw) -> msgspec.Raw:
        """An effect's output; sealed where it quotes the record."""
        if not bytes(output):
            return output
        value = json.loads(bytes(output))
        sealed = self._sealed(index, OUTPUT, value)
        return output if sealed is value else msgspec.Raw(encode_value(sealed))

    def _sealed(self, index: int, name: str, value: Any) -> Any:
        """A value, sealed for each person of whom something stands in it."""
        text = value if isinstance(value, str) else json.dumps(value)
        for by, values in self._by_subject(index):
            if Mask(values).finds(text):
                value = self._cipher(index, by).seal(name, encode_value(value))
        return value

    def failure(self, index: int, event: RecordFailed) -> RecordFailed:
        """A failure: its payload sealed, and what it says without anything personal."""
        return msgspec.structs.replace(
            event,
            payload=self.payload(index, event.payload),
            message=self.masked(index, event.message),
            location=self.masked(index, event.location),
        )

    def payload(self, index: int, payload: msgspec.Raw) -> msgspec.Raw:
        """What is known of a record, sealed; of one that no row could be read from, the whole."""
        if self._records[index] is None and not isinstance(self._rows[index], dict):
            cipher = self._cipher(index, self._privacy.subject_fields[0])
            return msgspec.Raw(encode_value(cipher.seal(WHOLE, bytes(payload))))
        row = json.loads(bytes(payload))
        for name in self._personal(index).keys() & row.keys():
            cipher = self._cipher(index, self._privacy.subject_of_column(name))
            row[name] = cipher.seal(name, encode_value(row[name]))
        return msgspec.Raw(encode_value(row))

    def masked(self, index: int, text: str) -> str:
        """A text without the record's personal values."""
        return Mask(self._personal(index))(text)

    def masked_of_all(self, text: str) -> str:
        """A text without the personal values of any of the records."""
        for index in range(len(self._records)):
            text = self.masked(index, text)
        return text

    def _personal(self, index: int) -> dict[str, Any]:
        """The personal values of a record, or of the row that is not one."""
        record, row = self._records[index], self._rows[index] if self._rows else None
        if record is not None:
            return {name: getattr(record, name) for name in record.personal_fields}
        if isinstance(row, dict):
            plain = plain_names(self._privacy.job.model)
            return {str(name): value for name, value in row.items() if name not in plain}
        words = re.findall(r"\w[^\s,;|\t\"']*\w", str(getattr(row, "raw", row)))
        return {WHOLE: words}

    def _by_subject(self, index: int) -> Iterator[tuple[str, dict[str, Any]]]:
        values, fields = self._personal(index), self._privacy.job.model.personal_fields
        for by in self._privacy.subject_fields:
            yield by, {name: value for name, value in values.items() if fields[name] == by}

    def _cipher(self, index: int, by: str) -> Cipher:
        subject = self._subject(index, by)
        if subject not in self._ciphers:
            self._ciphers |= self._privacy.ciphers(list(self._subjects()))
        return self._ciphers[subject]

    def _subjects(self) -> Iterable[str]:
        """Of all the records: their keys are asked for at once."""
        return dict.fromkeys(
            self._subject(index, by)
            for index in range(len(self._records))
            for by in self._privacy.subject_fields
        )

    def _subject(self, index: int, by: str) -> str:
        record = self._records[index]
        if record is not None:
            return subject_of(by, getattr(record, by)) or self._own(index)
        return self._privacy.subject_in_row(self._rows[index], by) or self._own(index)


def _passing_key() -> SubjectKey:
    """A key for what is only tried out."""
    return SubjectKey("tried-out", os.urandom(SECRET_BYTES))
