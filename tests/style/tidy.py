"""The house rules that a linter does not know, each a function from a file to what breaks it.

Modelled on TigerBeetle's tidy.zig. The patterns are composed so that this file does not match them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "cli", "compensations", "domain", "execution", "projections", "storage")
PURE = ("compensations", "domain", "projections")
TEXT_SUFFIXES = {".cfg", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}

MAX_MODULE_LINES = 450
MAX_FUNCTION_LINES = 60  # of code: a signature and a docstring may be as long as they must

# Between quotes it is the code that ISO 4217 gives to no currency at all.
UNFINISHED = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|(?<![\"'])X" + r"XX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|mnt)" + r"/\w")
REGISTRY = re.compile(r"\b(?:py" + r"pi|pythonhosted|npm" + r"js|deb" + r"ian)\.(?:org|com)\b")
SQL = re.compile(
    r"\bSELECT\s.*\bFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+\S+\s+SET\b|\bDELETE\s+FROM\b"
    r"|\b(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|TRIGGER|VIEW|SCHEMA)\b|\bBEGIN\s+IMMEDIATE\b",
    re.DOTALL,
)
CLOCK_CALLS = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Source:
    """A file of the repository.

    Attributes:
        path: relative to the root.
        text: what it holds.
    """

    path: PurePosixPath
    text: str

    @property
    def folder(self) -> str:
        return self.path.parts[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def is_python(self) -> bool:
        return self.path.suffix == ".py"

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of a Python file, none of another file."""
        return ast.walk(self.tree) if self.is_python else iter(())

    def at(self, line: int, message: str) -> str:
        return f"{self.path}:{line}: {message}"


Rule = Callable[[Source], Iterator[str]]


def sources() -> list[Source]:
    """The text files of the repository: those that git tracks, and those that it would."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = {PurePosixPath(name) for name in listed.split("\0") if name}
    return [
        Source(path, (ROOT / path).read_text())
        for path in sorted(paths)
        if path.suffix in TEXT_SUFFIXES and (ROOT / path).is_file()
    ]


def module_length(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if source.is_python and lines > MAX_MODULE_LINES:
        yield source.at(1, f"{lines} lines: split it where a meaning ends ({MAX_MODULE_LINES})")


def function_length(source: Source) -> Iterator[str]:
    for node in source.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            code = node.body[1:] if ast.get_docstring(node, clean=False) else node.body
            lines = (code[-1].end_lineno or 0) - code[0].lineno + 1 if code else 0
            if lines > MAX_FUNCTION_LINES:
                name = f"{node.name} has {lines} lines of code"
                yield source.at(node.lineno, f"{name} ({MAX_FUNCTION_LINES})")


def unfinished(source: Source) -> Iterator[str]:
    yield from _matches(source, UNFINISHED, "finish it, or file it")


def machine_paths(source: Source) -> Iterator[str]:
    yield from _matches(source, MACHINE_PATH, "a path of one machine")


def registries(source: Source) -> Iterator[str]:
    """Which registry packages come from is the business of the machine that installs them."""
    yield from _matches(source, REGISTRY, "a registry's host")


def sleeps_in_tests(source: Source) -> Iterator[str]:
    """A sleep is too short on a slow machine and too long on a fast one: wait for a condition.

    In a `while` loop it is the pause between two looks at the condition.
    """
    if source.folder != "tests":
        return
    loops = [node for node in source.nodes() if isinstance(node, ast.While)]
    polling = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in source.nodes():
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep":
            found = id(node) not in polling
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found = any(name.name == "sleep" for name in node.names)
        else:
            continue
        if found:
            yield source.at(node.lineno, "wait for a condition, not for a time")


def mocks(source: Source) -> Iterator[str]:
    for line, module in _imports(source):
        if module.startswith("unittest.mock") or module.split(".")[0] == "mock":
            yield source.at(line, "no mocks: use the real part, or a fake that implements the port")


def sql_outside_storage(source: Source) -> Iterator[str]:
    """SQL lives in storage/, and in the source that reads from a user's own database."""
    if source.folder not in PACKAGES or source.folder == "storage":
        return
    if source.path.match("execution/sources/sql*.py"):
        return
    docstrings = {id(constant) for constant in _docstrings(source)}
    for node in source.nodes():
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if id(node) not in docstrings and SQL.search(node.value):
            yield source.at(node.lineno, "SQL belongs in storage/")


def clocks_in_pure_folders(source: Source) -> Iterator[str]:
    """The clock comes in as an argument; import-linter sees `time`, but not `datetime.now`."""
    if source.folder not in PURE:
        return
    for node in source.nodes():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in CLOCK_CALLS:
            yield source.at(node.lineno, f"{ast.unparse(node.func)} reads the clock")


def tenacity_importers(tree: Sequence[Source]) -> list[str]:
    """The modules of the package that import tenacity."""
    return [
        str(source.path)
        for source in tree
        if source.folder in PACKAGES
        and any(module.split(".")[0] == "tenacity" for _, module in _imports(source))
    ]


RULES: tuple[Rule, ...] = (
    module_length,
    function_length,
    unfinished,
    machine_paths,
    registries,
    sleeps_in_tests,
    mocks,
    sql_outside_storage,
    clocks_in_pure_folders,
)


def _matches(source: Source, pattern: re.Pattern[str], message: str) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := pattern.search(line):
            yield source.at(number, f"{found.group()!r}: {message}")


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes():
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for name in node.names:
                yield node.lineno, f"{node.module}.{name.name}"


def _docstrings(source: Source) -> Iterator[ast.Constant]:
    """Strings that stand as statements: docstrings, and the same after an attribute."""
    for node in source.nodes():
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
