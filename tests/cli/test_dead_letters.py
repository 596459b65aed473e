"""``dead-letters edit``, ``retry`` and ``discard`` on the command line."""

from __future__ import annotations

import pytest

from .command import Storno
from .terminal import on_terminal

LETTERS = ("dead-letters",)
MENDED = ("--set", "amount=1234.50", "--reason", "comma")


def states(storno: Storno) -> dict[str, str]:
    letters = storno.json("dead-letters", "list", "--state", "all")
    return {letter["key"]: letter["state"] for letter in letters}


def test_a_letter_is_corrected_and_posted(ran: Storno) -> None:
    edited = ran.json("dead-letters", "edit", "payments", "P00057", *MENDED, "--actor", "ben")

    assert edited["changed"] == ["amount"]
    assert (edited["before"]["amount"], edited["after"]["amount"]) == ("1,234.50", "1234.50")
    assert states(ran)["P00057"] == "corrected"
    assert [each["key"] for each in ran.json("dead-letters", "list", "--state", "corrected")] == [
        "P00057"
    ]
    tried = ran.json("dead-letters", "retry", "payments", "P00057", "--actor", "cy")
    assert (tried["tried"], tried["succeeded"], tried["failed"]) == (1, 1, 0)
    run = ran.json("show", "last")
    assert (run["read"], run["succeeded"], run["failed"]) == (240, 238, 2)
    trail = ran.json("audit", "trail", "payments", "P00057")["events"]
    assert [(each["event"], each["actor"]) for each in trail[1:]] == [
        ("RecordCorrected", "ben"),
        ("RecordSucceeded", "cy"),
    ]
    page = ran("dead-letters", "show", "payments", "P00057").stdout
    assert "amount=1234.50 (comma)" in page


def test_the_history_names_who_tried_each_time(ran: Storno) -> None:
    """Who started the run, whoever retried, and who put it right."""
    for person in ("ben", "cy"):
        ran("dead-letters", "retry", "payments", "P00057", "--actor", person, code=3)
    ran("dead-letters", "edit", "payments", "P00057", *MENDED, "--actor", "dora")
    ran("dead-letters", "retry", "payments", "P00057", "--actor", "eve")
    started = ran.json("show", "last")["actor"]

    (letter,) = ran.json("dead-letters", "show", "payments", "P00057")
    page = ran("dead-letters", "show", "payments", "P00057", COLUMNS="160").stdout

    assert [(each["what"], each["by"]) for each in letter["history"]] == [
        ("failed", started),
        ("failed", "ben"),
        ("failed", "cy"),
        ("corrected", "dora"),
        ("posted", "eve"),
    ]
    told = [line for line in page.splitlines() if line.startswith("20")]
    assert [who in line for line, who in zip(told[1:], ("ben", "cy"), strict=False)] == [True, True]


def test_all_that_match_are_tried_again(ran: Storno) -> None:
    tried = ran.json("dead-letters", "retry", "--all-matching", "--run", "last", code=3)

    assert (tried["tried"], tried["failed"]) == (3, 3)
    conflicts = ("--all-matching", "--error", "key-conflict")
    [one] = ran.json("dead-letters", "retry", *conflicts, code=3)["letters"]
    assert (one["key"], one["outcome"], one["error"]) == ("P00041", "failed", "key-conflict")
    letters = ran.json("dead-letters", "list")
    assert {each["key"]: each["attempts"] for each in letters} == {
        "P00057": 2,
        "P00118": 2,
        "P00041": 3,
    }


@pytest.mark.parametrize(
    "words",
    [
        ("edit", "payments", "P00057", *MENDED),
        ("retry", "--all-matching"),
        ("discard", "--all-matching", "--reason", "no"),
    ],
)
def test_a_dry_run_leaves_no_trace(ran: Storno, words: tuple[str, ...]) -> None:
    before = ran.json("views", "check")

    ran("dead-letters", *words, "--dry-run", code=None)

    assert ran.json("views", "check") == before
    assert set(states(ran).values()) == {"open"}


def test_an_edit_tried_out_says_what_it_would_post(ran: Storno) -> None:
    document = ran.json("dead-letters", "edit", "payments", "P00057", *MENDED, "--dry-run")

    assert document["retry"]["outcome"] == "succeeded"
    assert document["retry"]["entries"][0]["lines"][0][2] == 123450
    bad = ("edit", "payments", "P00057", "--set", "amount=x", "--reason", "r", "--dry-run")
    assert "amount" in ran.json("dead-letters", *bad, code=3)["faults"]


def test_a_moved_letter_is_found_by_the_key_that_it_had(ran: Storno) -> None:
    edit = ("edit", "payments", "P00041", "--set", "number=P00042", "--reason", "a guess")
    ran("dead-letters", *edit)
    ran("dead-letters", "retry", "payments", "P00041", code=3)

    [shown] = ran.json("dead-letters", "show", "payments", "P00041")
    assert (shown["key"], shown["error"]) == ("P00042", "key-conflict")
    assert [each["what"] for each in shown["history"]] == ["failed", "corrected", "failed"]
    assert shown["posted"]["number"] == "P00042"
    ran("dead-letters", "discard", "payments", "P00041", "--reason", "no", "--yes")
    assert states(ran)["P00042"] == "discarded"


def test_discarding_shows_what_it_does_and_asks(ran: Storno) -> None:
    words = ("dead-letters", "discard", "--all-matching", "--error", "invalid-record")
    why = ("--reason", "cancelled")

    assert "--yes" in ran(*words, *why, code=2).stderr
    refused = on_terminal(ran, *words, *why, typed="n\n")
    assert refused.code == 4
    assert "Discard 2 dead letters, for good?" in refused.text
    assert set(states(ran).values()) == {"open"}
    done = ran.json(*words, *why, "--yes")
    assert (done["matching"], done["discarded"]) == (2, 2)
    assert ran.json("show", "last")["discarded"] == 2
    again = ("dead-letters", "discard", "payments", "P00057", *why, "--yes")
    assert ran.json(*again)["discarded"] == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("retry", "payments", "P0057"), 6, "Did you mean 'P00057'?"),
        (("retry", "paymets", "P00057"), 6, "Did you mean 'payments'?"),
        (("retry",), 2, "--all-matching"),
        (("retry", "payments"), 2, "--all-matching"),
        (("retry", "payments", "P00057", "--error", "x"), 2, "go with --all-matching"),
        (("retry", "payments", "--all-matching"), 2, "not both"),
        (("edit", "payments", "P00057", "--set", "amont=1", "--reason", "r"), 2, "'amount'?"),
        (("edit", "payments", "P00057", "--set", "amount", "--reason", "r"), 2, "FIELD=VALUE"),
        (("edit", "payments", "P00057", "--set", "amount=1", "--reason", " "), 2, "--reason"),
        (("edit", "payments", "P00057", "--set", "amount=1"), 2, "--reason TEXT"),
        (("discard", "payments", "P00057", "--reason", "", "--yes"), 2, "--reason"),
    ],
)
def test_what_is_wrong_is_said(ran: Storno, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in ran("dead-letters", *words, code=code).stderr
    assert set(states(ran).values()) == {"open"}


def test_nothing_that_matches_is_no_error(ran: Storno) -> None:
    assert ran.json("dead-letters", "retry", "--all-matching", "--job", "payroll")["tried"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "--group"),
        ("retry", "--all-matching"),
        ("discard", "--all-matching", "--reason", "x"),
    ],
)
def test_a_mistyped_error_is_told_from_one_that_none_has_left(
    ran: Storno, words: tuple[str, ...]
) -> None:
    mistyped = ran("dead-letters", *words, "--error", "key-conflcit").stderr
    ran("dead-letters", "discard", "--all-matching", "--error", "key-conflict", "--reason", "x",
        "--yes")  # fmt: skip
    none_left = ran("dead-letters", *words, "--error", "key-conflict").stderr

    said = "No dead letter here has the error 'key-conflcit'. Did you mean 'key-conflict'?"
    assert said in mistyped
    assert "has the error" not in none_left
