"""Places that keep checkpoints: a folder, a git repository, anything that fsspec can write to.

A file that is there is never written again, by any of them: a checkpoint that could be replaced
would prove nothing.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from msgspec import Struct

from ..domain.errors import StornoError, UsageError
from .project import without_password

GIT_SECONDS: Final = 60.0
"""How long one git command may take: a hook that hangs must not keep a run from ending."""

SUFFIXES: Final = (".checkpoint", ".tsr")
"""How the names of the files end that are kept: checkpoints, and time stamps of them."""

_LEAKING: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Set while git runs a hook; they would lead to the repository of whoever called us."""


class KeepingError(StornoError):
    """A checkpoint could not be written to a place that is to keep it."""


class TakenError(KeepingError):
    """A file is there already; what it holds was not touched."""


class Place(Protocol):
    """Where checkpoints are kept, file by file."""

    def check(self) -> None:
        """See that it can be used.

        Raises:
            UsageError: it cannot, whatever is written.
        """

    def names(self) -> list[str]:
        """The names of all files in it; none where it is not there yet."""

    def read(self, name: str) -> bytes | None:
        """A file's content, None where it is not there."""

    def keep(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet.

        Raises:
            TakenError: somebody else has written it.
            KeepingError: it was not written; the message says why.
        """

    def settle(self, message: str) -> None:
        """Make what was kept last, once for several files.

        Raises:
            KeepingError: it does not.
        """


class Folder(Struct, frozen=True):
    """Files in a folder, which is made where it is missing. A file is there whole or not at all."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def check(self) -> None:
        """A folder may be missing, and nothing else may be in its place."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is to keep checkpoints, and is no folder.")

    def names(self) -> list[str]:
        """Drafts that a process left behind among them, which begin with a dot."""
        with self._named(""):
            return [each.name for each in self.path.iterdir()] if self.path.exists() else []

    def read(self, name: str) -> bytes | None:
        """The file's bytes, None where there is none."""
        with self._named(name):
            try:
                return (self.path / name).read_bytes()
            except FileNotFoundError:
                return None

    def keep(self, name: str, content: bytes) -> None:
        """Write it beside and link it in: a name that is taken stays whose it is."""
        draft = self.path / f".{name}.{uuid4().hex}"
        with self._named(name):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                _write(draft, content)
                os.link(draft, self.path / name)  # a rename would replace what is there
            finally:
                draft.unlink(missing_ok=True)
            _sync(self.path)

    def settle(self, message: str) -> None:
        """Nothing is left to do: each file was made to last by itself."""

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise TakenError(f"{self.path / name} was written by somebody else.") from None
        except OSError as error:
            raise KeepingError(f"{self.path / name}: {error.strerror}.") from None


class Repository(Struct, frozen=True):
    """Files in a folder of a git working tree, one commit for each checkpoint.

    Author, signing and hooks are those of git's own configuration. Nothing is pushed: a hook
    ``post-commit`` in the repository can do that.
    """

    path: Path

    def __str__(self) -> str:
        return f"git repository {self.path}"

    def check(self) -> None:
        """Git is there, and knows the folder as part of a working tree."""
        try:
            inside = self._git("rev-parse", "--is-inside-work-tree").strip() == "true"
        except KeepingError as error:
            raise UsageError(
                f"{self.path} is no git repository that can be used: {error} "
                f"Make one: git init {self.path}"
            ) from None
        if not inside:
            raise UsageError(
                f"{self.path} is a git repository without a working tree: clone it, name the "
                "clone, and let its hook post-commit push."
            )

    def names(self) -> list[str]:
        """As in any folder."""
        return Folder(self.path).names()

    def read(self, name: str) -> bytes | None:
        """As in any folder."""
        return Folder(self.path).read(name)

    def keep(self, name: str, content: bytes) -> None:
        """As in any folder; it is committed by ``settle``."""
        Folder(self.path).keep(name, content)

    def settle(self, message: str) -> None:
        """Commit what is new, and nothing else of what somebody has added."""
        with self._alone():
            # By their state, not by name: what a process left that died is committed as well.
            new = self._names("ls-files", "-z", "--others")
            added = self._names("diff", "-z", "--cached", "--name-only", "--relative")
            if names := sorted(new | added):
                self._git("add", "--", *names)
                self._git("commit", "--quiet", "-m", message, "--", *names)

    def _names(self, *words: str) -> set[str]:
        listed = self._git(*words, "--", *(f":(glob)*{suffix}" for suffix in SUFFIXES))
        return set(filter(None, listed.split("\0")))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time: git refuses the second where it could wait."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _git(self, *words: str) -> str:
        variables = {name: value for name, value in os.environ.items() if name not in _LEAKING}
        try:
            done = subprocess.run(
                ["git", "-C", str(self.path), *words],
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=GIT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise KeepingError("there is no git on this machine.") from None
        except subprocess.TimeoutExpired:
            raise KeepingError(
                f"git {words[0]} in {self.path} took more than {GIT_SECONDS:g} s, and was ended."
            ) from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise KeepingError(f"git {words[0]} in {self.path} failed: {said}")
        return done.stdout


class Remote(Struct, frozen=True):
    """Objects under a URL that fsspec can write to. What guards them is the bucket's own settings.

    Whether a name is taken is asked before it is written; only a bucket that locks its objects
    makes sure of it.
    """

    url: str

    def __str__(self) -> str:
        return without_password(self.url)

    def check(self) -> None:
        """Fsspec is there, and knows the URL's protocol."""
        with self._named("use it"):
            self._system()

    def names(self) -> list[str]:
        """Without what is below folders of its own."""
        with self._named("list it"):
            system, path = self._system()
            try:
                listed = system.ls(path, detail=False, refresh=True)
            except FileNotFoundError:
                return []
            return [str(each).rpartition("/")[2] for each in listed]

    def read(self, name: str) -> bytes | None:
        """The object's bytes, None where there is none."""
        with self._named("read"):
            system, path = self._system()
            try:
                content: bytes = system.cat_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
            return content

    def keep(self, name: str, content: bytes) -> None:
        """Write the object in one call: most systems show it whole or not at all."""
        with self._named(f"write {name}"):
            system, path = self._system()
            system.makedirs(path, exist_ok=True)
            system.pipe_file(f"{path}/{name}", content)

    def settle(self, message: str) -> None:
        """Nothing is left to do: an object lasts once it is written."""

    def _system(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise UsageError(
                f"checkpoints at {self} need fsspec: run `pip install 'storno[remote]'`."
            ) from None
        system, path = url_to_fs(self.url)
        return system, path.rstrip("/")

    @contextmanager
    def _named(self, act: str) -> Iterator[None]:
        try:
            yield
        except StornoError:
            raise
        except Exception as error:  # each of fsspec's systems has its own
            kind = type(error).__name__
            raise KeepingError(f"{self}: cannot {act}: {kind}: {error}") from error


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the folder's entries last, not the files alone."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
