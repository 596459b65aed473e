"""Ciphers at work: values are sealed and opened under the keys that the key store gives out."""

from __future__ import annotations

import hmac
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ..domain.errors import StoreError, StornoError
from ..domain.personal import (
    ERASED,
    LOCKED,
    OUTPUT,
    TEXT,
    WHOLE,
    Token,
    holds_tokens,
    opened,
    token,
    token_of,
    tokens_in,
)
from ..domain.subject import SECRET_BYTES, SubjectKey, stream_of
from . import retrying
from .journal import Journal

T = TypeVar("T")

_NONCE_BYTES = 12
_HALF = SECRET_BYTES // 2


class Cipher:
    """A key at work."""

    __slots__ = ("_aead", "_handle", "_mac")

    def __init__(self, key: SubjectKey) -> None:
        # Loads a large library; who marks nothing as personal does without.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._handle = key.handle
        self._aead = AESGCM(key.secret[:_HALF])
        self._mac = key.secret[_HALF:]

    def seal(self, name: str, value: bytes) -> str:
        """A value's JSON, sealed as what it is called: it cannot pass for another field's."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, value, f"{self._handle}:{name}".encode())
        return token(self._handle, urlsafe_b64encode(nonce + sealed).decode())

    def open(self, name: str, sealed: str) -> bytes | None:
        """The value's JSON; None where this is nothing that we sealed."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = urlsafe_b64decode(sealed)
            nonce, text = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return self._aead.decrypt(nonce, text, f"{self._handle}:{name}".encode())
        except (InvalidTag, ValueError):
            return None

    def digest(self, name: str, value: bytes) -> str:
        """What stands for a value in a digest of content; without the key nobody can guess it."""
        return hmac.digest(self._mac, name.encode() + b"\0" + value, "sha256").hex()


class Document(NamedTuple):
    """A stored document, opened.

    Attributes:
        values: with what could not be opened shown as ``[erased]`` or ``[sealed]``.
        erased: the names of its fields that hold such of somebody who was forgotten.
        locked: the names of those that hold such whose key is not where it is looked for.
    """

    values: Any
    erased: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()

    @property
    def closed(self) -> tuple[str, ...]:
        """The fields that cannot be read."""
        return (*self.erased, *self.locked)


class Opener:
    """Opens stored documents, as far as there are keys.

    Args:
        locked: do not even ask for them.
    """

    def __init__(self, journal: Journal, *, locked: bool = False) -> None:
        self._journal = journal
        self._locked = locked
        self._ciphers: dict[str, Cipher] = {}
        self._marks: dict[str, str] = {}

    def document(self, stored: bytes) -> Document:
        """One document; ``documents`` asks for the keys of many at once."""
        (document,) = self.documents([stored])
        return document

    def output(self, stored: bytes) -> Document:
        """What an effect or a handler said it did, opened."""
        document = {OUTPUT: json.loads(stored)}
        self.prepare([document])
        erased, locked = self._marked(document, ERASED), self._marked(document, LOCKED)
        return Document(self.values(document)[OUTPUT], erased, locked)

    def documents(self, stored: Sequence[bytes]) -> list[Document]:
        """Stored JSON, opened."""
        parsed = [json.loads(each) for each in stored]
        self.prepare(
            [each for each, raw in zip(parsed, stored, strict=True) if holds_tokens(bytes(raw))]
        )
        return [
            Document(self.values(each), self._marked(each, ERASED), self._marked(each, LOCKED))
            for each in parsed
        ]

    def prepare(self, values: Iterable[Any]) -> None:
        """Ask for all the keys that these will need."""
        known = self._ciphers.keys() | self._marks.keys()
        found = dict.fromkeys(each.handle for value in values for each in tokens_in(value))
        handles = [handle for handle in found if handle not in known]
        if not handles:
            return
        secrets: Mapping[str, bytes] = {}
        if not self._locked:
            secrets = asked(self._journal, lambda: self._journal.keys.read(handles))
        for handle, secret in secrets.items():
            self._ciphers[handle] = Cipher(SubjectKey(handle, secret))
        missing = {stream_of(each): each for each in handles if each not in secrets}
        if missing:
            said = retrying.store_call(lambda: self._journal.versions(list(missing)))
            for stream, handle in missing.items():
                self._marks[handle] = ERASED if stream in said else LOCKED

    def values(self, value: Any, name: str = WHOLE) -> Any:
        """A document whose keys were asked for, opened."""
        return opened(value, self._open, name)

    def _open(self, name: str, sealed: Token) -> Any:
        if sealed.handle in self._marks:
            return self._marks[sealed.handle]
        plain = self._ciphers[sealed.handle].open(name, sealed.sealed)
        if plain is None:  # a text of somebody who wants it to look so
            return token(*sealed)
        value = json.loads(plain)
        if name in (OUTPUT, TEXT) and token_of(value) is not None:  # about two persons
            self.prepare([value])
            return opened(value, self._open, name)
        return value

    def _marked(self, value: Any, mark: str) -> tuple[str, ...]:
        if not self._marks:
            return ()
        fields = value.items() if isinstance(value, Mapping) else [(WHOLE, value)]
        return tuple(
            name
            for name, each in fields
            if any(self._marks.get(sealed.handle) == mark for sealed in tokens_in(each))
        )


def asked(journal: Journal, ask: Callable[[], T]) -> T:
    """What the key store answers.

    Raises:
        StoreError: it does not; a vault may raise anything.
    """

    def once() -> T:
        with journal.talking():
            return ask()

    try:
        return retrying.store_call(once)
    except StornoError:
        raise
    except Exception as error:
        raise StoreError(
            f"the keys of personal fields are not to be had: {type(error).__name__}: {error}"
        ) from error
