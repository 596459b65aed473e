"""Signed notes and their Ed25519 keys, as C2SP's signed-note describes them.

A note is a text that ends in a newline, then an empty line, then signature lines. Keys are written
as the reference implementation (golang.org/x/mod/sumdb/note) writes them, on one line with the
key's name in it, so that other people's tools read them too:
``<name>+<key id>+<base64>``, a private one behind ``PRIVATE+KEY+``.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from msgspec import Struct

from .errors import CheckFailedError, UsageError

MOST_SIGNATURES: Final = 100
"""As many as the reference implementation reads; C2SP asks for 16 at least."""

SEED_BYTES: Final = 32

_ED25519: Final = b"\x01"
_DASH: Final = "\u2014 "
_PRIVATE: Final = "PRIVATE+KEY+"
_KEY_ID_BYTES: Final = 4


class NoteError(CheckFailedError):
    """A note is not written as a note is, or its signature is not the key's."""


class Signature(Struct, frozen=True):
    """One signature line.

    Attributes:
        name: of the key.
        key_id: 4 bytes, which with the name tell keys apart.
        value: what the key's algorithm made of the text; 64 bytes from Ed25519.
    """

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {base64_text(self.key_id + self.value)}\n"


class PublicKey(Struct, frozen=True):
    """What signatures are checked with.

    Attributes:
        name: who signs.
        public: 32 bytes, RFC 8032's encoding.
    """

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key), its first 4 bytes."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """The key as it is given away, without a newline."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """The key of its text; white space around it does not count.

        Raises:
            UsageError: it is no public key of this format.
        """
        try:
            name, key_id, material = _key_parts(text.strip())
            key = cls(name, material)
            if key.key_id != key_id:
                raise ValueError("its id does not fit its name and its bytes")
        except ValueError as error:
            raise UsageError(
                f"this is no public key of a note: {error}. Such a key is one line, "
                "NAME+ID+BASE64, as `storno audit keygen` prints it."
            ) from None
        return key

    def verify(self, text: str, signature: Signature) -> bool:
        """Whether the signature is this key's, over exactly this text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if (signature.name, signature.key_id) != (self.name, self.key_id):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature.value, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """What notes are signed with; whoever holds it can sign anything in this name.

    Attributes:
        name: who signs; holds no blank and no ``+``.
        seed: 32 random bytes, RFC 8032's private key.
    """

    name: str
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that checks this one's signatures."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return PublicKey(self.name, key.public_bytes_raw())

    @property
    def text(self) -> str:
        """The key as it is kept, without a newline."""
        return (
            f"{_PRIVATE}{self.name}+{self.public.key_id.hex()}+{base64_text(_ED25519 + self.seed)}"
        )

    @classmethod
    def parse(cls, text: str) -> PrivateKey:
        """The key of its text; white space around it does not count.

        Raises:
            UsageError: it is no private key of this format; the message does not show it.
        """
        stripped = text.strip()
        try:
            if not stripped.startswith(_PRIVATE):
                raise ValueError(f"it does not begin with {_PRIVATE}")
            name, key_id, seed = _key_parts(stripped.removeprefix(_PRIVATE))
            key = cls(name, seed)
            if key.public.key_id != key_id:
                raise ValueError("its id does not fit its name and its bytes")
        except ValueError as error:
            raise UsageError(
                f"this is no private key of a note: {error}. `storno audit keygen` makes one."
            ) from None
        return key

    def sign(self, text: str) -> Signature:
        """Sign a note's text."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Signature(self.name, self.public.key_id, value)


def write_note(text: str, signatures: tuple[Signature, ...]) -> str:
    """A signed note; without signatures the text alone, which C2SP does not call a note."""
    if not signatures:
        return text
    return f"{text}\n{''.join(signature.line for signature in signatures)}"


def read_note(note: str) -> tuple[str, tuple[Signature, ...]]:
    """A note's text and its signatures, which nobody has checked yet; none where it has none.

    Raises:
        NoteError: it is not written exactly as ``write_note`` writes it.
    """
    if any(letter < " " and letter != "\n" for letter in note):
        raise NoteError("a control character stands in it; line ends are single newlines")
    if not note.endswith("\n"):
        raise NoteError("its last line has no end: part of it may be missing")
    text, empty_line, lines = note.rpartition("\n\n")
    if not empty_line:
        return note, ()
    signatures = tuple(map(_signature, lines.removesuffix("\n").split("\n")))
    if len(signatures) > MOST_SIGNATURES:
        raise NoteError(f"it has more than {MOST_SIGNATURES} signatures")
    return f"{text}\n", signatures


def is_key_name(name: str) -> bool:
    """Whether a key can be called this."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


def _signature(line: str) -> Signature:
    dash, name, encoded = line[: len(_DASH)], *line[len(_DASH) :].partition(" ")[::2]
    try:
        data = from_base64(encoded)
    except ValueError:
        data = b""
    if dash != _DASH or not is_key_name(name) or len(data) <= _KEY_ID_BYTES:
        raise NoteError(f"{line!r} is no signature line")
    return Signature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _key_parts(text: str) -> tuple[str, bytes, bytes]:
    """A key's name, its id and its 32 bytes."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    if not is_key_name(name):
        raise ValueError("it has no name")
    if len(key_id) != 2 * _KEY_ID_BYTES or key_id != key_id.lower():
        raise ValueError("its id is not 8 lower-case hexadecimal digits")
    data = from_base64(encoded)
    if data[:1] != _ED25519:
        raise ValueError("it is of another algorithm than Ed25519")
    if len(data) != 1 + SEED_BYTES:
        raise ValueError(f"it has {len(data) - 1} bytes, not {SEED_BYTES}")
    return name, bytes.fromhex(key_id), data[1:]


def base64_text(data: bytes) -> str:
    """Bytes as notes have them: standard base64, RFC 4648's section 4."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The bytes of ``base64_text``, in its one canonical spelling.

    Raises:
        ValueError: it is not that.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = b""
    if not data or base64_text(data) != text:
        # Without the text: it may be a private key.
        raise ValueError("a part of it is not base64")
    return data
