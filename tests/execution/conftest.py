"""Stores to commit to, and runs whose commits a process makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ..crashes.writers import make_runs_long, writers
from ..scenarios.conftest import lab, sqlite_lab
from .repositories import git

__all__ = ["lab", "sqlite_lab"]


@pytest.fixture
def long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process makes every commit of a run but its start."""
    make_runs_long(monkeypatch.setattr)


@pytest.fixture
def nobody_stays() -> Iterator[None]:
    """No process that commits is left behind its run, not even as a zombie."""
    before = set(psutil.Process().children())
    yield
    left = set(psutil.Process().children()) - before
    assert not [each for each in left if each.status() == psutil.STATUS_ZOMBIE]
    assert not writers()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A fresh repository with a committer of its own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "Night Run")
    git(folder, "config", "user.email", "night@example.org")
    return folder
