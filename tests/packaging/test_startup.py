"""The command answers at once, as it imports nothing that it does not need.

Asserted by what is imported, not by a time: a time says more about the machine.
"""

from __future__ import annotations

import pytest

from .building import HERE

HEAVY = {
    "alembic",
    "cryptography",
    "eventsourcing",
    "iso4217",
    "psycopg",
    "pyarrow",
    "pydantic",
    "pysqlite3",
    "sqlalchemy",
    "structlog",
    "tenacity",
}


def modules_imported_by(*command: str) -> set[str]:
    """The modules that a run of Python imports, read from ``-X importtime``.

    Its lines look like ``import time:   self [us] | cumulative | name``.
    """
    ran = HERE.run("python", "-X", "importtime", *command)
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines}


def imported_by(*command: str) -> set[str]:
    """The top-level ones among them."""
    return {name.split(".")[0] for name in modules_imported_by(*command)}


def test_a_heavy_import_is_seen() -> None:
    assert "pydantic" in imported_by("-c", "import pydantic")


def test_importing_storno_imports_nothing_heavy() -> None:
    imported = imported_by("-c", "import storno")

    assert "storno" in imported
    assert imported & (HEAVY | {"cyclopts", "rich", "msgspec"}) == set()


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_imports_nothing_heavy(option: str) -> None:
    imported = imported_by(str(HERE.bin / "storno"), option)

    assert "storno" in imported
    assert imported & HEAVY == set()


def test_the_version_needs_no_rendering() -> None:
    assert "rich" not in imported_by(str(HERE.bin / "storno"), "--version")


@pytest.mark.parametrize("module", ["storno.storage.store", "storno.storage.queries"])
def test_a_store_loads_no_dialect_that_it_may_not_use(module: str) -> None:
    imported = modules_imported_by("-c", f"import {module}")

    assert "sqlalchemy" in imported
    assert not [name for name in imported if name.startswith("sqlalchemy.dialects.postgresql")]
