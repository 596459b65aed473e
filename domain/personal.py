"""Personal fields: which they are, how they look when they are sealed, and where else they appear.

A sealed value stands in the stored JSON as a text, ``~sealed:1:<handle>:<base64>``: the handle of
the key of whom it is about, then nonce, AES-256-GCM ciphertext and tag of the value's own JSON.
What is stored is never changed: who forgets somebody destroys the key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any, Final, NamedTuple, get_args, get_type_hints, is_typeddict

from msgspec import Struct
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .errors import DefinitionError

ERASED: Final = "[erased]"
"""Shown for what was forgotten."""

LOCKED: Final = "[sealed]"
"""Shown for what was not forgotten, but has no key where it is looked for."""

OUTPUT: Final = "output"
TEXT: Final = "text"
WHOLE: Final = "payload"
"""What sealed values are called that are no field: an effect's output, an entry's text, a payload
that is no mapping of fields. Under the first two several people's keys may seal one value."""

_SEALED: Final = "~sealed:1:"
_TOKEN = re.compile(re.escape(_SEALED) + r"([A-Za-z0-9_-]{1,64}):([A-Za-z0-9_=-]+)")
_SHORT: Final = 4
"""Characters below which a value is only found where it stands as a word of its own."""


class Personal(Struct, frozen=True):
    """Marks a field as personal: ``Annotated[str, Personal(subject="supplier_id")]``.

    Attributes:
        subject: the field that says whom it is about, such as a number. It is stored as it is, and
            is no personal field itself.
    """

    subject: str


class Token(NamedTuple):
    """A sealed value: the handle of its key, and what that opens."""

    handle: str
    sealed: str


def token(handle: str, sealed: str) -> str:
    """How a sealed value is stored."""
    return f"{_SEALED}{handle}:{sealed}"


def token_of(value: object) -> Token | None:
    """The sealed value that a stored value is; None where it is none."""
    if not isinstance(value, str) or not value.startswith(_SEALED):
        return None
    found = _TOKEN.fullmatch(value)
    return None if found is None else Token(*found.groups())


def holds_tokens(stored: bytes) -> bool:
    """Whether there may be sealed values in stored JSON."""
    return _SEALED.encode() in stored


def personal_fields(name: str, fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    """A model's personal fields, each with the field that says whom it is about.

    Raises:
        DefinitionError: that is no field or personal itself, or a mark stands where it would do
            nothing.
    """
    marks = {each: mark for each, field in fields.items() if (mark := _mark(name, each, field))}
    for each, mark in marks.items():
        if mark.subject not in fields:
            raise DefinitionError(
                f"{name}.{each} is personal and says that it is about {mark.subject!r}, which is "
                f"no field of {name}: name one of {', '.join(fields)}."
            )
        if mark.subject in marks:
            raise DefinitionError(
                f"{name}.{each} is personal and about {mark.subject!r}, which is personal itself: "
                "name a field that can be stored as it is, such as a number."
            )
    return {each: mark.subject for each, mark in marks.items()}


def _mark(model: str, name: str, field: FieldInfo) -> Personal | None:
    for mark in field.metadata:
        if mark is Personal:
            raise DefinitionError(f'{model}.{name}: write Personal(subject="FIELD").')
        if isinstance(mark, Personal):
            return mark
    if _marked_within(field.annotation, set()):
        raise DefinitionError(
            f"{model}.{name} has a mark within it, where it would do nothing: mark the whole field "
            f"in {model}, as Annotated[..., Personal(subject=...)]."
        )
    return None


def _marked_within(annotation: Any, seen: set[int]) -> bool:
    """Whether a mark stands anywhere in a type, or in the fields of a class that it names."""
    if id(annotation) in seen:
        return False
    seen.add(id(annotation))
    parts = [*get_args(annotation), *getattr(annotation, "__metadata__", ())]
    parts.append(getattr(annotation, "__value__", None))
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation) or is_typeddict(annotation)
    ):
        parts += get_type_hints(annotation, include_extras=True).values()
    return any(
        part is Personal or isinstance(part, Personal) or _marked_within(part, seen)
        for part in parts
    )


def texts_of(value: Any) -> Iterator[str]:
    """The texts that would give a value away, in the spellings in which messages quote them."""
    match value:
        case None | bool():
            return
        case str():
            text = value.strip()
            yield text
            if (quoted := ascii(text)[1:-1]) != text or '"' in text:
                yield from (quoted, repr(text)[1:-1], json.dumps(text)[1:-1])
        case BaseModel():
            yield from texts_of(value.__dict__)
        case Mapping():
            for each in value.values():
                yield from texts_of(each)
        case list() | tuple() | set() | frozenset():
            for each in value:
                yield from texts_of(each)
        case _:
            yield str(value)


class Mask(Struct, frozen=True):
    """Finds personal values in a text.

    Attributes:
        values: by what they are called.
    """

    values: Mapping[str, Any]

    def __call__(self, text: str) -> str:
        """The text with every personal value replaced by what it is called, in brackets."""
        for pattern, name in self._patterns():
            text = pattern.sub(lambda _, name=name: f"[{name}]", text)  # type: ignore[misc]
        return text

    def finds(self, text: str) -> bool:
        """Whether a personal value stands in a text."""
        folded = text.casefold()
        return any(
            each.casefold() in folded and _pattern(each).search(text)
            for value in self.values.values()
            for each in texts_of(value)
            if each
        )

    def _patterns(self) -> Iterable[tuple[re.Pattern[str], str]]:
        """What to look for, the longest first: one value may be part of another."""
        found = {text: name for name, value in self.values.items() for text in texts_of(value)}
        for text in sorted(filter(None, found), key=len, reverse=True):
            yield _pattern(text), found[text]


def _pattern(text: str) -> re.Pattern[str]:
    quoted = re.escape(text)
    if len(text) < _SHORT:
        quoted = rf"(?<!\w){quoted}(?!\w)"
    return re.compile(quoted, re.IGNORECASE)


def tokens_in(value: Any) -> Iterator[Token]:
    """Every sealed value in a document."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from tokens_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from tokens_in(each)
    elif (found := token_of(value)) is not None:
        yield found


def opened(value: Any, opener: Callable[[str, Token], Any], name: str = WHOLE) -> Any:
    """A document with every sealed value replaced by what ``opener(name, token)`` makes of it.

    ``name`` is what it was sealed as: the key under which it stands, or ``output``.
    """
    if isinstance(value, Mapping):
        return {
            key: opened(each, opener, name if name == OUTPUT else key)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [opened(each, opener, name) for each in value]
    found = token_of(value)
    return value if found is None else opener(name, found)
