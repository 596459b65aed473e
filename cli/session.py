"""What a command works with: the project, its store, who acts. Imports all that is heavy."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from ..execution.project import Project
from ..storage.store import Store
from .options import Common


def open_project(options: Common) -> Project:
    """The project of the current folder, and the store that the options name."""
    configure_log(verbose=options.verbose)
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


def configure_log(*, verbose: bool) -> None:
    """Send the log to stderr: all of it where asked for, else warnings."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.WARNING
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
