"""The wheel holds the tree, as one package that works where nothing else is installed."""

from __future__ import annotations

import json
import tomllib
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from .building import ROOT, Environment, package_folders, tracked_files

EXTRAS = ("fsspec", "psycopg", "pyarrow", "zstandard")

IMPORT_ALL = f"""
import importlib, json, pkgutil, sys
import storno
imported, failed = [], []
for module in pkgutil.walk_packages(storno.__path__, "storno.", onerror=failed.append):
    if module.name.endswith((".__main__", ".migrations.env")):
        continue  # programs: run, not imported
    try:
        importlib.import_module(module.name)
        imported.append(module.name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {EXTRAS!r}:
            failed.append(f"{{module.name}}: {{error}}")
    except Exception as error:
        failed.append(f"{{module.name}}: {{error!r}}")
print(json.dumps([imported, failed]))
"""


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_tree_and_nothing_else(names: set[str]) -> None:
    folders = package_folders()
    expected = {
        "/".join([*folders[path.parts[0]].split("."), *path.parts[1:]])
        for path in tracked_files()
        if path.parts[0] in folders
    }

    assert {name for name in names if ".dist-info/" not in name} == expected


def test_every_folder_that_holds_code_for_users_is_packaged() -> None:
    at_root = {path.parts[0] for path in tracked_files() if len(path.parts) > 1}

    assert at_root - set(package_folders()) <= {".ci", "bench", "docs", "examples", "tests"}


def test_storno_is_the_only_package_at_the_top(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"storno"}


def test_type_hints_are_published(names: set[str]) -> None:
    assert "storno/py.typed" in names


def test_the_licence_and_the_readme_are_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        [metadata] = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = message_from_bytes(archive.read(metadata))
        licence = archive.read(metadata.replace("METADATA", "licenses/LICENSE"))

    assert told["License-Expression"] == "Apache-2.0"
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert told.get_payload() == (ROOT / "README.md").read_text()


def test_every_module_imports_without_extras_or_test_tools(clean: Environment) -> None:
    ran = clean.run("python", "-c", IMPORT_ALL)

    assert ran.returncode == 0, ran.stderr
    imported, failed = json.loads(ran.stdout)
    assert failed == []
    assert {"storno.domain.errors", "storno.storage.engine", "storno.cli.main"} <= set(imported)


@pytest.mark.parametrize("folder", sorted(set(package_folders()) - {"api"}))
def test_a_folder_is_no_package_of_its_own(clean: Environment, folder: str) -> None:
    ran = clean.run("python", "-c", f"import {folder}")

    assert f"No module named '{folder}'" in ran.stderr


def test_the_command_tells_its_version(clean: Environment) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    ran = clean.run("storno", "--version")

    assert ran.returncode == 0, ran.stderr
    assert version in ran.stdout
