"""Checkpoints of the log: its size and its root on three lines, as C2SP's tlog-checkpoint has them.

Somebody keeps a checkpoint where whoever can write to the store cannot; from then on the log can
only grow, or be found out.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .errors import CheckFailedError, UsageError
from .note import (
    NoteError,
    PrivateKey,
    PublicKey,
    Signature,
    base64_text,
    from_base64,
    read_note,
    write_note,
)

ROOT_BYTES: Final = 32
LEAST_LINES: Final = 3

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointError(CheckFailedError):
    """A checkpoint cannot be read, or is not signed by the key that it should be."""


class Checkpoint(Struct, frozen=True):
    """Where a log stood.

    Attributes:
        origin: which log; also the name of the key that signs its checkpoints.
        size: how many commits it held.
        root: of RFC 6962's tree over the commits' chain hashes, 32 bytes.
        extensions: lines below these, as others may write them; never empty ones.
        signatures: over the body; nobody has checked them yet.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()

    @property
    def body(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), base64_text(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @property
    def text(self) -> str:
        """The whole file: the body alone where it is not signed."""
        return write_note(self.body, self.signatures)

    def signed(self, key: PrivateKey) -> Checkpoint:
        """The same with the key's signature.

        Raises:
            UsageError: the key is of another log.
        """
        if key.name != self.origin:
            raise UsageError(
                f"the key is {key.name}'s, and this is the log {self.origin}: sign with the key "
                "that `storno audit keygen` made for this store."
            )
        return replace(self, signatures=(*self.signatures, key.sign(self.body)))

    def verify(self, key: PublicKey) -> None:
        """See that the key signed it. Signatures of other keys do not count, as C2SP says.

        Raises:
            CheckpointError: it did not.
        """
        if key.name != self.origin:
            raise CheckpointError(
                f"the key is {key.name}'s, and the checkpoint is of {self.origin}: name the "
                "public key of that store."
            )
        own = [each for each in self.signatures if _is_named(each, key)]
        if not own:
            signed_by = ", ".join(f"{s.name}+{s.key_id.hex()}" for s in self.signatures)
            raise CheckpointError(
                f"the checkpoint of {self.origin} is not signed by the key "
                f"{key.name}+{key.key_id.hex()}; "
                + (f"it is signed by {signed_by}." if signed_by else "nobody signed it.")
            )
        if not all(key.verify(self.body, each) for each in own):
            raise CheckpointError(
                f"the signature of the checkpoint of {self.origin} is false: its text was changed "
                "after it was signed, or somebody else signed it."
            )


def origin_of(store_id: str) -> str:
    """The origin of a store's checkpoints."""
    return f"storno/{store_id}"


def parse(data: str | bytes) -> Checkpoint:
    """The checkpoint of a file, signed or not; its signatures are not checked.

    Raises:
        CheckpointError: it is none, or not written exactly as ``Checkpoint.text`` writes it.
    """
    try:
        body, signatures = read_note(data if isinstance(data, str) else data.decode())
        origin, size, root, extensions = _lines(body)
    except (ValueError, NoteError) as error:
        raise CheckpointError(
            f"this is no checkpoint: {error}. A checkpoint is what `storno audit checkpoint` "
            "wrote, unchanged."
        ) from None
    return Checkpoint(origin, size, root, extensions, signatures)


def _lines(body: str) -> tuple[str, int, bytes, tuple[str, ...]]:
    """What a body's lines say.

    Raises:
        ValueError: it is not the body of a checkpoint.
    """
    lines = body.removesuffix("\n").split("\n")
    if len(lines) < LEAST_LINES or not all(lines):
        raise ValueError("it is not an origin, a size and a root, each on a line")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise ValueError(f"{size!r} is no size")
    if len(from_base64(root)) != ROOT_BYTES:
        raise ValueError(f"{root!r} is no SHA-256 hash")
    return origin, int(size), from_base64(root), tuple(extensions)


def _is_named(signature: Signature, key: PublicKey) -> bool:
    return (signature.name, signature.key_id) == (key.name, key.key_id)
