"""The way in: version, help, unknown words, completion, and a project that runs at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from storno.cli.commands import COMMANDS, Command
from storno.cli.main import application

from .command import Storno

HEAVY = ("sqlalchemy", "pydantic", "alembic", "structlog", "eventsourcing", "iso4217")
COMPLETABLE = [command for command in COMMANDS if command.name != "demo"]


def test_the_version_is_the_installed_one(storno: Storno) -> None:
    assert storno("--version").stdout == f"storno {version('storno')}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_the_overview_names_every_command(storno: Storno, words: tuple[str, ...]) -> None:
    told = storno(*words).stdout

    assert [command.name for command in COMMANDS if f"  {command.name} " not in told] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_shows_help_at_once(command: Command) -> None:
    code = (
        "import sys; from storno.cli.main import main; "
        f"main([{command.name!r}, '--help']); "
        f"sys.exit(' '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: storno {command.name}")
    if "Commands:" not in done.stdout:
        assert f"Examples:\n  storno {command.name}" in done.stdout


def examples() -> list[str]:
    """The command lines that help pages show, without what the shell does with them."""
    app = application()
    apps = [app[command.name] for command in COMMANDS]
    apps += [each[name] for each in apps for name in each if not name.startswith("-")]
    lines = "\n".join(each.help_epilogue or "" for each in apps).splitlines()
    commands = [line.strip() for line in lines if line.startswith("  storno ")]
    return [part for line in commands for part in re.split(r" && | > \S+", line) if part]


@pytest.mark.parametrize("example", examples())
def test_every_example_can_be_typed(example: str) -> None:
    program, *words = shlex.split(example)

    command, bound, _ = application().parse_args(words, exit_on_error=False, print_error=False)

    assert program == "storno"
    assert len(example) <= 78, "a narrow terminal would break the line"
    assert callable(command)
    assert bound.arguments is not None


def test_help_may_stand_in_front(storno: Storno) -> None:
    assert storno("help", "db", "backup").stdout == storno("db", "backup", "--help").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("rnu",), "Did you mean 'run'?"),
        (("db", "inti"), "Did you mean 'init'?"),
        (("run", "payments", "--parm", "month=1"), "Did you mean --param?"),
        (("--json", "runs"), "--json has to follow the command"),
        (("init", "x", "--template", "payrol"), 'Did you mean "payroll"?'),
        (("views", "rebuild", "run"), 'Did you mean "runs"?'),
        (("db", "init", "here"), "storno db init takes no 'here'"),
        (("resume",), "storno resume needs RUN"),
        (("stop", "last"), "storno stop needs --reason TEXT"),
        (("dead-letters", "show", "payments"), "storno dead-letters show needs KEY"),
    ],
)
def test_an_unknown_word_gets_did_you_mean(
    storno: Storno, words: tuple[str, ...], told: str
) -> None:
    ran = storno(*words, code=2)

    assert told in ran.stderr
    assert "--help" in ran.stderr or "COMMAND" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("status",), "storno status [OPTIONS] [RUN]"),
        (("watch",), "storno watch [OPTIONS] [RUN]"),
        (("views", "rebuild"), "storno views rebuild [OPTIONS] [VIEW ...]"),
        (("stop",), "storno stop --reason TEXT [OPTIONS] RUN"),
    ],
)
def test_the_usage_names_the_words(storno: Storno, words: tuple[str, ...], usage: str) -> None:
    assert storno(*words, "--help").stdout.splitlines()[0] == f"Usage: {usage}"


def test_no_option_takes_a_type(storno: Storno) -> None:
    app = application()
    pages = [(command.name,) for command in COMMANDS]
    pages += [(page[0], name) for page in pages for name in app[page[0]] if name[0] != "-"]

    for page in pages:
        assert not re.search(r"--\w+ (STR|INT|PATH|FLOAT)\b", storno(*page, "--help").stdout), page


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(storno: Storno, shell: str) -> None:
    script = storno("completion", shell).stdout

    assert "dead-letters" in script
    assert "trial-balance" in script


def test_bash_takes_the_completion_script(storno: Storno) -> None:
    script = storno("completion", "bash").stdout

    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_can_be_loaded() -> None:
    app = application()

    assert [command.name for command in COMMANDS if not callable(app[command.name])] == []


def test_a_new_project_says_what_to_type_next(storno: Storno) -> None:
    ran = storno("init", "books")

    assert ran.stdout == ""
    assert "storno run payments --param month=2026-01" in ran.stderr
    made = {path.name for path in (storno.folder / "books").iterdir()}
    assert {"storno.toml", "jobs.py", "README.md", "input", "storno.db"} <= made


def test_a_new_project_says_where_its_runs_post_if_the_environment_names_a_store(
    storno: Storno,
) -> None:
    books = f"sqlite:///{storno.folder}/books.db"

    first = storno("init", "first", STORNO_STORE=books).stderr
    second = storno("init", "second", STORNO_STORE=books).stderr

    assert "Made first: payments to suppliers, and the store" in first
    assert "Made second: payments to suppliers.\n" in second
    assert f"what is run here is posted to {books}" in first
    assert f"what is run here is posted to {books}" in second


def test_a_new_project_overwrites_nothing(storno: Storno) -> None:
    (storno.folder / "books").mkdir()
    (storno.folder / "books" / "ledger.txt").write_text("mine")

    ran = storno("init", "books", code=7)

    assert "books exists and is not empty" in ran.stderr
    assert [path.name for path in (storno.folder / "books").iterdir()] == ["ledger.txt"]


def test_a_new_project_overwrites_nothing_by_way_of_a_folder_that_is_not_there(
    storno: Storno,
) -> None:
    (storno.folder / "jobs.py").write_text("# mine")

    storno("init", "new/..", code=7)

    assert (storno.folder / "jobs.py").read_text() == "# mine"


def test_a_place_that_cannot_be_written_is_no_defect(storno: Storno) -> None:
    ran = storno("init", "/proc/books", code=1)

    assert "/proc/books: No such file or directory" in ran.stderr
    assert "defect" not in ran.stderr


def test_the_samples_are_the_same_every_time(storno: Storno) -> None:
    storno("init", "first", "--template", "interest")
    storno("init", "second", "--template", "interest")

    def texts(name: str) -> list[str]:
        return [path.read_text() for path in sorted(Path(storno.folder, name).rglob("*.csv"))]

    assert texts("first") == texts("second")
