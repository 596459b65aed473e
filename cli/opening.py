"""Opening what is sealed in documents that are shown: with its key, or as what it is without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..storage.queries import AccountLine
    from ..storage.store import Store

AT_ONCE = 1_000
"""Lines whose keys are asked for at once."""

Documents = list[dict[str, Any]]


def opened_documents(store: Store, documents: Documents) -> Documents:
    """The documents with personal values as they are; forgotten ones read ``[erased]``.

    Where the keys are not to be had, they read ``[sealed]``: whoever may see the store need not be
    somebody who may see those.
    """
    from ..domain.personal import tokens_in

    if next(tokens_in(documents), None) is None:
        return documents
    from ..domain.errors import StoreError
    from ..execution.ciphers import Opener
    from ..execution.journal import Journal
    from .render import say

    opener = Opener(Journal(store))
    try:
        opener.prepare(documents)
    except StoreError as problem:
        say(f"Personal fields are not shown: {problem}")
        opener = Opener(Journal(store), locked=True)
        opener.prepare(documents)
    return [opener.values(each) for each in documents]


def opened_texts(store: Store, lines: Iterable[AccountLine]) -> Iterator[AccountLine]:
    """The lines of an account with the texts of their entries as they are."""
    rest = iter(lines)
    while some := list(islice(rest, AT_ONCE)):
        documents = opened_documents(store, [{"text": line.text} for line in some])
        for line, document in zip(some, documents, strict=True):
            yield line if line.text == document["text"] else replace(line, text=document["text"])
