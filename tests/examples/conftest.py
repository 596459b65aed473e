"""The council's files, which are no part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..docs.running import ROOT

PUBLISHED = ROOT.parent / "shared" / "data" / "devon-spend"


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of the council's files, beside the checkout."""
    if not PUBLISHED.is_dir():
        message = f"the council's files are not there: {PUBLISHED} holds them where there is one"
        if os.environ.get("CI"):
            pytest.fail(f"{message}; CI must not go without")
        pytest.skip(message)
    return PUBLISHED
