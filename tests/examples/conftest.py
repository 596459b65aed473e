"""The council's files, and the examples' projects laid out beside them as in a checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "devon-spend"


@pytest.fixture(scope="session")
def devon_data() -> Path:
    """The folder of the council's published files, which stands beside the checkout."""
    if not DATA.is_dir():
        message = f"the council's files are not there: {DATA} holds them where there is one"
        if os.environ.get("CI"):
            pytest.fail(f"{message}; CI must not go without")
        pytest.skip(message)
    return DATA
