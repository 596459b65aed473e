"""Forgetting somebody: the key of their personal fields is destroyed, and that is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec import Struct

from ..domain import subject as subjects
from ..domain.errors import NotFoundError, StreamConflictError, UsageError
from ..domain.events import Actor
from ..domain.subject import OWN, SubjectKey
from ..projections.changes import Recorded
from . import retrying
from .ciphers import asked
from .identity import resolve_actor
from .job import Job
from .journal import Journal, Store
from .sealing import seal


class Forgotten(Struct, frozen=True):
    """Somebody who is to be forgotten, or was.

    Attributes:
        subject: as ``supplier_id=S-12``.
        handle: of the key; it stands in all that it sealed.
    """

    subject: str
    handle: str


def subject_fields(jobs: Iterable[Job]) -> list[str]:
    """The fields that say whom the personal fields of these jobs are about."""
    return sorted({by for job in jobs for by in job.model.personal_fields.values()})


def find_subject(store: Store, word: str, fields: Sequence[str] = ()) -> Forgotten:
    """Who is meant.

    Args:
        word: ``FIELD=VALUE``, or the value alone where one of ``fields`` has it.
        fields: that say whom records are about.

    Raises:
        NotFoundError: nobody of that name has a key.
        UsageError: several have.
    """
    field, equals, _ = word.partition("=")
    is_whole = bool(equals) and (field.isidentifier() or field == OWN)
    names = [word] if is_whole else [f"{each}={word}" for each in fields]
    found = _keys(Journal(store), names)
    if len(found) > 1:
        raise UsageError(f"{word!r} may be {' or '.join(sorted(found))}: write which.")
    if not found:
        looked = f" Looked for {', '.join(names)}." if names and not is_whole else ""
        raise NotFoundError(
            f"nobody is known as {word!r}: no key of personal fields has this name, it was "
            f"forgotten or never stored.{looked} Write it as FIELD=VALUE, such as "
            "supplier_id=S-12."
        )
    ((name, key),) = found.items()
    return Forgotten(name, key.handle)


def forget_subject(
    store: Store, subject: str, actor: Actor | str | None = None, *, reason: str
) -> Forgotten:
    """Destroy the key of somebody's personal fields, which nobody can read from then on.

    It is recorded first: ended in between, it is done whole by doing it again.

    Args:
        subject: ``FIELD=VALUE``, such as ``supplier_id=S-12``.
        actor: who forgets; ``STORNO_ACTOR`` or the system's user where not given.
        reason: why; recorded.

    Raises:
        NotFoundError: nobody of that name has a key.
        UsageError: no reason.
    """
    journal = Journal(store)
    who = resolve_actor(actor)
    found = find_subject(store, subject)
    stream = subjects.stream_of(found.handle)
    version = retrying.store_call(lambda: journal.versions([stream])).get(stream, 0)
    moves = subjects.forget(version, who, reason)
    if moves:
        with suppress(StreamConflictError):  # somebody does the same beside us
            journal.append_once(seal([Recorded(stream, 1, move) for move in moves]))
    asked(journal, lambda: journal.keys.destroy(found.handle))
    return found


def _keys(journal: Journal, names: Sequence[str]) -> dict[str, SubjectKey]:
    return dict(asked(journal, lambda: journal.keys.find(names)))
