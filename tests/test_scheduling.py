"""What is made for a file of tests is made by one worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .docs.running import ROOT
from .scheduling import FIRST, TOGETHER

TESTS = """
import os, pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number):
    with open("workers", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


@pytest.mark.parametrize(("file", "workers"), [(TOGETHER[0], 1), ("tests/test_else.py", 2)])
def test_a_file_that_is_named_is_run_by_one_worker(tmp_path: Path, file: str, workers: int) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(TESTS)
    (tmp_path / "conftest.py").write_text("from tests.scheduling import *")
    (tmp_path / "pytest.ini").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--import-mode=importlib", file],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert "6 passed" in done.stdout, done.stdout + done.stderr
    assert len(set((tmp_path / "workers").read_text().split())) == workers


def test_what_is_named_is_there() -> None:
    assert [path for path in (*TOGETHER, *FIRST) if not (ROOT / path).exists()] == []
