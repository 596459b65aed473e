"""Opening what is sealed in documents that are shown: with its key, or as what it is without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

if TYPE_CHECKING:
    from ..storage.queries import AccountLine, RecordedEntry
    from ..storage.store import Store

AT_ONCE = 1_000
"""Lines whose keys are asked for at once."""

Document = dict[str, Any]
Documents = list[Document]

T = TypeVar("T")


def opened_documents(store: Store, documents: Documents, *, locked: bool = False) -> Documents:
    """The documents with personal values as they are; forgotten ones read ``[erased]``.

    Where the keys are not to be had, they read ``[sealed]``: whoever may see the store need not be
    somebody who may see those.

    Args:
        locked: do not even ask for the keys.
    """
    from ..domain.personal import tokens_in

    if next(tokens_in(documents), None) is None:
        return documents
    from ..domain.errors import StoreError
    from ..execution.ciphers import Opener
    from ..execution.journal import Journal
    from .render import say

    opener = Opener(Journal(store), locked=locked)
    try:
        opener.prepare(documents)
    except StoreError as problem:
        say(f"Personal fields are not shown: {problem}")
        opener = Opener(Journal(store), locked=True)
        opener.prepare(documents)
    return [opener.values(each) for each in documents]


def opened_in_turn(store: Store, documents: Iterable[Document]) -> Iterator[Document]:
    """The same of any number of documents."""
    for some in _portions(documents):
        yield from opened_documents(store, some)


def opened_texts(store: Store, lines: Iterable[AccountLine]) -> Iterator[AccountLine]:
    """The lines of an account with the texts of their entries as they are."""
    for line, text in _with_texts(store, lines, lambda line: line.text):
        yield line if line.text == text else replace(line, text=text)


def closed_texts(store: Store, entries: Iterable[RecordedEntry]) -> Iterator[RecordedEntry]:
    """Entries that leave the house: what is personal in their texts reads ``[sealed]``.

    A file that lies elsewhere forgets nobody.
    """
    for each, text in _with_texts(store, entries, lambda each: each.entry.text, locked=True):
        entry = each.entry
        yield each if entry.text == text else replace(each, entry=replace(entry, text=text))


def _with_texts(
    store: Store, items: Iterable[T], text_of: Callable[[T], str], *, locked: bool = False
) -> Iterator[tuple[T, str]]:
    for some in _portions(items):
        texts = [{"text": text_of(each)} for each in some]
        documents = opened_documents(store, texts, locked=locked)
        for each, document in zip(some, documents, strict=True):
            yield each, document["text"]


def _portions(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
