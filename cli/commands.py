"""Every command, by name: what it does in a line, and where it is found when it is called.

Nothing of a command is imported before somebody calls it, so that ``storno --version`` and
``storno --help`` answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of commands.

    Attributes:
        name: as it is typed.
        target: ``module:attribute`` of a cyclopts App, the module relative to ``storno.cli``.
        summary: what the overview says of it.
    """

    name: str
    target: str
    summary: str


OVERVIEW: Final[dict[str, tuple[Command, ...]]] = {
    "Start": (
        Command("init", "init:init", "Make a project that runs at once"),
        Command("demo", "demo:demo", "Show payments run, repaired, crashed, resumed, taken back"),
        Command("doctor", "doctor:doctor", "Check versions, settings, the store and the machine"),
        Command("jobs", "jobs:jobs", "List and show the jobs of this project"),
    ),
    "Run": (
        Command("run", "run:run", "Run a job, or go on with a run that stopped or failed"),
        Command("resume", "run:resume", "Go on with a run that stopped or failed"),
        Command("stop", "control:stop", "Ask a run to stop at the end of its chunk"),
        Command("abandon", "control:abandon", "End a run for good"),
    ),
    "Look": (
        Command("runs", "runs:runs", "List runs"),
        Command("show", "show:show", "Show one run: its counts, chunks, events and failures"),
        Command("diff", "diff:diff", "Compare two runs, or two attempts"),
        Command("status", "status:status", "Say how runs stand, once"),
        Command("watch", "status:watch", "Follow runs until they end"),
        Command("dead-letters", "dead_letters:dead_letters", "Work off records that failed"),
    ),
    "Take back": (
        Command("reverse", "reverse:reverse", "Plan, approve and execute the taking back of a run"),
    ),
    "Books": (
        Command("ledger", "ledger:ledger", "Trial balance, balances, accounts and entries"),
        Command("periods", "periods:periods", "List, close and reopen accounting periods"),
        Command("audit", "audit:audit", "Lives of records, auditors' questions, proofs"),
    ),
    "Store": (
        Command("db", "db:db", "Make, migrate and back up the store"),
        Command("views", "views:views", "Rebuild the views from the events, or compare them"),
        Command("forget", "forget:forget", "Make somebody's personal fields unreadable, for good"),
    ),
    "Shell": (Command("completion", "completion:completion", "Print a shell's completion script"),),
}

COMMANDS: Final = tuple(command for group in OVERVIEW.values() for command in group)


def overview() -> str:
    """What ``storno --help`` prints."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [
        "Run auditable financial batch jobs.",
        "",
        "Usage: storno COMMAND [OPTIONS]",
    ]
    for title, commands in OVERVIEW.items():
        lines += ["", f"{title}:"]
        lines += [f"  {command.name:<{width}}  {command.summary}" for command in commands]
    return "\n".join((*lines, "", *_CLOSING))


_CLOSING = (
    "Options:",
    "  --help, -h  Show this, or with a command its options and examples",
    "  --version   Show the version",
    "",
    "Begin with:",
    "  storno demo",
    "  storno init payroll-jobs --template payroll",
)
