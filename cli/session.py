"""What a command works with: the project, its store, who acts. Imports all that is heavy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..domain.events import Actor
from ..domain.subject import KeyStore
from ..execution.project import Project
from ..storage.store import Store
from .options import Acting, Common


def open_project(options: Common) -> Project:
    """The project of the current folder, and the store that the options name."""
    return Project.find(Path.cwd(), store=options.store)


def authorized(
    project: Project, acting: Acting, act: str, about: str = "", *, dry_run: bool = False
) -> Actor:
    """Who acts, with the role that the act needs: the first thing a command asks before it acts.

    Args:
        act: the command, as ``NEEDS`` in domain/access.py lists it.
        about: what it is done to, as a run's name; recorded where the act is refused.
        dry_run: it writes nothing, and so needs no role.

    Raises:
        UsageError: the actor's name is blank or unprintable.
        RoleMissingError: storno.toml declares roles, and the actor has not the one it needs.
    """
    from ..execution.access import require
    from ..execution.identity import resolve_actor
    from ..execution.journal import Journal

    actor = resolve_actor(acting.actor)
    if not dry_run:
        require(project.roles, actor, act, about, lambda: Journal.open(project.store.value))
    return actor


def _keys(project: Project) -> str | KeyStore | None:
    if project.keys is None:
        return None
    from ..execution.catalog import key_store

    return key_store(project)


@contextmanager
def opened(project: Project) -> Iterator[Store]:
    """The project's store, closed at the end.

    Raises:
        StoreMissingError: there is none yet.
        SchemaVersionError: it is of another version of storno.
    """
    store = Store.open(project.store.value, keys=_keys(project))
    try:
        yield store
    finally:
        store.close()
