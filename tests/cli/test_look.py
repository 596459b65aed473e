"""``runs``, ``show``, ``status``, ``watch`` and ``dead-letters``: what they say of runs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .command import Storno
from .terminal import on_terminal

MONTH = ("--param", "month=2026-01")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_runs_are_listed_newest_first(ran: Storno) -> None:
    ran("run", "payments", "--param", "month=2026-02", code=1)

    documents = ran.json("runs")

    assert [document["run"] for document in documents] == ["payments/2026-02", "payments/2026-01"]
    assert [document["state"] for document in documents] == ["failed", "completed"]
    assert all(RFC_3339.fullmatch(document["started"]) for document in documents)
    assert [run["run"] for run in ran.json("runs", "--state", "failed")] == ["payments/2026-02"]
    assert [run["run"] for run in ran.json("runs", "--limit", "1")] == ["payments/2026-02"]
    assert ran.json("runs", "--job", "payroll") == []
    assert ran.json("runs", "--since", "2999-01-01") == []
    assert len(ran.json("runs", "--since", "1h")) == 2


@pytest.mark.parametrize("command", [("runs",), ("dead-letters", "list")])
def test_a_filter_that_finds_nothing_may_be_mistyped(ran: Storno, command: tuple[str, ...]) -> None:
    mistyped = ran(*command, "--job", "paymets", "--json")

    assert mistyped.document == []
    assert "Did you mean 'payments'?" in mistyped.stderr


def test_a_table_in_a_pipe_is_plain(ran: Storno) -> None:
    header, row = ran("runs").stdout.splitlines()

    outcomes = ["read", "succeeded", "skipped", "failed"]
    assert header.split() == ["run", "state", *outcomes, "attempts", "started", "took"]
    assert row.split()[:7] == ["payments/2026-01", "completed", "240", "237", "0", "3", "1"]


def test_runs_beyond_the_limit_are_not_passed_over_in_silence(ran: Storno) -> None:
    ran("run", "payments", "--param", "month=2026-02", code=1)

    assert "There are more than these 1" in ran("runs", "--limit", "1").stderr
    assert ran("runs", "--limit", "2").stderr == ""


@pytest.mark.parametrize("word", ["payments/2026-01", "payments/2026", "pay", "last"])
def test_a_run_is_found_by_what_is_typed(ran: Storno, word: str) -> None:
    assert ran.json("show", word)["run"] == "payments/2026-01"


def test_an_ambiguous_or_unknown_run_is_named(ran: Storno) -> None:
    ran("run", "payments", "--param", "month=2026-02", code=1)

    assert "payments/2026-02, payments/2026-01" in ran("show", "payments/2026", code=2).stderr
    assert "Did you mean 'payments/2026-01'?" in ran("show", "paymets/2026-01", code=6).stderr


def test_a_whole_name_is_meant_even_where_others_go_on(ran: Storno) -> None:
    ran("run", "payments", "--param", "month=2026-0", code=1)

    assert ran.json("show", "payments/2026-0")["state"] == "failed"


def test_show_has_attempts_chunks_events_and_failures(ran: Storno) -> None:
    document = ran.json("show", "last", "--chunks", "--events", "--failed")

    assert document["state"] == "completed"
    assert document["parameters"] == {"month": "2026-01"}
    [attempt] = document["attempts"]
    assert (attempt["attempt"], attempt["why"], attempt["read"]) == (1, "start", 240)
    [chunk] = document["chunk_list"]
    assert (chunk["chunk"], chunk["status"], chunk["failed"]) == ("0/0", "completed", 3)
    assert document["failed_chunks"] == []
    assert len(document["dead_letters"]) == 3
    assert [event["event"] for event in document["events"]] == [
        "RunStarted",
        "ChunkStarted",
        "ChunkCompleted",
        "RunCompleted",
    ]


def test_show_is_a_page_for_people(ran: Storno) -> None:
    page = ran("show", "last", "--chunks", "--events", "--failed").stdout

    for title in ("Attempts", "Chunks", "Dead letters", "Events"):
        assert f"\n{title}\n" in page
    assert "key-conflict" in page
    assert "RunCompleted" in page


def test_status_lists_what_is_not_finished(payments: Storno) -> None:
    payments("run", "payments", *MONTH, "--limit", "120")

    [state] = payments.json("status")
    table = payments("status")

    assert (state["run"], state["state"], state["alive"]) == ("payments/2026-01", "stopped", None)
    assert 40 < state["percent"] < 60
    assert "storno resume payments/2026-01" in table.stderr
    assert payments.json("status", "last") == state


def test_status_with_nothing_to_say_says_so(ran: Storno) -> None:
    assert ran.json("status") == []
    assert "No run is running" in ran("status").stderr


def test_watch_draws_nothing_where_nothing_runs(ran: Storno) -> None:
    screen = on_terminal(ran, "watch")

    assert screen.text.split("\r\n") == ["No run is running.", ""]


def test_watch_ends_when_nothing_runs(ran: Storno) -> None:
    assert "No run is running" in ran("watch").stderr
    [line] = ran("watch", "last", "--json").lines
    assert line["state"] == "completed"


def test_the_document_of_a_dead_letter(ran: Storno) -> None:
    letters = ran.json("dead-letters", "list", "--run", "last")

    assert [(letter["key"], letter["error"]) for letter in letters] == [
        ("P00057", "invalid-record"),
        ("P00118", "invalid-record"),
        ("P00041", "key-conflict"),
    ]
    first = letters[0]
    assert first["job"] == "payments"
    assert first["run"] == "payments/2026-01"
    assert first["attempts"] == 1
    assert first["state"] == "open"
    assert first["payload"]["amount"] == "1,234.50"
    assert "line 59" in first["location"]
    assert first["message"]


def test_dead_letters_are_filtered_and_grouped(ran: Storno) -> None:
    conflicts = ran.json("dead-letters", "list", "--error", "key-conflict")
    groups = ran.json("dead-letters", "list", "--group")

    assert [letter["key"] for letter in conflicts] == ["P00041"]
    assert ran.json("dead-letters", "list", "--key", "P00057")[0]["key"] == "P00057"
    assert ran.json("dead-letters", "list", "--job", "payroll") == []
    assert ran.json("dead-letters", "list", "--state", "resolved") == []
    assert [(group["error"], group["count"]) for group in groups] == [
        ("invalid-record", 2),
        ("key-conflict", 1),
    ]


def test_a_conflict_shows_both_records(ran: Storno) -> None:
    [letter] = ran.json("dead-letters", "show", "payments", "P00041")
    page = ran("dead-letters", "show", "payments", "P00041").stdout

    assert letter["payload"]["amount"] == "99.00"
    assert letter["posted"]["number"] == "P00041"
    assert letter["posted"]["amount"] != "99.00"
    [amounts] = [line for line in page.splitlines() if " amount " in line]
    assert amounts.split()[0] == "!"
    assert "99.00" in amounts
    assert letter["posted"]["amount"] in amounts


def test_an_unknown_dead_letter_gets_did_you_mean(ran: Storno) -> None:
    assert (
        "Did you mean 'P00057'?" in ran("dead-letters", "show", "payments", "P0057", code=6).stderr
    )


def test_a_dead_letter_of_an_unknown_job_gets_did_you_mean(ran: Storno) -> None:
    told = ran("dead-letters", "show", "paymets", "P00057", code=6).stderr

    assert "Did you mean 'payments'?" in told


def test_a_record_without_a_key_can_be_shown(made: Callable[[str], Storno]) -> None:
    invoices = made("invoices")
    invoices("run", "invoices", *MONTH, code=3)

    [keyless] = [
        letter for letter in invoices.json("dead-letters", "list") if letter["key"].startswith("~")
    ]
    [shown] = invoices.json("dead-letters", "show", "invoices", keyless["key"])
    hint = invoices("dead-letters", "list", "--key", keyless["key"], "--job", "invoices").stderr

    assert keyless["key"] == "~2026-01/0/222"
    assert "storno dead-letters show invoices '~2026-01/0/222'" in hint
    assert shown["payload"]["number"] == ""
