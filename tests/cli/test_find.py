"""``storno audit find``: what auditors ask, as they type it."""

from __future__ import annotations

import pytest

from storno.storage.store import Store

from ..storage.test_findings import FEBRUARY, JANUARY, PAY, planted
from ..storage.writing import append
from .command import Storno

QUERIES = (
    "by-actor",
    "after-closing",
    "without-text",
    "round-amounts",
    "reposted",
    "duplicates",
    "under-limit",
    "odd-hours",
)


@pytest.fixture
def books(storno: Storno) -> Storno:
    """A project whose store holds the planted history."""
    (storno.folder / "storno.toml").write_text(
        'jobs = []\n[reversals]\napprovals = 1\nabove = { EUR = "1000.00" }\n'
    )
    storno("db", "init")
    store = Store.open(f"sqlite:///{storno.folder / 'storno.db'}")
    append(store, planted().commits)
    store.close()
    return storno


def test_who_did_what(books: Storno) -> None:
    [asked, approved] = books.json(
        "audit", "find", "by-actor", "--actor", "cleo", "--run", FEBRUARY
    ) + books.json("audit", "find", "by-actor", "--actor", "ben", "--job", "pay", "--limit", "1")
    assert (asked["finding"], asked["about"], asked["run"]) == (
        "reversal approved",
        "R-2",
        FEBRUARY,
    )
    assert (asked["actor"], asked["os_user"], asked["host"]) == ("cleo", "cleo-os", "host")
    assert approved["finding"] == "run started"
    table = books("audit", "find", "by-actor", "--actor", "eva").stdout
    assert table.splitlines()[0].split() == ["recorded", "by", "act", "on", "reason", "commit"]
    assert f"{PAY} B2  amount from the contract" in table
    posted = books.json("audit", "find", "by-actor", "--entries", "--actor", "eva")
    assert [(each["key"], each["actor"], each["run"]) for each in posted] == [("B2", "eva", PAY)]
    assert posted[0]["entries"][0]["lines"][0] == {
        "account": "rent",
        "side": "debit",
        "amount": "7.77",
        "currency": "EUR",
    }


def test_what_a_closed_month_has_to_do_with(books: Storno) -> None:
    found = books.json("audit", "find", "after-closing")
    assert [(each["finding"], each["period"], each["key"]) for each in found] == [
        ("period forced closed", "2026-03", None),
        ("moved", "2026-01", "C1"),
        ("moved", "2026-03", "C6"),
        ("reversed", "2026-01", "A1"),
        ("period reopened", "2026-01", None),
        ("late", "2026-01", "A1"),
        ("late", "2026-01", "D1"),
    ]
    assert found[0]["in_spite_of"] == "a run that failed"
    of_job = books.json("audit", "find", "after-closing", "--job", "rents")
    assert [each["key"] for each in of_job] == ["C1", "C6", "A1", "A1", "D1"]
    assert "2026-03 of main" in books("audit", "find", "after-closing").stdout


def test_the_same_posting_under_another_key(books: Storno) -> None:
    found = books.json("audit", "find", "duplicates")
    assert [(each["first"]["key"], each["key"]) for each in found] == [("C1", "C3"), ("C3", "C5")]
    (first, _) = found
    assert (first["finding"], first["first"]["finding"]) == ("duplicate", "posted")
    assert first["reversed_by"] is first["first"]["reversed_by"] is None
    assert first["run"] == first["first"]["run"] == FEBRUARY
    assert books.json("audit", "find", "duplicates", "--run", JANUARY) == []
    header, row, _ = books("audit", "find", "duplicates").stdout.splitlines()
    columns = "recorded job key run as before in run effective lines by"
    assert header.split() == columns.split()
    assert {"C1", "C3", "2026-01-20"} <= set(row.split())


def test_reasons_that_say_nothing(books: Storno) -> None:
    found = books.json("audit", "find", "without-text")
    assert [(each["finding"], each["reason"]) for each in found] == [
        ("record discarded", " - "),
        ("period forced closed", ""),
        ("period closed", "x"),
        ("reversal rejected", "none"),
    ]
    shortest = books.json("audit", "find", "without-text", "--shortest", "17", "--actor", "cleo")
    assert "January is filed" in [each["reason"] for each in shortest]
    texts = books.json("audit", "find", "without-text", "--entries")
    assert [each["key"] for each in texts] == ["A6", "A7"]


def test_amounts(books: Storno) -> None:
    found = books.json("audit", "find", "round-amounts")
    assert [(each["key"], each["lines"][0]["amount"]) for each in found] == [
        ("A1", "1000.00"),
        ("A4", "5000"),
        ("A5", "1000.000"),
    ]
    more = ("audit", "find", "round-amounts", "--multiple-of", "100", "--above", "1000")
    assert [each["key"] for each in books.json(*more)] == ["A4", "A1", "A1"]
    [near] = books.json("audit", "find", "under-limit")
    assert (near["finding"], near["amount"], near["limit"]) == ("near", "1000.00", "1000.00")
    assert [each["reversal"] for each in near["reversals"]] == ["R-1"]
    given = ("audit", "find", "under-limit", "--approval-limit")
    assert [each["reversals"][0]["reversal"] for each in books.json(*given, "EUR=3.10")] == ["R-3"]
    assert "--approval-limit" in books(*given, "EUR", code=2).stderr


def test_what_was_posted_again(books: Storno) -> None:
    [found] = books.json("audit", "find", "reposted")
    assert (found["job"], found["key"], found["changed"]) == ("rents", "A1", True)
    assert [found[part]["actor"] for part in ("posted", "reversed", "posted_again")] == [
        "ada", "dan", "ada"
    ]  # fmt: skip
    assert found["reversed"]["reason"] == "duplicate: paid twice by the bank"
    table = books("audit", "find", "reposted").stdout
    assert "posting date 2026-01-10: rent debit 1200.00 EUR" in table


def test_hours_are_those_of_a_place(books: Storno) -> None:
    assert books.json("audit", "find", "odd-hours", "--hours", "0-24", "--from", "2999-01-01") == []
    for wrong in (("--hours", "20-6"), ("--hours", "x"), ("--timezone", "Europe/Nowhere")):
        assert wrong[0] in books("audit", "find", "odd-hours", *wrong, code=2).stderr


def test_what_is_not_shown_is_said(books: Storno) -> None:
    assert (
        "There are more than these 2" in books("audit", "find", "by-actor", "--limit", "2").stderr
    )
    assert len(books.json("audit", "find", "by-actor", "--limit", "2")) == 2
    mistyped = books("audit", "find", "by-actor", "--actor", "cleao")
    assert "Nothing is found" in mistyped.stderr
    assert "Did you mean 'cleo'?" in mistyped.stderr
    assert "Did you mean 'rents'?" in books("audit", "find", "reposted", "--job", "rent").stderr


def test_a_question_that_nobody_answers(books: Storno) -> None:
    assert "Did you mean 'round-amounts'?" in books("audit", "find", "round-amount", code=2).stderr
    listed = books("audit", "find", "--help").stdout
    assert all(query in listed for query in QUERIES)


def test_two_runs_compared(books: Storno) -> None:
    document = books.json("diff", JANUARY, FEBRUARY)
    assert not document["equal"]
    assert document["keys"]["only_first"] == 8
    assert document["keys"]["only_second"] == 5
    assert {each["name"] for each in document["counts"]} >= {"read", "succeeded", "reversed"}
    rent = next(each for each in document["totals"] if each["currency"] == "JPY")
    assert (rent["first"]["balance"], rent["second"]["balance"]) == ("-5000", "0")
    limited = books.json("diff", JANUARY, FEBRUARY, "--limit", "1")
    assert [each["what"] for each in limited["keys"]["listed"]] == ["only_first", "only_second"]
    assert limited["keys"]["only_first"] == 8
    assert limited["totals"] == document["totals"]


def test_two_attempts_compared(books: Storno) -> None:
    page = books("diff", f"{JANUARY}@1", f"{JANUARY}@2", "--exit-code", code=5).stdout
    assert "1 key with other amounts" in page
    assert "A1   bank -1000.00 EUR, rent 1000.00 EUR  bank -1200.00 EUR, rent 1200.00 EUR" in page
    same = books("diff", f"{PAY}@1", f"{PAY}@1", "--exit-code")
    assert "They agree." in same.stdout
    missing = books("diff", f"{JANUARY}@1", f"{JANUARY}@3", code=6).stderr
    assert "has no attempt 3, but 1, 2" in missing
