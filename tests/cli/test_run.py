"""``storno run`` and its kin: documents, summaries, exit codes, what goes where."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .command import Storno
from .terminal import on_terminal

MONTH = ("--param", "month=2026-01")
COUNTS = ("read", "succeeded", "skipped", "failed", "discarded")


def test_the_document_of_a_run(payments: Storno) -> None:
    document = payments.json("run", "payments", *MONTH, code=3)

    assert document["run"] == "payments/2026-01"
    assert document["state"] == "completed"
    assert document["attempt"] == 1
    assert [document[name] for name in COUNTS] == [240, 237, 0, 3, 0]
    assert document["chunks"] == {"total": 1, "completed": 1, "failed": 0}
    assert document["seconds"] > 0
    shown = payments.json("show", "last")
    told = ("run", "state", "attempt", "chunks", "parameters", "started", "ended", *COUNTS)
    assert {name: shown[name] for name in told} == {name: document[name] for name in told}


def test_json_is_alone_on_stdout_and_progress_on_stderr(payments: Storno) -> None:
    ran = payments("run", "payments", *MONTH, "--json", code=3)

    assert ran.document["failed"] == 3
    assert "payments/2026-01 begins" in ran.stderr


def test_the_summary_says_what_came_of_it_and_what_to_do_next(payments: Storno) -> None:
    ran = payments("run", "payments", *MONTH, code=3)

    assert ran.stdout.splitlines()[0] == "payments/2026-01 completed with 3 dead letters"
    facts = {line.split("  ")[0]: line.split()[-1] for line in ran.stdout.splitlines() if line}
    assert facts["read"] == "240"
    assert facts["succeeded"] == "237"
    assert facts["failed"] == "3"
    assert "storno dead-letters list --run payments/2026-01" in ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_completed_run_started_again_does_nothing_and_says_so(payments: Storno) -> None:
    payments("run", "payments", *MONTH, code=3)

    again = payments("run", "payments", *MONTH, code=0)
    document = payments.json("run", "payments", *MONTH)

    assert again.stdout == ""
    assert "is completed already, so nothing was done" in again.stderr
    assert document["attempt"] == 1


def test_again_needs_a_reason_and_skips_nothing_it_posted_itself(payments: Storno) -> None:
    payments("run", "payments", *MONTH, code=3)

    refused = payments("run", "payments", *MONTH, "--again", code=2)
    document = payments.json("run", "payments", *MONTH, "--again", "--reason", "late lines", code=3)

    assert "--reason" in refused.stderr
    assert document["attempt"] == 2
    assert [document[name] for name in COUNTS] == [240, 237, 0, 3, 0]


def test_a_limit_leaves_the_run_stopped_and_resume_goes_on(payments: Storno) -> None:
    stopped = payments("run", "payments", *MONTH, "--limit", "100")
    assert stopped.stdout.splitlines()[1] == "It worked on as many records as --limit allows."
    resumed = payments.json("resume", "last", code=3)

    assert "storno resume payments/2026-01" in stopped.stderr
    assert resumed["state"] == "completed"
    assert resumed["attempt"] == 2
    assert [resumed[name] for name in COUNTS] == [240, 237, 0, 3, 0]


def test_a_dry_run_writes_nothing(payments: Storno) -> None:
    """cli.md: 3, as the run itself would."""
    ran = payments("run", "payments", *MONTH, "--dry-run", code=3)

    told = "payments/2026-01 tried out, 3 records would fail; nothing was written"
    assert ran.stdout.splitlines()[0] == told
    assert "would post GBP  633625.55" in ran.stdout
    assert re.search(
        r"P00057 +input/\S+ line 59 +invalid-record +amount: Input should be", ran.stdout
    )
    would = payments.json("run", "payments", *MONTH, "--dry-run", code=3)["would_fail"]
    assert [(each["key"], each["error"]) for each in would] == [
        ("P00057", "invalid-record"),
        ("P00118", "invalid-record"),
        ("P00041", "key-conflict"),
    ]
    assert payments.json("runs") == []


def test_chosen_keys_alone_are_worked_on(payments: Storno) -> None:
    ran = payments("run", "payments", *MONTH, "--key", "P00003", "--key", "P00004")

    said = "It worked on the chosen keys alone: 2 succeeded, 0 skipped, 0 failed."
    assert ran.stdout.splitlines()[1] == said

    assert payments.json("ledger", "entry", "payments", "P00003")
    payments("ledger", "entry", "payments", "P00005", code=6)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("run", "paymets", *MONTH), 6, "Did you mean 'payments'?"),
        (("run", "payments"), 2, "month: Field required"),
        (("run", "payments", "--param", "mont=2026-01"), 2, "Did you mean 'month'?"),
        (("run", "payments", "--param", "2026-01"), 2, "write it as NAME=VALUE"),
        (("run", "payments", *MONTH, *MONTH), 2, "is given twice"),
        (("run", "payments", "--param", "month=2026-02"), 1, "payments-2026-02.csv"),
        (("resume", "last"), 6, "there are no runs yet"),
        (("run", "payments", *MONTH, "--actor", " "), 2, "--actor"),
        (("run", "payments", *MONTH, "--reason", "late"), 2, "--reason goes with --again"),
        (("run", "payments", *MONTH, "--limit", "0"), 2, "--limit 0: write a number from 1 on"),
        (("resume", "last", "--limit", "-1"), 2, "--limit -1: write a number from 1 on"),
        (("run", "payments", *MONTH, "--key", "P1", "--dry-run"), 2, "tries all of the input out"),
        (("runs", "--limit", "-1"), 2, "--limit -1: write a number from 1 on"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(
    payments: Storno, words: tuple[str, ...], code: int, told: str
) -> None:
    ran = payments(*words, code=code)

    assert told in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_a_store_nothing_is_made_silently(payments: Storno) -> None:
    ran = payments("run", "payments", *MONTH, "--store", "sqlite:///mistyped.db", code=6)

    assert "storno db init" in ran.stderr
    assert not (payments.folder / "mistyped.db").exists()


def test_a_run_on_postgresql(payments: Storno, postgres_url: str) -> None:
    on = ("--store", postgres_url)
    payments("db", "init", *on)

    document = payments.json("run", "payments", *MONTH, *on, code=3)
    balance = payments.json("ledger", "trial-balance", *on)

    assert [document[name] for name in COUNTS] == [240, 237, 0, 3, 0]
    [total] = balance["totals"]
    assert total["debit"] == total["credit"]
    assert payments.json("views", "rebuild", *on)["rows"]["dead_letters"] == 3
    assert payments.json("views", "check", *on)["agree"] is True


FAULTS = {"payments": 3, "invoices": 3, "payroll": 0, "interest": 2}


@pytest.mark.parametrize("template", FAULTS)
def test_every_template_runs_as_its_readme_says(
    made: Callable[[str], Storno], template: str
) -> None:
    project = made(template)
    readme = (project.folder / "README.md").read_text()
    commands = re.findall(r"^storno (.+)$", readme, re.MULTILINE)

    codes = [project(*command.split(), code=None).code for command in commands]

    assert commands[0].startswith("run ")
    assert codes == [3 if FAULTS[template] else 0, *[0] * (len(commands) - 1)]
    run = project.json("show", "last")
    assert (run["state"], run["failed"]) == ("completed", FAULTS[template])
    totals = project.json("ledger", "trial-balance")["totals"]
    assert totals
    assert all(total["debit"] == total["credit"] for total in totals)


def test_a_chosen_key_that_is_nowhere_is_not_found(payments: Storno) -> None:
    """cli.md: 6; what the other keys name is worked on."""
    found = payments.json("run", "payments", *MONTH, "--key", "P00003", "--key", "P0003", code=6)

    assert (found["state"], found["not_found"]) == ("stopped", ["P0003"])
    assert payments.json("ledger", "entry", "payments", "P00003")


def test_a_chosen_key_that_fails_is_pointed_at(payments: Storno) -> None:
    """cli.md: 3; what was left before is no matter of the chosen keys."""
    bad = payments("run", "payments", *MONTH, "--key", "P00057", code=3)
    good = payments("run", "payments", *MONTH, "--key", "P00003")

    assert "dead-letters" not in good.stderr
    assert "storno dead-letters list --run payments/2026-01" in bad.stderr


def test_accounts_outside_the_chart_are_refused_and_too_many_fail_the_run(
    payments: Storno,
) -> None:
    settings = payments.folder / "storno.toml"
    settings.write_text(settings.read_text() + '[chart]\naccounts = ["creditors:*"]\n')

    ran = payments("run", "payments", *MONTH, code=1)
    document = payments.json("show", "last")

    assert ran.stdout.startswith("payments/2026-01 failed")
    assert "storno resume payments/2026-01" in ran.stderr
    assert document["state"] == "failed"
    assert document["error"]
    assert document["succeeded"] == 0


LOGGING_JOB = """
import datetime as dt
from storno import Context, Entry, Record, credit, csv_source, debit, job

class Line(Record):
    number: str

@job(key="number", source=csv_source("lines.csv"))
def lines(line: Line, context: Context) -> Entry:
    context.logger.info("looked at it", key=context.key)
    return Entry([debit("a", 1, "EUR"), credit("b", 1, "EUR")], effective=dt.date(2026, 1, 31))
"""


def test_the_log_goes_to_stderr_when_asked_for(storno: Storno) -> None:
    (storno.folder / "jobs.py").write_text(LOGGING_JOB)
    (storno.folder / "lines.csv").write_text("number\n1\n")
    storno("db", "init")

    quiet = storno("run", "jobs.py:lines", "--dry-run")
    told = storno("run", "jobs.py:lines", "--verbose", "--json")

    assert "looked at it" not in quiet.stderr
    assert "looked at it" in told.stderr
    assert told.document["succeeded"] == 1


def test_payroll_pays_the_same_people_every_month(made: Callable[[str], Storno]) -> None:
    payroll = made("payroll")

    for month in ("2026-01", "2026-02"):
        document = payroll.json("run", "payroll", "--param", f"month={month}")
        assert [document[name] for name in COUNTS] == [120, 120, 0, 0, 0]


def test_a_terminal_gets_colours_a_bar_and_separators(payments: Storno) -> None:
    screen = on_terminal(payments, "run", "payments", *MONTH)

    assert screen.code == 3
    assert "\x1b[" in screen.text
    assert "payments/2026-01" in screen.text
    assert "begins" not in screen.text
    assert "633,625.55" in screen.text


MANY_JOB = """
import datetime as dt
from storno import Entry, Record, credit, debit, iterable, job

class Line(Record):
    number: str

ROWS = [{"number": str(number % 4000)} for number in range(4000)]

@job(key="number", source=iterable(ROWS), tolerance=4000)
def many(line: Line) -> Entry:
    if line.number < "2":
        raise ValueError("no")
    lines = [debit("a", 1000, "EUR"), credit("b", 1000, "EUR")]
    return Entry(lines, effective=dt.date(2026, 1, 31))
"""


def test_numbers_in_a_pipe_have_no_separators(storno: Storno) -> None:
    (storno.folder / "jobs.py").write_text(MANY_JOB)
    storno("db", "init")

    ran = storno("run", "jobs.py:many", code=3)
    page = storno("show", "last", "--events").stdout

    assert re.match(r"many/once completed with \d{4} dead letters\n", ran.stdout)
    assert "," not in ran.stdout.partition("took")[0]
    assert re.search(r", \d+ records/s\n", ran.stdout)
    assert "4000 read" in page


def test_no_color_is_honoured(payments: Storno) -> None:
    screen = on_terminal(payments, "run", "payments", *MONTH, NO_COLOR="1")

    colours = [
        code for code in ("\x1b[31", "\x1b[32", "\x1b[33", "\x1b[1;33") if code in screen.text
    ]
    assert colours == []


def test_abandoning_asks_on_a_terminal_and_refuses_without_one(payments: Storno) -> None:
    payments("run", "payments", *MONTH, "--limit", "10")
    words = ("abandon", "last", "--reason", "a better file came")

    refused = payments(*words, code=2)
    declined = on_terminal(payments, *words, typed="n\n")
    assert payments.json("show", "last")["state"] == "stopped"
    agreed = on_terminal(payments, *words, typed="y\n")

    assert "--yes" in refused.stderr
    assert declined.code == 4
    assert "[y/N]" in declined.text
    assert agreed.code == 0
    assert payments.json("show", "last")["state"] == "abandoned"
    payments("resume", "last", code=4)


def test_abandon_with_yes_needs_no_terminal(payments: Storno) -> None:
    payments("run", "payments", *MONTH, "--limit", "10")

    done = payments("abandon", "last", "--reason", "a better file came", "--yes", "--json")

    assert done.document["state"] == "abandoned"


def test_stopping_what_does_not_run_is_refused(payments: Storno) -> None:
    payments("run", "payments", *MONTH, code=3)

    assert "completed" in payments("stop", "last", "--reason", "x", code=4).stderr


def test_who_acts_is_recorded(payments: Storno) -> None:
    payments("run", "payments", *MONTH, "--limit", "10", "--actor", "ada")
    payments("resume", "last", code=3, STORNO_ACTOR="grace")

    attempts = payments.json("show", "last")["attempts"]

    assert [attempt["actor"] for attempt in attempts] == ["ada", "grace"]
