"""A proof that events stand in the log under a checkpoint, to be checked with no store at hand.

Of each event two paths: from its leaf to the Merkle root of its commit, and from the commit's leaf
to the root of the log, which the checkpoint names. All that is hashed on the way stands in the
file as it is stored, so that whoever checks recomputes everything and believes nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from .errors import CheckFailedError
from .seal import commit_leaf, event_leaf
from .tree import root_from_path

FORMAT: Final = "storno-proof/1"

Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""What the store's columns can hold."""


class ProvedCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A commit's numbers, and its way to the root of the log.

    Attributes:
        number: from 1; its leaf is the log's number - 1.
        first_position: position of its first event.
        count: how many events it holds.
        recorded_at: microseconds since 1970-01-01 UTC.
        previous_chain: the chain hash of the commit before it.
        path: RFC 6962's path of inclusion, lowest first.
    """

    number: Number
    first_position: Number
    count: Number
    recorded_at: Number
    previous_chain: bytes
    path: tuple[bytes, ...]


class ProvedEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as it is stored, and its way to the root of its commit.

    Attributes:
        position: in the log; the event's leaf is its commit's position - first_position.
        path: RFC 6962's path of inclusion, lowest first.
    """

    stream: str
    version: Number
    topic: str
    state: bytes
    position: Number
    path: tuple[bytes, ...]
    commit: ProvedCommit

    def root(self, size: int) -> bytes:
        """The root of the log of that many commits to which all of this leads.

        Raises:
            ValueError: numbers and paths do not fit each other.
        """
        commit = self.commit
        event = event_leaf(self.stream, self.version, self.topic, self.state)
        index = self.position - commit.first_position
        root = root_from_path(event, index, commit.count, self.path)
        leaf = commit_leaf(
            commit.number, commit.first_position, commit.count, commit.recorded_at,
            root, commit.previous_chain,
        )  # fmt: skip
        return root_from_path(leaf, commit.number - 1, size, commit.path)


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file of a proof holds, as JSON; bytes are base64.

    Attributes:
        checkpoint: the text of the checkpoint, whole, with its signatures if it has any.
        events: at least one.
    """

    format: Literal["storno-proof/1"]
    checkpoint: str
    events: tuple[ProvedEvent, ...]


class ProofFailedError(CheckFailedError):
    """A proof does not prove what it says."""


def write_proof(proof: Proof) -> bytes:
    """The file's bytes."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=2) + b"\n"


def read_proof(data: bytes) -> Proof:
    """What a file holds; its claims are not checked.

    Raises:
        ProofFailedError: it is no proof, or anything in it is written as storno does not write it.
    """
    try:
        proof = msgspec.json.decode(data, type=Proof)
        written: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofFailedError(f"this is no proof of the format {FORMAT}: {error}.") from None
    # One spelling only: base64 has bits to spare at its end, which would go unnoticed.
    if msgspec.json.decode(msgspec.json.encode(proof)) != written:
        raise ProofFailedError("a value is not spelled as storno spells it: the file was changed.")
    if not proof.events:
        raise ProofFailedError("the proof names no event.")
    return proof


def check_events(proof: Proof, size: int, root: bytes) -> None:
    """See that every event of a proof stands in the log with this root.

    Args:
        size: how many commits the checkpoint counts.
        root: the root that it names, 32 bytes.

    Raises:
        ProofFailedError: one does not.
    """
    for event in proof.events:
        named = f"version {event.version} of {event.stream}"
        try:
            found = event.root(size)
        except ValueError as error:
            raise ProofFailedError(f"{named}: {error}.") from None
        if found != root:
            raise ProofFailedError(
                f"{named}: what the file says does not lead to the checkpoint's root. The event, "
                "its commit's numbers, a path or the checkpoint is not what it was."
            )
