"""What somebody meant who typed a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like the word, None where none is near."""
    from difflib import get_close_matches  # only ever needed beside an error

    by_folded = {name.casefold(): name for name in known}
    matches = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``" Did you mean 'payments'?"``, or nothing; to be put behind a sentence."""
    match = closest(word, known)
    return f" Did you mean {match!r}?" if match else ""
