"""What a command works with: the project, its store, who acts. Imports all that is heavy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..execution.project import Project
from ..storage.store import Store
from .options import Common


def open_project(options: Common) -> Project:
    """The project of the current folder, and the store that the options name."""
    return Project.find(Path.cwd(), store=options.store)


@contextmanager
def opened(project: Project) -> Iterator[Store]:
    """The project's store, closed at the end.

    Raises:
        StoreMissingError: there is none yet.
        SchemaVersionError: it is of another version of storno.
    """
    store = Store.open(project.store.value)
    try:
        yield store
    finally:
        store.close()
