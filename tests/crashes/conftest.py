"""A project to crash runs in, on each database; afterwards its store must be sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .project import Project


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, new_store: Callable[[str], str], tmp_path: Path
) -> Iterator[Project]:
    """A project on each database."""
    yield from _sound(tmp_path, new_store(request.param))


@pytest.fixture
def on_sqlite(new_store: Callable[[str], str], tmp_path: Path) -> Iterator[Project]:
    """A project on SQLite."""
    yield from _sound(tmp_path, new_store("sqlite"))


def _sound(folder: Path, url: str) -> Iterator[Project]:
    project = Project(folder, url, is_new=False)
    yield project
    try:
        project.check()
    finally:
        project.lab.close()
