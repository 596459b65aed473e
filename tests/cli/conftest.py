"""Projects for the tests of the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .command import Storno


@pytest.fixture
def storno(tmp_path: Path) -> Storno:
    """The command in an empty folder."""
    return Storno(tmp_path, {})


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a project of each template once, to be copied."""
    folder = tmp_path_factory.mktemp("originals")

    def original(template: str) -> Path:
        if not (folder / template).exists():
            Storno(folder, {})("init", template, "--template", template)
        return folder / template

    return original


@pytest.fixture
def made(storno: Storno, originals: Callable[[str], Path]) -> Callable[[str], Storno]:
    """Gives the command in a fresh project of a template."""

    def make(template: str) -> Storno:
        shutil.copytree(originals(template), storno.folder / template)
        return storno.within(template)

    return make


@pytest.fixture
def payments(made: Callable[[str], Storno]) -> Storno:
    """A project of the payments template, its sample not yet run."""
    return made("payments")


@pytest.fixture(scope="session")
def ran_once(originals: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The payments project after its first run, to be copied."""
    folder = tmp_path_factory.mktemp("ran") / "payments"
    shutil.copytree(originals("payments"), folder)
    Storno(folder, {})("run", "payments", "--param", "month=2026-01", code=3)
    return folder


@pytest.fixture
def ran(storno: Storno, ran_once: Path) -> Storno:
    """The payments project after its first run: 240 records, three of them dead letters."""
    shutil.copytree(ran_once, storno.folder / "payments")
    return storno.within("payments")
