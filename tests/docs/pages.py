"""Reading a page of documentation: its fenced blocks, and the comments that say how to treat them.

CONTRIBUTING.md describes the annotations for those who write pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
_ANNOTATION = re.compile(r" *<!-- (?P<name>[a-z-]+): (?P<value>.*?) -->\s*")
_TITLE = re.compile(r'title="(?P<name>[^"]+)"')
_FILE = re.compile(r"# file: (?P<name>\S+)\s*\n")

ANNOTATIONS = {"beside", "copy", "exit", "not-run"}


class PageError(Exception):
    """A page is written in a way that the harness does not understand."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: of its opening fence, from 1.
        language: the fence's first word.
        text: what it holds, without the fence's indentation, each line with its newline.
        file: the name under which it is written, if it is a file.
        exit: the exit code of the block's last command.
        not_run: why it is not run, if it is not.
        copy: folders or files of the repository that are copied beside it first.
        beside: folders beside the repository that are linked beside the page's directory first.
    """

    line: int
    language: str
    text: str
    file: str | None = None
    exit: int = 0
    not_run: str | None = None
    copy: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the page shows as its output.

    Attributes:
        line: of the command, from 1.
        script: what is typed, with its continuation lines.
        output: the lines shown; none if the page shows none.
    """

    line: int
    script: str
    output: tuple[str, ...]


@dataclass
class _Annotations:
    """The comments that stand before the next block."""

    line: int = 0
    values: dict[str, list[str]] = field(default_factory=dict)

    def add(self, line: int, name: str, value: str) -> None:
        if name not in ANNOTATIONS:
            raise PageError(f"line {line}: no annotation {name!r}; there are {sorted(ANNOTATIONS)}")
        self.line = line
        self.values.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        values = self.values.get(name, [])
        if len(values) > 1:
            raise PageError(f"line {self.line}: {name} is given twice")
        return values[0] if values else None


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        PageError: an annotation is unknown or stands before no block, or a fence is not closed.
    """
    lines = enumerate(text.splitlines(keepends=True), start=1)
    pending = _Annotations()
    for number, line in lines:
        if annotation := _ANNOTATION.fullmatch(line):
            pending.add(number, annotation["name"], annotation["value"])
        elif fence := _FENCE.fullmatch(line.rstrip("\n")):
            body = _body(number, fence, lines)
            yield _block(number, fence["info"].strip(), body, pending)
            pending = _Annotations()
        elif line.strip() and pending.values:
            raise PageError(f"line {pending.line}: the annotation stands before no block")
    if pending.values:
        raise PageError(f"line {pending.line}: the annotation stands before no block")


def _body(opened: int, fence: re.Match[str], lines: Iterator[tuple[int, str]]) -> str:
    closing = re.compile(rf" *{re.escape(fence['fence'])}{fence['fence'][0]}*\s*")
    body: list[str] = []
    for _, line in lines:
        if closing.fullmatch(line):
            return "".join(body)
        body.append(line.removeprefix(fence["indent"]))
    raise PageError(f"line {opened}: the block is not closed")


def _block(line: int, info: str, text: str, annotations: _Annotations) -> Block:
    if not info:
        raise PageError(f"line {line}: name the block's language; `text` if it has none")
    title, first = _TITLE.search(info), _FILE.match(text)
    named = title or first
    return Block(
        line=line,
        language=info.split(maxsplit=1)[0],
        text=text,
        file=named["name"] if named else None,
        exit=int(annotations.one("exit") or 0),
        not_run=annotations.one("not-run"),
        copy=tuple(annotations.values.get("copy", ())),
        beside=tuple(annotations.values.get("beside", ())),
    )


def commands(block: Block) -> list[Command]:
    """The commands of a console block: ``$ command``, ``> more of it``, then its output.

    Raises:
        PageError: the block begins with something else than a command.
    """
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], ()))
        elif not found:
            raise PageError(f"line {number}: a console block begins with `$ ` and a command")
        elif (line.startswith("> ") or line == ">") and not found[-1].output:
            last = found[-1]
            found[-1] = Command(last.line, f"{last.script}\n{line[2:]}", ())
        else:
            last = found[-1]
            found[-1] = Command(last.line, last.script, (*last.output, line))
    return found


def pages(root: Path) -> list[Path]:
    """README.md and every page under docs/, relative to the root."""
    found = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [page.relative_to(root) for page in found]
