"""``storno reverse``: what it prints, its documents, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .command import Storno

RUN = "payments/2026-01"
REASON = ("--reason-code", "wrong-input", "--reason", "the wrong file")
NAME = "R-000001"


def submit(storno: Storno, what: str = RUN, *more: str) -> dict[str, Any]:
    document: dict[str, Any] = storno.json("reverse", "submit", what, *REASON, *more)
    return document


def with_approval(storno: Storno) -> None:
    """From now on another person has to agree."""
    jobs = storno.folder / "jobs.py"
    text = jobs.read_text().replace("import Entry,", "import Entry, ReversalPolicy,", 1)
    declared = "parameters=Month, reversals=ReversalPolicy(approvals=1))"
    jobs.write_text(text.replace("parameters=Month)", declared, 1))


def test_a_plan_shows_all_and_writes_nothing(ran: Storno) -> None:
    before = ran("views", "check").stdout
    events = ran.json("runs")

    page = ran("reverse", "plan", RUN)
    document = ran.json("reverse", "plan", RUN)

    assert "Would take back 237 records of payments/2026-01" in page.stdout
    assert "the whole run" in page.stdout
    assert "Nothing was written" in page.stderr
    assert document["run"] == RUN
    assert (document["records"], document["reversible"]) == (237, 237)
    assert document["not_reversible"] == []
    assert len(document["plan"]) == 64
    debit = sum(float(line["debit"]) for line in document["net"])
    credit = sum(float(line["credit"]) for line in document["net"])
    assert round(debit, 2) == round(credit, 2) > 0
    assert set(document["net"][0]) >= {"account", "currency", "debit", "credit"}
    assert isinstance(document["net"][0]["debit"], str)
    assert ran("views", "check").stdout == before
    assert ran.json("runs") == events
    assert ran.json("reverse", "list") == []


@pytest.mark.parametrize(
    ("words", "scope"),
    [
        (["--record", "payments", "P00001"], {"kind": "records", "keys": ["P00001"]}),
        (["--chunk", RUN, "0"], {"kind": "chunks", "chunks": [0]}),
        ([RUN, "--where", "amount>100", "--where", "date>=2026-01-10"],
         {"kind": "where", "where": ["amount>100", "date>=2026-01-10"]}),
        (["last"], {"kind": "run"}),
    ],
)  # fmt: skip
def test_each_way_to_say_what_is_meant(
    ran: Storno, words: Sequence[str], scope: dict[str, Any]
) -> None:
    document = ran.json("reverse", "plan", *words)

    assert document["scope"] == scope
    assert document["reversible"] > 0


def test_from_the_plan_to_the_end(ran: Storno) -> None:
    """The plan's file round trip: what was planned is what is asked for and done."""
    ran("reverse", "plan", RUN, "--where", "date>=2026-01-20", "--red", "--out", "plan.json")
    plan = json.loads((ran.folder / "plan.json").read_text())

    asked = submit(ran, "plan.json", "--actor", "ben")
    shown = ran.json("reverse", "show", NAME)
    done = ran.json("reverse", "execute", NAME, "--yes", "--actor", "cara")
    again = ran("reverse", "execute", NAME, "--yes")

    assert {
        "reversal": NAME,
        "state": "approved",
        "reversed": 0,
        "failed": 0,
    }.items() <= asked.items()
    assert (asked["records"], asked["form"], asked["requested_by"]) == (
        plan["reversible"],
        "red",
        "ben",
    )
    assert (shown["plan"], shown["reason_code"]) == (plan["plan"], "wrong-input")
    expected = {"reversal": NAME, "state": "completed", "reversed": plan["reversible"], "failed": 0}
    assert expected.items() <= done.items()
    assert "completed already" in again.stderr
    (listed,) = ran.json("reverse", "list", "--state", "completed")
    assert (listed["executed_by"], listed["reversed"]) == ("cara", plan["reversible"])
    assert ran.json("show", RUN)["state"] == "partly-reversed"
    page = ran("reverse", "show", NAME).stdout
    happened = [line.split()[2:4] for line in page.splitlines() if line[:2] == "20"]
    assert happened == [
        ["requested", "ben"],
        ["begun", "cara"],
        ["completed", str(plan["reversible"])],
    ]
    assert "the wrong file" in page


def test_a_whole_run_for_people(ran: Storno) -> None:
    submitted = ran("reverse", "submit", RUN, *REASON)
    listed = ran("reverse", "list")
    shown = ran("reverse", "show", NAME)
    done = ran("reverse", "execute", NAME, "--yes")
    balance = ran.json("ledger", "trial-balance")
    again = ran.json(
        "run", "payments", "--param", "month=2026-01", "--again", "--reason", "x", code=3
    )

    assert f"Submitted reversal {NAME} of 237 records" in submitted.stderr
    assert f"storno reverse execute {NAME}" in submitted.stderr
    assert "approved" in listed.stdout
    assert f"Execute it: storno reverse execute {NAME}" in shown.stderr
    assert f"{NAME} completed" in done.stdout
    assert "To post anew what was taken back: storno run payments" in done.stderr
    assert all(float(row["balance"]) == 0 for row in balance["accounts"])
    assert (again["state"], again["succeeded"]) == ("completed", 237)


def test_others_have_to_agree(ran: Storno) -> None:
    """cli.md: 8 approval required; 4 not allowed."""
    with_approval(ran)
    asked = submit(ran, RUN, "--actor", "ben")
    assert (asked["state"], asked["approvals"]) == ("requested", {"needed": 1, "given": 0})

    early = ran("reverse", "execute", NAME, "--yes", code=8)
    own = ran("reverse", "approve", NAME, "--actor", "ben", code=4)
    agreed = ran.json("reverse", "approve", NAME, "--actor", "cara")
    done = ran.json("reverse", "execute", NAME, "--yes")

    assert "waits for the approval of 1 person" in early.stderr
    assert "ben requested the reversal" in own.stderr
    assert (agreed["state"], agreed["decided_by"]) == ("approved", "cara")
    assert done["state"] == "completed"


def test_rejected(ran: Storno) -> None:
    with_approval(ran)
    submit(ran)

    ran("reverse", "reject", NAME, "--reason", " ", code=2)
    rejected = ran("reverse", "reject", NAME, "--reason", "they were right")
    ran("reverse", "execute", NAME, "--yes", code=4)

    assert f"Rejected {NAME}" in rejected.stderr
    assert ran.json("reverse", "show", NAME)["message"] == "they were right"


def test_a_plan_that_is_out_of_date(ran: Storno) -> None:
    """cli.md: 7, and nothing is written."""
    ran("reverse", "plan", RUN, "--out", "plan.json")
    submit(ran)
    submit(ran, RUN)
    ran("reverse", "execute", NAME, "--yes")
    before = ran.json("reverse", "list")

    stale = ran("reverse", "submit", "plan.json", *REASON, code=7)
    changed = ran("reverse", "execute", "R-000002", "--yes", code=7)
    nothing = ran("reverse", "submit", RUN, *REASON, code=7)

    assert "0 records, not 237, and 237 cannot be, not 0" in stale.stderr
    assert f"blocked now: P00000 (already-reversed: by reversal {NAME})" in stale.stderr
    assert "its net effect would be creditors:" in stale.stderr
    assert "Plan it anew" in stale.stderr
    assert "0 records, not 237" in changed.stderr
    assert f"already-reversed: by reversal {NAME}" in nothing.stderr
    assert ran.json("reverse", "list") == before


def test_what_moves_because_of_closed_periods(ran: Storno) -> None:
    ran("periods", "close", "2026-01", "--force", "--reason", "early", "--yes")

    moved = ran("reverse", "plan", RUN).stdout
    named = ran("reverse", "plan", RUN, "--date", "2027-03-05").stdout
    document = ran.json("reverse", "plan", RUN, "--date", "2026-01-31")
    ran("reverse", "plan", RUN, "--date", "2027-03-05", "--out", "plan.json")
    submit(ran, "plan.json")
    asked = ran.json("reverse", "show", NAME)
    page = ran("reverse", "show", NAME).stdout

    assert "Period 2026-01 of book main is closed: 237 entries go to 2026-02-01." in moved
    assert "Of period 2026-01 of book main, 237 entries go to 2027-03-05." in named
    assert "237 into another fiscal year" in named
    assert (document["reversible"], len(document["not_reversible"])) == (0, 237)
    assert document["not_reversible"][0]["why"].startswith("period-closed: 2026-01 of book main")
    # accounting-rules, 11: who is to agree sees it too.
    assert "237 entries go to 2027-03-05." in page
    assert "237 into another fiscal year" in page
    assert asked["other_fiscal_year"] == 237
    assert asked["moves"] == [
        {"book": "main", "period": "2026-01", "to": "2027-03-05", "entries": 237}
    ]


def test_a_fiscal_year_begins_when_the_project_says(ran: Storno) -> None:
    settings = ran.folder / "storno.toml"
    settings.write_text(settings.read_text() + "\n[reversals]\nyear_begins = 4\n")

    same = ran.json("reverse", "plan", RUN, "--date", "2026-03-31")
    other = ran.json("reverse", "plan", RUN, "--date", "2026-04-01")

    assert (same["other_fiscal_year"], other["other_fiscal_year"]) == (0, 237)


def test_the_form_is_what_is_said_else_the_job_s_else_the_project_s(ran: Storno) -> None:
    """accounting-rules, 2: black is the default, the job or the reversal may say red."""
    assert ran.json("reverse", "plan", RUN)["form"] == "black"
    assert ran.json("reverse", "plan", RUN, "--red")["form"] == "red"

    settings = ran.folder / "storno.toml"
    settings.write_text(settings.read_text() + '\n[reversals]\nform = "red"\n')
    assert ran.json("reverse", "plan", RUN)["form"] == "red"
    assert submit(ran)["form"] == "red"

    jobs = ran.folder / "jobs.py"
    text = jobs.read_text().replace("import Entry,", "import Entry, ReversalPolicy,", 1)
    declared = 'parameters=Month, reversals=ReversalPolicy(form="black"))'
    jobs.write_text(text.replace("parameters=Month)", declared, 1))
    assert ran.json("reverse", "plan", RUN)["form"] == "black"
    assert submit(ran)["form"] == "black"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["plan"], 2, "Name a run"),
        (["plan", RUN, "--record", "payments", "P00001"], 2, "leave 'payments/2026-01' out"),
        (["plan", "--record", "payments"], 2, "then the keys"),
        (["plan", RUN, "--record"], 2, "leave 'payments/2026-01' out"),
        (["plan", RUN, "--chunk"], 2, "leave 'payments/2026-01' out"),
        (["plan", "--chunk"], 2, "then the numbers of its chunks"),
        (["plan", "--record", "paymets", "P00001"], 6, "Did you mean 'payments'"),
        (["plan", "--record", "payments", "P99999"], 6, "'P99999' of job payments was never"),
        (["plan", "--chunk", RUN, "x"], 2, "the numbers of its chunks"),
        (["plan", "--chunk", RUN, "7"], 6, "has no chunk 7"),
        (["plan", RUN, "--where", "amuont>5"], 2, "Did you mean 'amount'"),
        (["plan", RUN, "--where", "amount"], 2, "write FIELD=VALUE"),
        (["plan", RUN, "--where", "amount==5"], 2, "write FIELD=VALUE"),
        (["plan", RUN, "--date", "tomorrow"], 2, "--date"),
        (["plan", "payments/2026-02"], 6, "Did you mean 'payments/2026-01'"),
        (["plan", RUN, "--out", "nowhere/plan.json"], 2, "--out nowhere"),
        (["submit", RUN, "--reason-code", "wrong-inptu", "--reason", "x"], 2, "mean 'wrong-input'"),
        (["submit", RUN, "--reason-code", "other", "--reason", " "], 2, "needs a reason in words"),
        (["submit", RUN, "--reason", "x"], 2, "--reason-code"),
        (["show", "R-1"], 6, "no reversal 'R-1'"),
        (["approve", "R-000001"], 6, "no reversal 'R-000001'"),
        (["list", "--state", "requestd"], 2, "Did you mean 'requested'"),
        (["exceute", "R-000001"], 2, "Did you mean 'execute'"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(
    ran: Storno, words: list[str], code: int, says: str
) -> None:
    assert says in ran("reverse", *words, code=code).stderr


def test_a_reversal_is_not_reversed(ran: Storno) -> None:
    """accounting-rules, 5: the record is posted again instead."""
    submit(ran)

    planned = ran("reverse", "plan", NAME, code=4)
    asked = ran("reverse", "submit", NAME, *REASON, code=4)

    for refused in (planned, asked):
        assert f"{NAME} is a reversal, and a reversal is not reversed" in refused.stderr
        assert "--again" in refused.stderr


def test_an_unknown_reversal_is_like_another(ran: Storno) -> None:
    submit(ran)

    refused = ran("reverse", "show", "R-00001", code=6)

    assert f"Did you mean '{NAME}'" in refused.stderr


def test_without_a_terminal_it_does_not_ask(ran: Storno) -> None:
    submit(ran)

    assert "--yes" in ran("reverse", "execute", NAME, code=2).stderr
    assert ran.json("reverse", "show", NAME)["state"] == "approved"


NET = {"book": "main", "account": "bank", "currency": "EUR", "debit": "1.00", "credit": "0.00"}
PLAN = {
    "plan": "77de", "run": RUN, "scope": {"kind": "run"}, "form": "black", "date": None,
    "reversible": 1, "blocked": 0, "not_reversible": [], "net": [NET], "moves": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}",
        json.dumps(PLAN | {"form": "green"}).encode(),
        json.dumps(PLAN | {"scope": {}}).encode(),
        json.dumps(PLAN | {"scope": {"kind": "records", "keys": [1]}}).encode(),
        json.dumps(PLAN | {"scope": "run"}).encode(),
        json.dumps(PLAN | {"run": 7}).encode(),
        json.dumps(PLAN | {"reversible": None}).encode(),
        json.dumps(PLAN | {"net": [NET | {"debit": "much"}]}).encode(),
        json.dumps(PLAN | {"net": [NET | {"credit": "1.001"}]}).encode(),
        json.dumps(PLAN | {"moves": [{"book": "main"}]}).encode(),
        json.dumps(PLAN | {"not_reversible": ["P00001"]}).encode(),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plan(ran: Storno, content: bytes) -> None:
    Path(ran.folder, "plan.json").write_bytes(content)

    refused = ran("reverse", "submit", "plan.json", *REASON, code=2)

    assert "plan.json is no plan: write one with storno reverse plan RUN --out" in refused.stderr


def test_a_file_that_says_other_than_is_so(ran: Storno) -> None:
    """What is refused above is refused for what is wrong in it."""
    Path(ran.folder, "plan.json").write_text(json.dumps(PLAN))

    refused = ran("reverse", "submit", "plan.json", *REASON, code=7)

    assert "it would take back 237 records, not 1" in refused.stderr
    assert "bank EUR debit 0.00 and credit 0.00, not debit 1.00 and credit 0.00" in refused.stderr


def test_a_plan_that_somebody_changed_is_another_plan(ran: Storno) -> None:
    ran("reverse", "plan", RUN, "--where", "amount>100", "--out", "plan.json")
    file = ran.folder / "plan.json"
    plan = json.loads(file.read_text())
    file.write_text(json.dumps(plan | {"scope": {"kind": "run"}}))

    ran("reverse", "submit", "plan.json", *REASON, code=7)

    assert ran.json("reverse", "list") == []
