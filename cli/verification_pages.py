"""What ``storno audit verify`` found, for people and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..domain import checkpoint as checkpoints
from ..domain.checkpoint import Checkpoint
from ..domain.errors import CheckFailedError
from ..domain.note import PublicKey
from ..storage.verification.problems import Problem
from ..storage.verification.verify import Verification
from .errors import CHECK_FAILED
from .proof_pages import given
from .render import counted, say, typed, write_json
from .tables import Column, write_table


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that was given.

    Attributes:
        file: where it stands.
        is_checked: whether the key that was given signed it.
    """

    file: Path
    checkpoint: Checkpoint
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All that one verification came to.

    Attributes:
        kept: the checkpoints that the log was held against.
        since: the one behind which events were read.
        view_problems: the first hundred of the views, where they were compared.
        views_that_differ: rows of them, None where they were not compared.
    """

    log: Verification
    kept: tuple[Kept, ...]
    since: Kept | None
    view_problems: tuple[Problem, ...] = ()
    views_that_differ: int | None = None

    @property
    def total(self) -> int:
        """How many problems there are."""
        return self.log.total + (self.views_that_differ or 0)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The first of them."""
        return (*self.log.problems, *self.view_problems)

    @property
    def given(self) -> tuple[Kept, ...]:
        """Every checkpoint that the log was held against."""
        return self.kept if self.since is None else (*self.kept, self.since)

    @property
    def document(self) -> dict[str, Any]:
        """For scripts."""
        log = self.log
        return {
            "verified": self.total == 0,
            "commits": log.commits,
            "events": log.events,
            "head": None if log.head is None else log.head.hex(),
            "root": log.root.hex(),
            "views": _views_word(self.views_that_differ),
            "since": None if self.since is None else self.since.checkpoint.size,
            "checkpoints": [_kept_document(each) for each in self.given],
            "problems": [_problem_document(each) for each in self.problems],
            "problems_in_all": self.total,
        }


def kept_of(file: Path, key: Path | None) -> Kept:
    """The checkpoint of a file; signed by the key, where one is given.

    Raises:
        CheckpointError: it is none, or the key did not sign it.
        UsageError: a file cannot be read, or holds no key.
    """
    public = None if key is None else PublicKey.parse(given(key).decode(errors="replace"))
    checkpoint = checkpoints.parse(given(file))
    if public is not None:
        checkpoint.verify(public)
    return Kept(file, checkpoint, is_checked=public is not None)


def tell_refused(error: CheckFailedError) -> int:
    """The document where a checkpoint is not what it should be: nothing was read."""
    problem = Problem(field="checkpoint", message=str(error))
    write_json(
        {
            "verified": False,
            "commits": None,
            "events": None,
            "head": None,
            "problems": [_problem_document(problem)],
            "problems_in_all": 1,
        }
    )
    return CHECK_FAILED


def write_found(found: Found) -> None:
    """For people: what does not fit as a table, and in words what that means."""
    log = found.log
    over = f"{counted(log.events, 'event')} in {counted(log.commits, 'commit')}"
    if found.since is not None:
        behind = counted(found.since.checkpoint.size, "commit")
        over = f"{counted(log.events, 'event')} behind the checkpoint of {behind}"
    if found.total:
        write_table(_COLUMNS, [_row(each) for each in found.problems])
        say(f"Not verified: {counted(found.total, 'problem')} in {over}.")
        say(_advice(found))
        return
    say(f"Verified {over}: every hash is that of what is stored.")
    if found.views_that_differ is not None:
        say("The views agree with the events.")
    _say_what_it_extends(found.given)
    if log.head is not None:
        say(f"Head of the log: {log.head.hex()}")


_COLUMNS = (
    Column("commit", right=True),
    Column("position", right=True),
    Column("stream", wraps=True, spare=1),
    Column("field"),
    Column("what was found", wraps=True),
)


def _say_what_it_extends(kept: Sequence[Kept]) -> None:
    for each in kept:
        if each.is_checked:
            say(f"The log extends {each.file}, which the key has signed.")
        else:
            say(
                f"The log extends {each.file}. No signature was checked (--key): it is worth what "
                "the place is worth where it was kept."
            )
    if not kept:
        say(
            "No checkpoint was given: whoever can write everything could have computed all "
            f"hashes anew. Keep one elsewhere ({typed('audit', 'checkpoint')}) and give it to "
            "--checkpoint."
        )


def _advice(found: Found) -> str:
    if not found.log.total:
        return (
            "The log itself holds; the views say something else. Mend them: storno views rebuild. "
            "Then find out who wrote to the store's tables."
        )
    return (
        "Keep the store as it is for whoever looks into it, and compare it with a backup. The "
        "views were written with the events: storno views check may show what an event said."
    )


def _views_word(differing: int | None) -> str:
    if differing is None:
        return "not compared"
    return "differ" if differing else "agree"


def _kept_document(kept: Kept) -> dict[str, Any]:
    return {
        "file": str(kept.file),
        "size": kept.checkpoint.size,
        "signed": bool(kept.checkpoint.signatures),
        "signature_checked": kept.is_checked,
    }


def _problem_document(problem: Problem) -> dict[str, Any]:
    return {
        "commit": problem.commit,
        "position": problem.position,
        "stream": problem.stream,
        "version": problem.version,
        "field": problem.field,
        "message": problem.message,
    }


def _row(problem: Problem) -> tuple[str, ...]:
    return (
        "-" if problem.commit is None else str(problem.commit),
        "-" if problem.position is None else str(problem.position),
        problem.stream or "-",
        problem.field,
        problem.message,
    )
