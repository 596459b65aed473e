"""``audit replay`` and ``ledger --as-of``: what was known then, by the events alone."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from storno.storage.sqlite_engine import library

from .command import Storno

MONTH = ("--param", "month=2026-01")
VIEWS = [
    *("runs", "attempts", "checkpoint", "dead_letters", "reversals", "periods", "movements"),
]


def test_now_it_is_what_the_live_views_say(ran: Storno) -> None:
    now = ran.json("audit", "replay")
    live = ran.json("views", "rebuild")

    assert now["rows"] == live["rows"]
    assert list(now["rows"]) == VIEWS
    assert (now["position"], now["commit"]) == (live["events"], 2)
    shown = ran("audit", "replay")
    assert shown.stdout.splitlines()[1].split() == ["runs", "1"]
    assert "after 244 events in 2 commits" in shown.stderr


def test_a_position_is_its_whole_commit_and_what_it_left(ran: Storno) -> None:
    first, inside = (ran.json("audit", "replay", "--at", str(at)) for at in (1, 3))

    assert (first["commit"], first["rows"]["checkpoint"], first["rows"]["movements"]) == (1, 1, 0)
    assert inside["commit"] == 2
    assert inside["position"] > 3
    nothing = ran.json("audit", "replay", "--at", "0")
    assert nothing == {
        "commit": 0,
        "position": 0,
        "recorded": None,
        "rows": dict.fromkeys(VIEWS, 0),
    }
    beyond = ran("audit", "replay", "--at", "9999", code=6)
    assert f"the last one is at {inside['position']}" in beyond.stderr


def test_the_rows_of_a_view_are_lines_or_one_document(ran: Storno) -> None:
    lines = ran("audit", "replay", "--view", "dead_letters").lines
    letters = ran.json("dead-letters", "list")

    assert ran.json("audit", "replay", "--view", "dead_letters") == lines
    assert {(row["key"], row["error"]) for row in lines} == {
        (letter["key"], letter["error"]) for letter in letters
    }
    assert [row["payload"] for row in lines] == [letter["payload"] for letter in letters]
    movements = ran("audit", "replay", "--view", "movements").lines
    rents = [row["debit"] for row in movements if row["account"] == "expense:rent"]
    [rent] = ran.json("ledger", "balances", "--account", "expense:rent")
    assert sum(_pence(amount) for amount in rents) == _pence(rent["debit"])
    [run] = ran.json("audit", "replay", "--view", "runs")
    assert run["parameters"] == {"month": "2026-01"}
    assert run["started_at"].endswith("Z")


def _pence(amount: str) -> int:
    return int(amount.replace(".", ""))


def test_what_cannot_be_meant_is_refused(ran: Storno) -> None:
    both = ran("audit", "replay", "--at", "1", "--as-of", "2026-01-01", code=2)
    assert "--as-of and --at" in both.stderr
    ran("audit", "replay", "--view", "balances", code=2)
    assert "--as-of soon" in ran("audit", "replay", "--as-of", "soon", code=2).stderr


@pytest.fixture(scope="module")
def taken_back(
    ran_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Storno, tuple[str, str]]:
    """A month that was taken back, and the options that ask for the time before; only to read."""
    folder = tmp_path_factory.mktemp("taken-back") / "payments"
    shutil.copytree(ran_once, folder)
    storno = Storno(folder, {})
    then = storno.json("audit", "replay")["recorded"]
    storno("reverse", "submit", "last", "--reason-code", "duplicate", "--reason", "paid twice")
    [reversal] = storno.json("reverse", "list")
    storno("reverse", "execute", reversal["reversal"], "--yes")
    return storno, ("--as-of", then)


def test_the_books_before_they_were_taken_back(
    taken_back: tuple[Storno, tuple[str, str]],
) -> None:
    storno, past = taken_back
    expenses = ("ledger", "balances", "--account", "expense:*")
    assert {row["balance"] for row in storno.json(*expenses)} == {"0.00"}
    assert "0.00" not in {row["balance"] for row in storno.json(*expenses, *past)}
    books = ("ledger", "trial-balance", *past)
    [half] = storno.json(*books, "--effective-to", "2026-01-15")["totals"]
    [whole] = storno.json(*books)["totals"]
    assert half["debit"] == half["credit"]
    assert 0 < _pence(half["debit"]) < _pence(whole["debit"])


def test_a_run_and_an_entry_before_they_were_taken_back(
    taken_back: tuple[Storno, tuple[str, str]],
) -> None:
    storno, past = taken_back
    lines = storno.json("ledger", "account", "expense:rent")
    lines_then = storno.json("ledger", "account", "expense:rent", *past)
    assert len(lines) == 2 * len(lines_then) > 0
    assert lines_then[-1]["balance"] != "0.00"
    entry = ("ledger", "entry", "payments", lines_then[0]["key"])
    assert len(storno.json(*entry)) == 2
    [posted] = storno.json(*entry, *past)
    assert posted["reversed_by"] is None
    assert storno.json(*entry, "--as-of", "2001-01-01") == []
    [run] = storno.json("audit", "replay", *past, "--view", "runs")
    assert (run["state"], run["reversed"]) == ("completed", 0)


def test_the_answer_is_the_events_where_the_books_were_changed(ran: Storno) -> None:
    right = ran.json("ledger", "trial-balance")
    with closing(library().connect(ran.folder / "storno.db")) as connection:
        connection.execute("UPDATE movements_g1 SET debit = debit - 1, credit = credit - 1")
        connection.commit()

    assert ran.json("ledger", "trial-balance") != right
    assert ran.json("ledger", "trial-balance", "--as-of", "0s") == right
