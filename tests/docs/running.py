"""Running a page: its blocks in order, in one fresh directory, with the installed storno."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from .. import forking
from .matching import matches
from .pages import Block, Command, PageError, blocks, commands

ROOT = Path(__file__).parents[2]
POSTGRES_URL = "postgresql://storno@localhost/storno"
"""Stands in a page for a PostgreSQL database; a real one takes its place when the page is run."""

COMMAND_SECONDS = 120
_INSTALLED = Path(sys.executable).parent

# $1 is where the shell keeps its directory and exported variables for the next; $2 is typed.
_SHELL = """
[ ! -e "$1" ] || . "$1"
eval "$2"
code=$?
{ export -p; printf 'cd %q\\n' "$PWD"; } >"$1"
exit $code
"""

# Not run, as there is nothing to check but that they parse.
_PARSERS: Mapping[str, Callable[[str], object]] = {"json": json.loads, "toml": tomllib.loads}
_SHOWN = {"csv", "html", "ini", "mermaid", "sql", "text", "yaml"}


class BlockError(Exception):
    """A block of a page does not do what the page says."""


@dataclass
class Page:
    """A page while it is run; a context manager, which ends whatever the page started.

    Attributes:
        name: as messages name it.
        directory: the page's own, in which its commands begin.
        postgres_url: gives the URL of an empty PostgreSQL database; called at most once.
        fresh: whether each ``storno`` starts an interpreter, instead of being forked from one.
    """

    name: str
    directory: Path
    postgres_url: Callable[[], str]
    fresh: bool = False
    _state: Path = field(init=False)
    _started: list[subprocess.Popen[str]] = field(init=False, default_factory=list)
    _interpreter: subprocess.Popen[str] | None = field(init=False, default=None)
    _real_postgres_url: str | None = field(init=False, default=None)
    _shims: tuple[str, ...] = field(init=False, default=())
    _passed: tuple[int, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self._state = self.directory.with_name(f"{self.directory.name}.state")
        if forking.FORKS and not self.fresh:
            shims = self.directory.with_name(f"{self.directory.name}.bin")
            self._passed = forking.on_path(_INSTALLED / "storno", shims, self._environ())
            self._shims = (str(shims),)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()

    def run(self, text: str) -> int:
        """Run the page's blocks; how many were run or written.

        Raises:
            BlockError: with the line, what was expected and what came.
        """
        try:
            return sum([self._run_block(block) for block in blocks(text)])
        except PageError as error:
            raise BlockError(f"{self.name}: {error}") from error

    def _run_block(self, block: Block) -> bool:
        """Whether the block was run or written, and not only looked at."""
        for path in block.copy:
            self._copy(path, block)
        for path in block.beside:
            self._link(path, block)
        if block.not_run is not None:
            self._judge_not_run(block)
        elif block.file:
            self._write(block)
            return True
        elif act := self._acts.get(block.language):
            act(block)
            return True
        elif parse := _PARSERS.get(block.language):
            self._parse(block, parse)
        elif block.language not in _SHOWN:
            message = f"`{block.language}` is not run here: console, python, pycon, or text"
            raise self._error(block.line, message)
        return False

    @property
    def _acts(self) -> Mapping[str, Callable[[Block], None]]:
        return {"console": self._type, "python": self._execute, "pycon": self._execute}

    def _copy(self, path: str, block: Block) -> None:
        source, target = ROOT / path, self.directory / path
        if not source.exists():
            raise self._error(block.line, f"there is no {path} to copy")
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.db", "*.db-*")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def _link(self, path: str, block: Block) -> None:
        source, target = ROOT.parent / path, self.directory.parent / path
        if not source.is_dir():
            raise self._error(block.line, f"there is no {path} beside the repository")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)

    def _judge_not_run(self, block: Block) -> None:
        """A command of ours runs everywhere; only what surrounds it may not."""
        if not block.not_run or block.language != "console":
            raise self._error(block.line, "not-run is for a console block, and says why")
        for command in commands(block):
            if command.script.split()[0] == "storno":
                raise self._error(command.line, "a storno command can always be run")

    def _write(self, block: Block) -> None:
        target = self.directory / str(block.file)
        if not target.resolve().is_relative_to(self.directory.resolve()):
            raise self._error(block.line, f"{block.file} is outside the page's directory")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self._with_postgres(block.text))

    def _parse(self, block: Block, parse: Callable[[str], object]) -> None:
        try:
            parse(block.text)
        except ValueError as error:
            raise self._error(block.line, f"this is no {block.language}: {error}") from error

    def _type(self, block: Block) -> None:
        typed = commands(block)
        for command in typed:
            expected = block.exit if command is typed[-1] else 0
            code, output = self._shell(command)
            if code != expected:
                message = f"exit code {code}, not {expected}: $ {command.script}\n{output}"
                raise self._error(command.line, message)
            if command.output and not matches(command.output, output.splitlines()):
                shown = "\n".join(command.output)
                message = f"$ {command.script}\n--- the page shows\n{shown}\n--- it is\n{output}"
                raise self._error(command.line, message)

    def _shell(self, command: Command) -> tuple[int, str]:
        """Run a command; its exit code, and what a terminal would have shown."""
        script = self._with_postgres(command.script, quoted=True)
        # A file, not a pipe: what a command leaves running in the background does not hold it up.
        with tempfile.TemporaryFile("w+") as output:
            shell = subprocess.Popen(
                ["bash", "-c", _SHELL, "bash", str(self._state), script],
                cwd=self.directory,
                env=self._environ(),
                pass_fds=self._passed,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
            self._started.append(shell)
            try:
                code = shell.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                message = f"still running after {COMMAND_SECONDS} s: $ {command.script}"
                raise self._error(command.line, message) from None
            output.seek(0)
            return code, self._as_shown(output.read())

    def _execute(self, block: Block) -> None:
        if self._interpreter is None:
            self._interpreter = self._start_interpreter()
        assert self._interpreter.stdin
        assert self._interpreter.stdout
        request = {
            "code": self._with_postgres(block.text),
            "name": f"<{self.name}, line {block.line}>",
            "session": block.language == "pycon",
        }
        self._interpreter.stdin.write(json.dumps(request) + "\n")
        self._interpreter.stdin.flush()
        answer = self._interpreter.stdout.readline()
        if not answer:
            raise self._error(block.line, "the interpreter ended")
        if error := json.loads(answer)["error"]:
            raise self._error(block.line, error)

    def _start_interpreter(self) -> subprocess.Popen[str]:
        interpreter = forking.start(
            [sys.executable, str(Path(__file__).with_name("interpreter.py"))],
            fresh=self.fresh,
            often=True,
            cwd=self.directory,
            env=self._environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._started.append(interpreter)
        return interpreter

    def _environ(self) -> dict[str, str]:
        """The same on every machine: no colour, no settings, a plain terminal of 100 columns."""
        kept = {"LD_LIBRARY_PATH", "TMPDIR"}
        return {name: os.environ[name] for name in kept & os.environ.keys()} | {
            "COLUMNS": "100",
            "HOME": str(self.directory),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PATH": os.pathsep.join([*self._shims, str(_INSTALLED), os.defpath]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TERM": "dumb",
            "TZ": "UTC",
            "USER": "ada",
        }

    def _with_postgres(self, text: str, *, quoted: bool = False) -> str:
        if POSTGRES_URL not in text:
            return text
        if self._real_postgres_url is None:
            self._real_postgres_url = self.postgres_url()
        url = self._real_postgres_url
        return text.replace(POSTGRES_URL, url.replace("&", r"\&") if quoted else url)

    def _as_shown(self, output: str) -> str:
        """The output, with the names that a page uses for the machine's own."""
        if self._real_postgres_url:
            output = output.replace(self._real_postgres_url, POSTGRES_URL)
        return output.replace(str(self.directory.resolve()), "~")

    def _error(self, line: int, message: str) -> BlockError:
        return BlockError(f"{self.name}:{line}: {message}")
