"""What many commands share: the global options, and how a function becomes a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from ..domain.errors import UsageError

OPTIONS = Group("Options", sort_key=50)
GLOBAL = Group("Global options", sort_key=100)


def note(text: str, **more: Any) -> Parameter:
    """A parameter with this help."""
    return Parameter(help=text, **more)


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class Output:
    """Options that every command takes.

    Attributes:
        json: whether a script reads the output.
        debug: whether errors come with a traceback.
    """

    json: Annotated[bool, note("Print one JSON document, for scripts")] = False
    debug: Annotated[bool, note("Show the traceback of an error (also STORNO_DEBUG=1)")] = False


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class Common(Output):
    """Options of every command that uses a project.

    Attributes:
        store: URL of the store, where it is not the project's.
    """

    store: Annotated[
        str | None, note("Use this store, sqlite:///FILE or postgresql://...", metavar="URL")
    ] = None


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class Acting(Common):
    """Options of a command that acts: somebody does it.

    Attributes:
        actor: who acts, where it is not STORNO_ACTOR or the operating system's user.
    """

    actor: Annotated[
        str | None, note("Who acts (else STORNO_ACTOR, else the system's user)", metavar="NAME")
    ] = None


@Parameter(name="*", group=GLOBAL)
@dataclass(frozen=True, kw_only=True)
class Running(Acting):
    """Options of a command that runs a job.

    Attributes:
        verbose: whether all of the log is written, not only warnings.
    """

    verbose: Annotated[
        bool, note("Write the log of the job and of the run to stderr", name=("--verbose", "-v"))
    ] = False


OUTPUT = Output()
COMMON = Common()
ACTING = Acting()
RUNNING = Running()


def at_least_one(limit: int | None) -> int | None:
    """The limit that ``--limit`` gives.

    Raises:
        UsageError: it is below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: write a number from 1 on.")
    return limit


def command(
    name: str, *examples: str, usage: str | None = None
) -> Callable[[Callable[..., int]], App]:
    """Make a function that returns an exit code a command; its docstring is the help.

    Args:
        name: as it is typed.
        examples: whole command lines, shown at the end of its help.
        usage: what follows its name, where cyclopts would not say which words may be left out.
    """

    def decorate(function: Callable[..., int]) -> App:
        program = examples[0].partition(f" {name}")[0]
        app = _app(
            name,
            help_epilogue="\n".join(("Examples:", *(f"  {line}" for line in examples))),
            usage=f"Usage: {program} {name} {usage}" if usage else None,
        )
        app.default(function)
        return app

    return decorate


def group(name: str, summary: str, *commands: App) -> App:
    """Several commands under one name."""
    app = _app(name, help=summary)
    for each in commands:
        app.command(each)
    return app


def _app(name: str, **more: Any) -> App:
    # A flag has no --no-flag: none of ours is ever on by itself.
    return App(
        name=name,
        version_flags=[],
        group_parameters=OPTIONS,
        default_parameter=Parameter(negative=(), show_default=False),
        **more,
    )
