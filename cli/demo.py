"""``storno demo``: payments run, repaired, crashed, resumed, taken back; every figure proved."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from .demo_month import JOBS, REPAIRED, REPAIRED_AMOUNT, SETTINGS, Month, make_month
from .errors import CHECK_FAILED, DEAD_LETTERS, DONE, NOT_ALLOWED
from .options import OUTPUT, Output, command, note

KILLED = -9
JANUARY, FEBRUARY = "2026-01", "2026-02"
LAST_DAY = "2026-02-28"
ASKS, AGREES = "ann", "carl"


@dataclass(slots=True)
class Story:
    """The demo as it is told: what it does is done by the command line itself.

    Attributes:
        folder: of the demo's project.
        json: whether stdout is for one document; the story goes to stderr then.
        failures: how many checks did not come out as they should.
        checks: what was compared.
    """

    folder: Path
    json: bool
    failures: int = 0
    checks: list[dict[str, Any]] = field(default_factory=list)

    def write(self, text: str = "", style: str = "") -> None:
        """A line of the story."""
        from .render import stderr, stdout

        (stderr() if self.json else stdout()).print(text, style=style, soft_wrap=True, markup=False)

    def tell(self, title: str, text: str) -> None:
        """A heading and what it is about."""
        self.write()
        self.write(title, style="bold")
        self.write(text)

    def run(
        self, *words: str, expect: int = DONE, environment: dict[str, str] | None = None
    ) -> None:
        """A command and its output, as a person would see them."""
        shown = [*(f"{name}={value}" for name, value in (environment or {}).items()), "storno"]
        self.write()
        self.write(f"$ {' '.join(shown)} {shlex.join(words)}", style="cyan")
        stream = sys.stderr if self.json else sys.stdout
        stream.flush()
        done = subprocess.run(
            _command(words),
            cwd=self.folder,
            env=_surroundings() | (environment or {}),
            stdout=stream,
            stderr=None if sys.stderr.isatty() else stream,
            check=False,
        )
        if done.returncode == KILLED:
            # The bar could not be taken away any more: the cursor stands at its end.
            self.write("\nKilled" if sys.stderr.isatty() else "Killed")
        if done.returncode != expect:
            self.check(f"'storno {' '.join(words)}' ends with {expect}", expect, done.returncode)

    def ask(self, *words: str) -> Any:
        """What a command answers a script."""
        done = subprocess.run(
            _command([*words, "--json"]),
            cwd=self.folder,
            env=_surroundings(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.stdout:
            self.check(f"'storno {' '.join(words)} --json' answers", "a document", done.stderr)
            return {}
        return json.loads(done.stdout)

    def check(self, what: str, expected: object, found: object) -> None:
        """Compare two figures that come about in different ways."""
        good = expected == found
        self.failures += not good
        self.checks.append({"check": what, "expected": str(expected), "found": str(found)})
        outcome = "ok " if good else "BAD"
        detail = _shown(found) if good else f"expected {_shown(expected)}, found {_shown(found)}"
        self.write(f"  {outcome}  {what}: {detail}", style="" if good else "red")


@command("demo", "storno demo", "storno demo --keep my-demo")
def demo(
    *,
    keep: Annotated[
        Path | None,
        note("Make the demo's project in this folder, and leave it there", metavar="DIR"),
    ] = None,
    output: Output = OUTPUT,
) -> int:
    """Run two made-up months of payments: bad records, a crash, a resume, a reversal, the books.

    Every command is shown before it is run, and is run as you would run it. At the end every
    figure is compared with one that was made without Storno; the exit code is 5 if one differs.
    """
    from ..domain.errors import ConflictError

    if keep is None:
        with tempfile.TemporaryDirectory(prefix="storno-demo-") as folder:
            return _tell(Path(folder), output)
    if keep.exists() and any(keep.iterdir()):
        raise ConflictError(f"{keep} is not empty: name a folder that is not there yet.")
    keep.mkdir(parents=True, exist_ok=True)
    return _tell(keep, output)


def _tell(folder: Path, output: Output) -> int:
    story = Story(folder, output.json)
    january = make_month(JANUARY, 5_000, faulty=True)
    february = make_month(FEBRUARY, 20_000, faulty=False)
    _set_up(story, january, february)
    _first_month(story, january)
    _second_month(story)
    _books(story)
    _take_back(story, january, february)
    _prove(story, january, february)
    _verify(story)
    _close(story)
    if output.json:
        from .render import write_json

        write_json({"checks": story.checks, "failures": story.failures})
    return CHECK_FAILED if story.failures else DONE


def _set_up(story: Story, january: Month, february: Month) -> None:
    story.tell(
        "A project: settings, a job, and two months of payments",
        "A job is a function from a record to an entry: a payment debits an expense and credits\n"
        "what is owed to creditors. The payments are made up by a seeded generator.",
    )
    files = {
        "storno.toml": SETTINGS,
        "jobs.py": JOBS,
        f"payments-{JANUARY}.csv": january.text,
        f"payments-{FEBRUARY}.csv": february.text,
    }
    for name, text in files.items():
        (story.folder / name).write_text(text, encoding="utf-8")
    story.run("db", "init")


def _first_month(story: Story, january: Month) -> None:
    story.tell(
        "1. A month with faults",
        "Records that cannot be posted are set aside as dead letters; the rest goes on. Exit code\n"
        "3 says: finished, and somebody has to look.",
    )
    story.run("run", "payments", "--param", f"month={JANUARY}", expect=DEAD_LETTERS)
    story.tell(
        "Why did they fail?",
        "Each dead letter has a stable error code, a reason in words, and the record as it came.",
    )
    story.run("dead-letters", "list", "--run", f"payments/{JANUARY}")
    story.tell(
        "Running it again does nothing",
        "A job and its parameters name a run, and a run is done once.",
    )
    story.run("run", "payments", "--param", f"month={JANUARY}")
    _repair(story, january)


def _repair(story: Story, january: Month) -> None:
    key = f"P{JANUARY.replace('-', '')}-{REPAIRED}"
    story.tell(
        "A record is repaired",
        "It is corrected in the store, with a reason. What failed stays as it was, beside it; the\n"
        "record is posted by trying it again, and counts in its run.",
    )
    amount = f"amount={REPAIRED_AMOUNT}"
    words = ("dead-letters", "edit", "payments", key, "--set", amount, "--reason", "comma")
    story.run(*words)
    story.run("dead-letters", "retry", "payments", key)
    january.post("expense:rent", REPAIRED_AMOUNT)
    january.faults["invalid-record"] -= 1


def _second_month(story: Story) -> None:
    plug = f"P{FEBRUARY.replace('-', '')}-012345"
    story.tell(
        "2. A power cut",
        "The second month has 20,000 payments. In the middle of it the process is killed with\n"
        "SIGKILL: no handler runs, nothing is cleaned up.",
    )
    february = ("run", "payments", "--param", f"month={FEBRUARY}")
    story.run(*february, expect=KILLED, environment={"PULL_THE_PLUG_AT": plug})
    story.tell("What is left", "Chunks that were committed are there; the rest is not.")
    story.run("status", f"payments/{FEBRUARY}")
    story.tell(
        "Resume",
        "The next start sees that the holder is dead, and goes on from the first open chunk.",
    )
    story.run("resume", f"payments/{FEBRUARY}")


def _books(story: Story) -> None:
    story.tell(
        "3. The books",
        "Balances are sums over what every commit moved; they can be rebuilt from the events.",
    )
    story.run("ledger", "trial-balance")
    key = f"P{FEBRUARY.replace('-', '')}-012345"
    story.tell("The life of one record", "The payment at which the power went:")
    story.run("audit", "trail", "payments", key)


def _take_back(story: Story, january: Month, february: Month) -> None:
    day = february.on(LAST_DAY)
    story.tell(
        "4. Take it back",
        f"The bank says that the payments of {LAST_DAY} were never made. Nothing is deleted: they\n"
        "are reversed. First a plan, which writes nothing:",
    )
    run = f"payments/{FEBRUARY}"
    story.run("reverse", "plan", run, "--where", f"date={LAST_DAY}", "--out", "plan.json")
    story.tell(
        "Two pairs of eyes",
        "storno.toml asks for one approval: somebody asks, with a reason; somebody else agrees.",
    )
    reason = ("--reason-code", "other", "--reason", "the bank refused them")
    story.run("reverse", "submit", "plan.json", *reason, "--actor", ASKS)
    story.run("reverse", "approve", "R-000001", "--actor", ASKS, expect=NOT_ALLOWED)
    story.run("reverse", "approve", "R-000001", "--actor", AGREES)
    story.run("reverse", "execute", "R-000001", "--yes", "--actor", ASKS)
    story.tell("The books without them", "Debit and credit are swapped, so both sides have grown:")
    story.run("ledger", "trial-balance")
    taken = Month()
    for row in day:
        taken.post(row[2], row[4])
    _prove_balances(story, (january, february), taken)
    story.tell(
        "And once more",
        "The bank was wrong. Running the month again posts what was taken back, and nothing else.",
    )
    again = ("--again", "--reason", "the bank has paid them")
    story.run("run", "payments", "--param", f"month={FEBRUARY}", *again)
    story.run("audit", "trail", "payments", day[0][0])


def _prove(story: Story, january: Month, february: Month) -> None:
    story.tell(
        "5. Is all of that true?",
        "Compared with figures that were made without Storno, from the generated payments:",
    )
    _prove_run(story, JANUARY, january)
    _prove_run(story, FEBRUARY, february)
    letters = story.ask("dead-letters", "list")
    errors: dict[str, int] = {}
    for letter in letters:
        errors[letter["error"]] = errors.get(letter["error"], 0) + 1
    story.check("dead letters, by error", dict(sorted(january.faults.items())), _sorted(errors))
    reversal = story.ask("reverse", "show", "R-000001")
    expected = {"state": "completed", "reversed": len(february.on(LAST_DAY))}
    story.check("R-000001", expected, {name: reversal.get(name) for name in expected})
    _prove_balances(story, (january, february))
    views = story.ask("views", "check")
    story.check("views equal a rebuild from the events", True, views.get("agree"))


def _verify(story: Story) -> None:
    story.tell(
        "6. Was anything changed since?",
        "Every event is hashed, and every commit over the one before it. All of it is computed\n"
        "anew, and the views are compared with the events.",
    )
    story.run("audit", "verify")


def _close(story: Story) -> None:
    """What all of it comes to, and what to type next."""
    from .render import counted

    story.write()
    if story.failures:
        story.write(f"{counted(story.failures, 'figure')} came out otherwise.", style="bold red")
        return
    story.write(f"All {len(story.checks)} figures agree.", style="bold green")
    story.write()
    story.write("A project of your own, with a job and an input that run at once:")
    story.write("  storno init payments-jobs")


def _prove_run(story: Story, name: str, month: Month) -> None:
    run = story.ask("show", f"payments/{name}")
    failed = sum(month.faults.values())
    expected = {
        "state": "completed",
        "read": month.rows,
        "succeeded": month.rows - failed - month.repeated,
        "skipped": month.repeated,
        "failed": failed,
    }
    story.check(f"{name}", expected, {key: run.get(key) for key in expected})


def _prove_balances(story: Story, months: Sequence[Month], taken: Month | None = None) -> None:
    """Compare the balances with what the months posted, without what was taken back of it."""
    if taken is not None:
        story.write()
    balance = story.ask("ledger", "trial-balance")
    found = {row["account"]: Decimal(row["balance"]) for row in balance.get("accounts", [])}
    expected: dict[str, Decimal] = {}
    for month in months:
        for account, total in month.posted.items():
            expected[account] = expected.get(account, Decimal(0)) + total
    for account, total in (taken.posted if taken else {}).items():
        expected[account] -= total
    expected["creditors"] = -sum(expected.values(), Decimal(0))
    for account in sorted({*expected, *found}):
        story.check(account, expected.get(account), found.get(account))
    for total in balance.get("totals", []):
        story.check(f"debits equal credits in {total['currency']}", total["debit"], total["credit"])


def _shown(figure: object) -> str:
    if isinstance(figure, dict):
        return ", ".join(f"{name} {value}" for name, value in figure.items())
    return "yes" if figure is True else str(figure)


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _surroundings() -> dict[str, str]:
    """The environment without the store of somebody's books: the demo posts to its own."""
    from ..execution.project import STORE_VARIABLE

    return {name: value for name, value in os.environ.items() if name != STORE_VARIABLE}


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "storno.cli", *words]
