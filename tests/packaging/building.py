"""Building a wheel from a copy of the tree, and installing it where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        bin: where its programs are.
    """

    bin: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs outside the repository; the outcome is the caller's to judge."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "STORNO"))}
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.bin,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


HERE = Environment(Path(sys.executable).parent)
"""The environment that runs the tests, in which storno is installed."""


def tracked_files() -> list[PurePosixPath]:
    """The files that git tracks, and those that it would, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = {PurePosixPath(name) for name in listed.split("\0") if name}
    return sorted(path for path in paths if (ROOT / path).is_file())


def package_folders() -> dict[str, str]:
    """The folders at the root that pyproject.toml installs, each with its package's name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    package_dir: dict[str, str] = project["tool"]["setuptools"]["package-dir"]
    return {folder: package for package, folder in package_dir.items()}


def build_wheel(into: Path) -> Path:
    """Build the wheel in a copy, so that neither build/ nor a colleague's build gets in the way."""
    copy = into / "tree"
    for path in tracked_files():
        target = copy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    _pip(HERE, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into), str(copy))
    [wheel] = into.glob("*.whl")
    return wheel


def install(wheel: Path, into: Path) -> Environment:
    """Install a wheel, with its dependencies and without extras, into a new environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(into)], check=True)
    environment = Environment(into / "bin")
    _pip(HERE, "--python", str(environment.bin / "python"), "install", str(wheel))
    return environment


def _pip(environment: Environment, *arguments: str) -> None:
    ran = environment.run("python", "-m", "pip", "--disable-pip-version-check", *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
