"""Commits' rows against each other: numbers, positions, times and the chain of hashes.

A row whose chain hash is not that of its fields was changed afterwards. Which field it was shows
by putting back, one at a time, what the rows around it and the events say it must have been: the
one that makes the hash right again is the one. So the rest of the log can be read on as it was
written, and one change is one problem.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ...domain.seal import EMPTY_CHAIN, commit_leaf
from ..dialect import Commit
from .problems import Problem

HASH_BYTES: Final = 32

_TYPES: Final[Mapping[str, type[int | bytes]]] = {
    "number": int,
    "first_position": int,
    "count": int,
    "recorded_at": int,
    "merkle_root": bytes,
    "chain_hash": bytes,
}

BEFORE_THE_FIRST: Final = Commit(0, 1, 0, 0, EMPTY_CHAIN, EMPTY_CHAIN)
"""Stands for the commit before the first one: nothing, up to position 0."""


def typed(row: Sequence[Any]) -> tuple[Commit, list[Problem]]:
    """A row as it is stored; what is of another type than its column stands as nothing.

    SQLite stores whatever it is given in any column.
    """
    values, problems = list(row), []
    for index, (field, kind) in enumerate(_TYPES.items()):
        if type(row[index]) is not kind:
            values[index] = kind()
            message = f"{field} is {row[index]!r}, and should be of the type {kind.__name__}"
            problems.append(Problem(field=field, message=message, commit=values[0]))
    return Commit(*values), problems


def repaired(commit: Commit, previous: Commit, next_position: int) -> tuple[Commit, list[Problem]]:
    """The row as it must have been written, as far as its place can still be told.

    Args:
        previous: the row before it, repaired.
        next_position: where the commit behind it begins, or would begin.
    """
    if is_chained(commit, previous.chain_hash):
        return commit, list(_out_of_place(commit, previous))
    expected: dict[str, Any] = {
        "number": previous.number + 1,
        "first_position": previous.last_position + 1,
        "count": next_position - previous.last_position - 1,
    }
    for field, value in expected.items():
        candidate = replace(commit, **{field: value})
        if is_chained(candidate, previous.chain_hash):
            message = f"{field} is {getattr(commit, field)}; when it was hashed it was {value}"
            return candidate, [Problem(field=field, message=message, commit=commit.number)]
    return commit, list(_out_of_place(commit, previous))


def with_root(
    commit: Commit, previous: Commit, following: Commit | None, root: bytes
) -> tuple[Commit, list[Problem]]:
    """The row as it was written, now that its events' root is known, and what is not as it was.

    Args:
        commit: repaired.
        previous: the row before it, repaired.
        following: the row behind it, as it is stored.
        root: over the events that are stored.
    """
    if not _is_behind(commit, previous) or is_chained(commit, previous.chain_hash):
        return commit, [] if root == commit.merkle_root else [_events_changed(commit)]
    with_events_root = replace(commit, merkle_root=root)
    if is_chained(with_events_root, previous.chain_hash):
        message = "the stored Merkle root is not the one over its events, which is what was hashed"
        problem = Problem(field="merkle_root", message=message, commit=commit.number)
        return with_events_root, [problem]
    written, problem = _unchained(commit, previous, following)
    return written, [problem] if root == commit.merkle_root else [problem, _events_changed(commit)]


def is_chained(commit: Commit, previous_chain: bytes) -> bool:
    """Whether the chain hash is that of the row's fields behind this one."""
    return commit.chain_hash == _leaf(commit, previous_chain)


def _leaf(commit: Commit, previous_chain: bytes) -> bytes | None:
    """The chain hash of a row's fields; None where no commit can have them."""
    root = commit.merkle_root
    if len(root) != HASH_BYTES:
        return None
    try:
        return commit_leaf(
            commit.number, commit.first_position, commit.count, commit.recorded_at,
            root, previous_chain,
        )  # fmt: skip
    except struct.error:
        return None


def _is_behind(commit: Commit, previous: Commit) -> bool:
    return commit.number == previous.number + 1


def _out_of_place(commit: Commit, previous: Commit) -> Iterator[Problem]:
    """What cannot be true of a row behind another, whatever its hashes say."""
    number = commit.number
    if not _is_behind(commit, previous):
        missing = number - previous.number - 1
        first = previous.number + 1
        named = f"commit {first} is" if missing == 1 else f"commits {first} to {number - 1} are"
        yield Problem(field="number", message=f"{named} missing", commit=first)
    elif commit.first_position != previous.last_position + 1:
        message = (
            f"it begins at position {commit.first_position}, and the commit before it ends at "
            f"{previous.last_position}"
        )
        yield Problem(field="first_position", message=message, commit=number)
    if commit.count < 1:
        yield Problem(field="count", message=f"it counts {commit.count} events", commit=number)
    if commit.recorded_at < previous.recorded_at:
        message = (
            f"its time, {commit.recorded_at} microseconds since 1970, is before that of the "
            f"commit before it, {previous.recorded_at}"
        )
        yield Problem(field="recorded_at", message=message, commit=number)


def _unchained(
    commit: Commit, previous: Commit, following: Commit | None
) -> tuple[Commit, Problem]:
    """The chain does not hold here; which hash the next commit was chained to tells why."""
    leaf = _leaf(commit, previous.chain_hash)
    if following is not None and leaf is not None and is_chained(following, leaf):
        problem = Problem(
            field="chain_hash",
            message="its chain hash was changed: the commit behind it is chained to another one, "
            "which its fields give",
            commit=commit.number,
        )
        return replace(commit, chain_hash=leaf), problem
    if following is not None and is_chained(following, commit.chain_hash):
        problem = Problem(
            field="recorded_at",
            message="its fields are not those that were hashed: its time was changed, or several "
            "fields were, or what came before it was replaced together with its hashes",
            commit=commit.number,
        )
        return commit, problem
    problem = Problem(
        field="chain_hash",
        message="its chain hash is not that of its fields and of the commit before it: its time "
        "or its hash was changed, or what came before it was replaced",
        commit=commit.number,
    )
    return commit, problem


def _events_changed(commit: Commit) -> Problem:
    return Problem(
        field="events",
        message="its events are not those that were hashed",
        commit=commit.number,
    )
