"""Whether somebody may do what they ask for; what is refused is recorded."""

from __future__ import annotations

from collections.abc import Callable

from ..domain import access
from ..domain.access import AccessRefused, RoleMissingError, Roles
from ..domain.errors import StreamConflictError
from ..domain.events import Actor
from ..projections.changes import Recorded
from .journal import Journal
from .sealing import seal


def require(
    roles: Roles, actor: Actor, act: str, about: str, journal: Callable[[], Journal]
) -> None:
    """Make sure that the actor's roles allow an act; ask before anything of it is done.

    Args:
        act: of ``NEEDS`` in domain/access.py.
        about: what it is done to, as a run's name; goes into the record of a refusal.
        journal: opens the store for that record; called only where the act is refused.

    Raises:
        RoleMissingError: they do not; says whether that could be recorded.
    """
    refused = access.refuse(roles, actor, act, about)
    if refused is not None:
        raise RoleMissingError(f"{access.explain(roles, refused)} {_recorded(refused, journal)}")


def _recorded(refused: AccessRefused, journal: Callable[[], Journal]) -> str:
    """Record it, and say so; a store that cannot be written makes nobody allowed."""
    try:
        opened = journal()
        try:
            _append(opened, refused)
        finally:
            opened.close()
    except Exception as error:  # noqa: BLE001 - whatever it is, the act stays refused
        cause = getattr(error, "orig", None) or error
        return f"That it was tried could not be recorded: {' '.join(str(cause).split())}"
    return "That it was tried is recorded."


def _append(journal: Journal, refused: AccessRefused) -> None:
    stream = access.stream_of(refused.actor.name)
    while True:
        version = journal.versions([stream]).get(stream, 0) + 1
        try:
            journal.append(seal([Recorded(stream, version, refused)]), {})
        except StreamConflictError:  # the same actor was refused elsewhere: after that one then
            continue
        return
