"""The tree keeps the house rules, and each rule finds what breaks it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from .tidy import (
    MAX_FUNCTION_LINES,
    MAX_MODULE_LINES,
    PACKAGES,
    ROOT,
    RULES,
    Rule,
    Source,
    clocks_in_pure_folders,
    function_length,
    machine_paths,
    mocks,
    module_length,
    registries,
    sleeps_in_tests,
    sources,
    sql_outside_storage,
    tenacity_importers,
    unfinished,
)

LONG_CODE = "    pass\n" * MAX_FUNCTION_LINES
PLANTED: list[tuple[Rule, str, str]] = [
    (module_length, "domain/long.py", "x = 1\n" * (MAX_MODULE_LINES + 1)),
    (function_length, "tests/test_long.py", f"def f():\n{LONG_CODE}    pass\n"),
    (unfinished, "docs/page.md", "some day, TO" + "DO"),
    (unfinished, "Makefile", "# FIX" + "ME: later"),
    (machine_paths, "docs/page.md", "see /ho" + "me/me/storno"),
    (machine_paths, "tests/test_x.py", "url = 'sqlite:////t" + "mp/x.db'"),
    (registries, "Makefile", "pip install --index-url https://py" + "pi.org/simple storno"),
    (sleeps_in_tests, "tests/test_x.py", "import time\ntime.sleep(1)"),
    (sleeps_in_tests, "tests/test_x.py", "from time import monotonic, sleep"),
    (mocks, "tests/test_x.py", "from unittest.mock import patch"),
    (mocks, "tests/test_x.py", "from unittest import mock"),
    (sql_outside_storage, "cli/runs.py", "q = 'SELECT *\\n FROM runs'"),
    (sql_outside_storage, "execution/runner.py", "q = f'INSERT INTO {table} VALUES (1)'"),
    (clocks_in_pure_folders, "domain/run.py", "from datetime import date\nd = date.today()"),
]
KEPT: list[tuple[Rule, str, str]] = [
    (module_length, "domain/long.py", "x = 1\n" * MAX_MODULE_LINES),
    (function_length, "domain/f.py", f'def f():\n    """Do."""\n{LONG_CODE}'),
    (machine_paths, "docs/page.md", "https://example.org/t" + "mp/x and ../wo" + "rk/y"),
    (sleeps_in_tests, "tests/test_x.py", "while not done():\n    time.sleep(0.01)"),
    (sleeps_in_tests, "storage/log.py", "import time\ntime.sleep(1)"),
    (mocks, "tests/test_x.py", "from unittest import TestCase"),
    (sql_outside_storage, "storage/log.py", "q = 'SELECT * FROM runs'"),
    (sql_outside_storage, "execution/sources/sql.py", "q = 'SELECT * FROM runs'"),
    (sql_outside_storage, "domain/run.py", '"""SELECT it FROM the list."""'),
    (clocks_in_pure_folders, "storage/log.py", "from datetime import date\nd = date.today()"),
]


@pytest.fixture(scope="module")
def tree() -> list[Source]:
    return sources()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule, tree: list[Source]) -> None:
    findings = [finding for source in tree for finding in rule(source)]

    assert not findings, "\n".join(["", *findings])


def test_every_folder_of_the_package_is_looked_at(tree: list[Source]) -> None:
    assert {source.folder for source in tree if source.is_python} >= {*PACKAGES, "tests"}


def test_every_folder_with_code_at_the_root_is_known() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert folders - {"bench", "tests"} == set(PACKAGES)


def test_one_module_retries(tree: list[Source]) -> None:
    assert len(tenacity_importers(tree)) <= 1, "tenacity is imported by one module only"


def test_tenacity_is_found_in_both_forms_of_import() -> None:
    planted = [
        Source(PurePosixPath("execution/a.py"), "import tenacity"),
        Source(PurePosixPath("storage/b.py"), "from tenacity import retry"),
        Source(PurePosixPath("storage/c.py"), "from .tenacity import retry"),
        Source(PurePosixPath("tests/d.py"), "import tenacity"),
    ]

    assert tenacity_importers(planted) == ["execution/a.py", "storage/b.py"]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_violation_is_found(rule: Rule, path: str, text: str) -> None:
    [finding] = rule(Source(PurePosixPath(path), text))

    assert finding.startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_what_keeps_the_rule_passes(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(PurePosixPath(path), text))) == []


def test_every_rule_was_seen_to_fail() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)
