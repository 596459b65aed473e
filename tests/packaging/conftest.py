"""One wheel and one clean environment for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from .building import Environment, build_wheel, install


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment that holds the wheel and what it depends on, nothing else."""
    return install(wheel, tmp_path_factory.mktemp("clean") / "venv")
