"""Names of runs, chunks, records and streams.

Names are readable and sequential on purpose: the store's index stays local when keys come in
order, and an auditor can read a stream's name. A part of a name is escaped so that the parts can
be told apart again: ``%``, ``/`` and everything unprintable becomes ``%XX`` per UTF-8 byte, and a
leading ``~`` is kept for storno's own names.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from .errors import StornoError

MAX_NAME_BYTES = 1024
"""A longer stream name is stored by its hash: PostgreSQL's index rows end at 2,704 bytes."""

HASHED = "~sha256:"


class InvalidKeyError(StornoError):
    """A key that cannot name a record: empty, or with a NUL character."""


def escape(part: str) -> str:
    """One part of a name, such that no two parts are escaped alike."""
    if part.isprintable() and not part.startswith("~") and "%" not in part and "/" not in part:
        return part
    return "".join(
        character
        if character.isprintable() and character not in "%/" and (index or character != "~")
        else quote_from_bytes(character.encode("utf-8", "surrogatepass"), safe="").replace(
            "~", "%7E"
        )
        for index, character in enumerate(part)
    )


def unescape(part: str) -> str:
    """What ``escape`` was given."""
    if "%" not in part:
        return part
    return unquote_to_bytes(part).decode("utf-8", "surrogatepass")


class RunId(Struct, frozen=True, order=True):
    """A run: the job's name and the run's own, both as they are written (escaped)."""

    job: str
    name: str

    def __str__(self) -> str:
        return f"{self.job}/{self.name}"

    @property
    def stream(self) -> str:
        """The stream of the run's own events."""
        return f"run/{self.job}/{self.name}"

    @property
    def chunks(self) -> str:
        """What the names of all the run's chunk streams begin with."""
        return f"chunk/{self.job}/{self.name}/"

    @classmethod
    def parse(cls, text: str) -> RunId:
        """Read ``<job>/<run>``, with or without the leading ``run/``."""
        job, _, name = text.removeprefix("run/").partition("/")
        if not job or not name or "/" in name:
            raise StornoError(f"{text!r} is no run: write <job>/<run>, as 'storno runs' prints it.")
        return cls(job, name)


class ReversalId(Struct, frozen=True, order=True):
    """A reversal, by its name."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def stream(self) -> str:
        """The stream of the reversal's own events."""
        return f"reversal/{self.name}"


class ChunkId(Struct, frozen=True, order=True):
    """A chunk: its run, its partition and its number in the partition, from 0."""

    run: RunId
    partition: str
    number: int

    @property
    def label(self) -> str:
        """Partition and number, zero-padded so that names sort in order."""
        return f"{self.partition}/{self.number:08d}"

    @property
    def stream(self) -> str:
        """The stream of the chunk's claims and outcomes."""
        return f"{self.run.chunks}{self.label}"

    @classmethod
    def parse(cls, stream: str) -> ChunkId:
        """Read the name of a chunk's stream."""
        _, job, run, partition, number = stream.split("/")
        return cls(RunId(job, run), partition, int(number))


def run_name(values: Sequence[object]) -> str:
    """The run's name from the values of its identifying parameters; ``once`` where it has none."""
    if not values:
        return "once"
    name = ",".join(escape(str(value).replace(",", "%2C")) or "~empty" for value in values)
    return shorten(name)


def shorten(name: str) -> str:
    """The name itself, or its hash where it is too long for an index."""
    encoded = name.encode()
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    return HASHED + sha256(encoded).hexdigest()


def check_key(key: str) -> str:
    """The key, or InvalidKeyError saying what is wrong with it."""
    if not key:
        raise InvalidKeyError("the key is empty: every record needs a business key of its own")
    if "\0" in key:
        raise InvalidKeyError(f"the key {key!r} holds a NUL character")
    return key


def record_names(keys: Sequence[str]) -> list[str]:
    """The last part of each key's stream name; one look at them all settles the usual case."""
    joined = "".join(keys)
    if (
        joined.isascii()
        and joined.isprintable()
        and not ("%" in joined or "/" in joined or "~" in joined)
        and max(map(len, keys), default=0) <= MAX_NAME_BYTES
    ):
        return list(keys)
    return [shorten(escape(key)) for key in keys]


def record_stream(job: str, key: str) -> str:
    """The stream of a record's whole life."""
    return f"record/{job}/{shorten(escape(key))}"


def keyless_stream(run: RunId, partition: str, ordinal: int) -> str:
    """Where a record without a usable key lives; user keys never begin with ``~`` unescaped."""
    return f"record/{run.job}/~{run.name}/{partition}/{ordinal}"


def key_of(stream: str, stored_key: str | None = None) -> str | None:
    """The business key of a record's stream; None where the record had no usable one."""
    if stored_key is not None:
        return stored_key
    name = stream.split("/", 2)[2]
    return None if name.startswith("~") else unescape(name)
