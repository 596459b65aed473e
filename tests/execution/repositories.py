"""Git repositories that keep checkpoints."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
