"""``storno periods``: months that are listed, closed, forced and opened again."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from .command import Storno
from .terminal import on_terminal

MONTH = ("--param", "month=2026-01")


def digest(storno: Storno, last: str) -> str:
    """What anybody can compute from the trial balance that is shown."""
    document = storno.json("ledger", "trial-balance", "--posting-to", last)
    rows = [
        [
            row["account"],
            row["currency"],
            2,
            int(row["debit"].replace(".", "")),
            int(row["credit"].replace(".", "")),
        ]
        for row in document["accounts"]
    ]
    text = json.dumps(sorted(rows), ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def test_nothing_was_ever_closed(payments: Storno) -> None:
    assert "No period was ever closed." in payments("periods", "list").stderr
    assert payments.json("periods", "list") == []


def test_dead_letters_stand_in_the_way(ran: Storno) -> None:
    refused = ran("periods", "close", "2026-01", code=4)

    assert "run payments/2026-01 has 3 unresolved dead letters" in refused.stderr
    assert "--force" in refused.stderr
    assert ran.json("periods", "list") == []


def test_a_dry_run_says_what_stands_in_the_way_and_writes_nothing(ran: Storno) -> None:
    document = ran.json("periods", "close", "2026-01", "--dry-run", code=4)

    assert document["obstacles"] == ["run payments/2026-01 has 3 unresolved dead letters"]
    assert document["digest"] == digest(ran, "2026-01-31")
    assert document["state"] == "open"
    assert "Nothing stands in the way" in ran("periods", "close", "2026-02", "--dry-run").stderr
    assert ran.json("periods", "list") == []


def test_forced_it_is_closed_and_says_so_for_ever(ran: Storno) -> None:
    words = ("periods", "close", "2026-01", "--force")
    assert "--reason" in ran(*words, code=2).stderr
    assert "--yes" in ran(*words, "--reason", "due", code=2).stderr
    assert ran.json("periods", "list") == []

    closed = ran.json(*words, "--reason", "due", "--yes", "--actor", "ada")

    assert closed["digest"] == digest(ran, "2026-01-31")
    assert closed["forced"] == "run payments/2026-01 has 3 unresolved dead letters"
    assert (closed["state"], closed["actor"], closed["reason"]) == ("closed", "ada", "due")
    assert closed["nothing_to_do"] is False
    [listed] = ran.json("periods", "list")
    assert listed == {name: closed[name] for name in listed}
    again = ran.json("periods", "close", "2026-01")
    assert (again["nothing_to_do"], again["actor"]) == (True, "ada")
    assert "ada" in ran("periods", "list").stdout
    assert ran.json("views", "check")["agree"] is True


@pytest.mark.parametrize(("answer", "code"), [("n", 4), ("y", 0)])
def test_on_a_terminal_force_asks(ran: Storno, answer: str, code: int) -> None:
    words = ("periods", "close", "2026-01", "--force", "--reason", "due")

    screen = on_terminal(ran, *words, typed=f"{answer}\n")

    assert "although run payments/2026-01 has 3 unresolved dead letters? [y/N]" in " ".join(
        screen.text.split()
    )
    assert screen.code == code
    assert bool(ran.json("periods", "list")) is (code == 0)


def test_a_run_finds_the_month_closed_until_it_is_opened_again(payments: Storno) -> None:
    payments("periods", "close", "2026-01", "--reason", "early")

    document = payments.json("run", "payments", *MONTH, code=1)

    assert (document["succeeded"], document["error"]) == (0, "tolerance-exceeded")
    reopening = ("periods", "reopen", "2026-01")
    assert "--reason" in payments(*reopening, code=2).stderr
    opened = payments.json(*reopening, "--reason", "too early", "--actor", "bob")
    assert (opened["state"], opened["digest"], opened["actor"]) == ("open", None, "bob")
    assert payments.json("resume", "last", code=3)["succeeded"] == 237


def test_what_is_open_is_not_reopened(payments: Storno) -> None:
    refused = payments("periods", "reopen", "2026-01", "--reason", "x", code=4)

    assert "2026-01 of book main is open" in refused.stderr


@pytest.mark.parametrize("month", ["2026-13", "2026", "January", "2026-1-1"])
def test_what_is_no_month_is_refused(payments: Storno, month: str) -> None:
    assert "YYYY-MM" in payments("periods", "close", month, code=2).stderr


def test_an_unknown_book(ran: Storno) -> None:
    remark = ran("periods", "close", "2026-01", "--book", "mian").stderr
    assert "Nothing was ever posted to book 'mian'. Did you mean 'main'?" in remark

    settings = ran.folder / "storno.toml"
    settings.write_text(settings.read_text() + '\n[chart]\nbooks = ["main", "tax"]\n')

    refused = ran("periods", "close", "2026-02", "--book", "mian", code=6)
    assert "there is no book 'mian'. Did you mean 'main'?" in refused.stderr
    ran("periods", "reopen", "2026-01", "--book", "mian", "--reason", "x", code=6)
    ran("periods", "close", "2026-02", "--book", "tax")
    assert [row["book"] for row in ran.json("periods", "list", "--book", "tax")] == ["tax"]


def test_earlier_months_that_are_open_are_named(ran: Storno) -> None:
    closed = ran("periods", "close", "2026-02")

    assert "Still open before it: 2026-01" in closed.stderr
