"""Every promise of the page on proofs names a test, and the test is there."""

from __future__ import annotations

import ast
import re

from .running import ROOT

PAGE = ROOT / "docs" / "explanation" / "proofs.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises(page: str) -> list[str]:
    """The rows of its tables, without their heads."""
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith(("| promise", "| ---"))]


def functions(path: str) -> set[str]:
    file = ROOT / path
    tree = ast.parse(file.read_text() if file.exists() else "")
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_every_promise_names_tests_that_are_there() -> None:
    rows = promises(PAGE.read_text())

    assert len(rows) > 15
    for row in rows:
        named = TEST.findall(row)
        assert named, row
        assert [name for path, name in named if name not in functions(path)] == [], row


def test_a_test_that_is_not_there_is_missed() -> None:
    assert "test_every_promise_names_tests_that_are_there" in functions(
        "tests/docs/test_promises.py"
    )
    assert functions("tests/docs/no_such_file.py") == set()
