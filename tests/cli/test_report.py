"""``storno audit report``: all of a run on one page, and nothing on it that came in as markup."""

from __future__ import annotations

import csv
import re
import shutil
from collections import defaultdict
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from storno.cli.html import Html, tag
from storno.cli.report_chart import POINTS, Progress, chart
from storno.cli.report_money import ACCOUNTS_SHOWN, account_table
from storno.storage.queries import RunBalance

from .command import Storno

HOSTILE = "<script>alert('key')</script>"
REASON = "<img src=x onerror=alert(1)> \"quoted\" & 'more'"
TURNED = "abc\u202edef"
FAILED = 520

JOBS = """
from decimal import Decimal
import datetime as dt
from storno import Entry, Record, ReversalPolicy, credit, csv_source, debit, job


class Bill(Record):
    number: str
    amount: Decimal
    account: str


@job(
    key="number",
    source=csv_source("input/bills.csv"),
    reversals=ReversalPolicy(approvals=1),
    tolerance=1000,
    chunk_size=400,
)
def bills(bill: Bill) -> Entry:
    lines = [debit(bill.account, bill.amount, "EUR"), credit("creditors", bill.amount, "EUR")]
    return Entry(lines, effective=dt.date(2026, 1, 15))
"""


class Page(HTMLParser):
    """What a browser would make of a page.

    Attributes:
        tags: every element's name, and its attributes.
        sections: heading to the text below it.
        tables: heading to the rows of the tables below it.
    """

    VOID = frozenset({"meta", "line", "rect", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = defaultdict(str)
        self.tables: dict[str, list[list[str]]] = defaultdict(list)
        self._open: list[str] = []
        self._heading = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "h2":
            self._heading = ""
        elif tag == "tr":
            self.tables[self._heading].append([])
        elif tag in ("td", "th"):
            self.tables[self._heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self._heading += data
        self.sections[self._heading] += data
        if "td" in self._open or "th" in self._open:
            self.tables[self._heading][-1][-1] += data


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped, resumed, mended, and taken back in part, by several people."""
    storno = Storno(tmp_path_factory.mktemp("report"), {"STORNO_ACTOR": "ann"})
    (storno.folder / "jobs.py").write_text(JOBS)
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]\n')
    (storno.folder / "input").mkdir()
    with (storno.folder / "input" / "bills.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "amount", "account"])
        rows.writerow([HOSTILE, "<b>1</b>", "expense:rent"])
        rows.writerow([TURNED, "oops", "expense:rent"])
        for number in range(1000):
            amount = "bad" if number < FAILED - 2 else f"{number}.25"
            rows.writerow([f"B{number:04}", amount, f"expense:<i>{number % 3}</i>"])
    storno("db", "init")
    storno("run", "bills", "--limit", "400")
    storno("resume", "last", code=3, STORNO_ACTOR="ben")
    storno("dead-letters", "discard", "bills", HOSTILE, "--reason", REASON, "--yes")
    storno("dead-letters", "edit", "bills", "B0001", "--set", "amount=7.00", "--reason", "typo")
    storno("dead-letters", "retry", "bills", "B0001")
    storno("reverse", "plan", "last", "--where", "amount>=900", "--out", "plan.json")
    storno("reverse", "submit", "plan.json", "--reason-code", "other", "--reason", REASON)
    storno("reverse", "approve", "R-000001", "--actor", "cara")
    storno("reverse", "execute", "R-000001", "--yes", "--actor", "dora")
    storno("audit", "report", "last", "--out", "report.html")
    return storno.folder


@pytest.fixture
def bills(reported: Path, tmp_path: Path) -> Storno:
    shutil.copytree(reported, tmp_path / "bills")
    return Storno(tmp_path / "bills", {"STORNO_ACTOR": "ann"})


@pytest.fixture(scope="module")
def text(reported: Path) -> str:
    return (reported / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_that_came_in_is_markup(page: Page, text: str) -> None:
    letters = page.sections["Dead letters"]

    assert HOSTILE in letters
    assert REASON in letters
    assert REASON in page.sections["Reversals"]
    assert "expense:<i>1</i>" in page.sections["Totals by account"]
    assert not {"script", "img", "b", "i", "iframe", "link"} & {name for name, _ in page.tags} - {
        "b"
    }
    assert not any("<" in (value or "") for _, found in page.tags for value in found.values())
    assert "\u202e" not in text
    assert "abc\\u202edef" in letters


def test_it_needs_nothing_outside_of_itself(page: Page, text: str) -> None:
    for _, attributes in page.tags:
        assert not any(name in ("src", "href", "srcset", "action") for name in attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?:", text)
    policy = next(found for _, found in page.tags if "http-equiv" in found)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_it_says_what_ran_when_and_by_whom(page: Page, bills: Storno) -> None:
    run = bills.json("show", "last")
    attempts = page.tables["Attempts"]

    figures = re.findall(r"[\d,]+(?=[a-z])", page.sections[""])
    assert [run[name] for name in ("read", "succeeded", "skipped", "failed", "discarded")] == [
        int(figure.replace(",", "")) for figure in figures[-6:-1]
    ]
    assert figures[-1] == str(run["reversed"]) == "100"
    assert [row[:3] for row in attempts[1:]] == [
        ["1", "start", "stopped"],
        ["2", "resume", "completed"],
    ]
    assert [row[5:7] for row in attempts[1:]] == [
        [each["actor"], each["worker"]] for each in run["attempts"]
    ]
    for each in run["attempts"]:
        assert each["code"] in page.sections["Attempts"]
    assert "path=input/bills.csv" in page.sections["The run"]
    assert [row[2] for row in page.tables["History"][1:]] == [
        "started", "stopped", "resumed", "completed", "is taken back", "was taken back",
    ]  # fmt: skip


def test_its_totals_are_those_of_the_ledger(page: Page, bills: Storno) -> None:
    def number(text: str) -> Decimal:
        return Decimal(text.replace(",", "") or "0")

    accounts = {row[0]: [*map(number, row[2:])] for row in page.tables["Totals by account"][1:]}
    expected = bills.json("ledger", "trial-balance")["accounts"]

    assert {
        name: (debit + debit_back, credit + credit_back, balance)
        for name, (debit, credit, debit_back, credit_back, balance) in accounts.items()
    } == {
        row["account"]: (number(row["debit"]), number(row["credit"]), number(row["balance"]))
        for row in expected
    }
    [[*_, debit, credit, debit_back, credit_back, balance]] = page.tables["Control totals"][1:]
    taken_back = sum(Decimal(number) + Decimal("0.25") for number in range(900, 1000))
    assert number(debit_back) == number(credit_back) == taken_back
    posted = sum(Decimal(number) + Decimal("0.25") for number in range(FAILED - 2, 1000)) + 7
    assert number(debit) == number(credit) == posted
    assert number(balance) == 0


def test_dead_letters_are_listed_up_to_a_number_and_the_rest_is_counted(page: Page) -> None:
    groups, letters = [], []
    for row in page.tables["Dead letters"]:
        (groups if len(row) == 3 else letters).append(row)

    assert groups[1:] == [
        ["open", "invalid-record", f"{FAILED - 2}"],
        ["discarded", "invalid-record", "1"],
        ["resolved", "invalid-record", "1"],
    ]
    assert len(letters[1:]) == 500
    assert f"The first 500 of {FAILED} in the order of the input." in page.sections["Dead letters"]
    became = {row[0]: row[3] for row in letters}
    assert became[HOSTILE].startswith("discarded, by ann at ")
    assert became[HOSTILE].endswith(REASON)
    assert became["B0001"].startswith("resolved, by ann at ")
    assert became["B0002"] == "open"


def test_reversals_say_who_asked_who_agreed_and_who_did_it(page: Page) -> None:
    assert [row[1:3] for row in page.tables["Reversals"][1:]] == [
        ["requested", "ann"],
        ["approved", "cara"],
        ["begun", "dora"],
        ["completed", ""],
    ]
    for said in ("1 of 1", "100 of 100 taken back", "records with amount>=900", "executed bydora"):
        assert said in page.sections["Reversals"]


def test_the_head_of_the_log_is_on_it(page: Page, bills: Storno) -> None:
    head = bills.json("audit", "export", "--out", "audit")["head"]

    said = page.sections["The log, and how to verify it"]
    for value in (head["chain_hash"], head["root"], head["recorded"], "storno audit verify"):
        assert value in said


def test_the_checkpoint_on_it_can_be_verified(text: str, bills: Storno) -> None:
    origin = bills.json("audit", "checkpoint")["origin"]
    kept = text.partition(f"<pre><code>{origin}")[2].partition("</code>")[0]
    (bills.folder / "kept.checkpoint").write_text(origin + kept)

    document = bills.json("audit", "verify", "--events-only", "--checkpoint", "kept.checkpoint")

    assert document["verified"]
    assert document["checkpoints"][0]["size"] == document["commits"]


def test_what_failed_in_a_chunk_that_was_not_committed_is_no_dead_letter(payments: Storno) -> None:
    file = payments.folder / "input" / "payments-2026-01.csv"
    file.write_text(file.read_text().replace("GBP", "pounds"))
    payments("run", "payments", "--param", "month=2026-01", code=1)

    payments("audit", "report", "last", "--out", "report.html")

    page = Page((payments.folder / "report.html").read_text(encoding="utf-8"))
    assert "No record failed" not in page.sections["Dead letters"]
    assert "read again on a resume" in page.sections["Dead letters"]


def test_two_reports_of_one_store_are_the_same(bills: Storno, text: str) -> None:
    refused = bills("audit", "report", "last", "--out", "report.html", code=7).stderr
    document = bills.json("audit", "report", "last", "--out", "report.html", "--force")

    assert "--force" in refused
    assert (bills.folder / "report.html").read_text(encoding="utf-8") == text
    assert (document["run"], document["bytes"]) == ("bills/once", len(text.encode()))
    bills("audit", "report", "nosuch", "--out", "other.html", code=6)
    assert not (bills.folder / "other.html").exists()


def test_a_run_that_came_to_nothing(storno: Storno, postgres_url: str) -> None:
    storno("init", "p", "--template", "payments")
    empty = Storno(storno.folder / "p", {"STORNO_STORE": postgres_url})
    file = empty.folder / "input" / "payments-2026-01.csv"
    file.write_text(file.read_text().partition("\n")[0] + "\n")
    empty("db", "init")
    empty("run", "payments", "--param", "month=2026-01")

    empty("audit", "report", "last", "--out", "report.html")

    page = Page((empty.folder / "report.html").read_text(encoding="utf-8"))
    assert "Nothing was posted." in page.sections["Control totals"]
    assert "No record failed." in page.sections["Dead letters"]
    assert "Nothing of it was taken back." in page.sections["Reversals"]


def test_markup_is_only_what_was_made_as_such() -> None:
    made = tag("p", "<", tag("b", 1), ["&", Html("<i>")], title='"')

    assert made == '<p title="&quot;">&lt;<b>1</b>&amp;<i></p>'


@pytest.mark.parametrize("count", [1, 2, POINTS, 10_000])
def test_a_chart_of_any_length_ends_at_the_last_record(count: int) -> None:
    drawn = chart(Progress([(index * 10, index * 1000) for index in range(1, count + 1)], [0]))

    steps = re.search(r'class="line" d="([^"]*)"', drawn)
    assert steps
    assert len(re.findall("V", steps[1])) <= POINTS
    assert steps[1].split("V")[-1].startswith("14.0H")
    assert f"{count * 1000:,}</text>" in drawn


def test_accounts_beyond_those_listed_are_added_up() -> None:
    rows = [
        RunBalance("main", f"a{number:05}", "EUR", 2, False, 100, 0)
        for number in range(ACCOUNTS_SHOWN + 3)
    ]

    table = Page(account_table(rows)).tables[""]

    assert len(table) == 1 + ACCOUNTS_SHOWN + 1
    assert table[-1] == ["the other 3 together", "EUR", "3.00", "", "3.00"]


CONTROLLED = """
from decimal import Decimal
import datetime as dt
from storno import Controls, Entry, Record, credit, debit, iterable, job


class Bill(Record):
    number: str
    amount: Decimal


ROWS = [{"number": f"B{n}", "amount": f"{n}.50"} for n in range(1, 4)]


@job(
    key="number",
    source=iterable(ROWS),
    chunk_size=2,
    controls=Controls(records=3, sums={"amount": Decimal("7.50")}),
)
def bills(bill: Bill) -> Entry:
    lines = [debit("rent", bill.amount, "EUR"), credit("creditors", bill.amount, "EUR")]
    return Entry(lines, effective=dt.date(2026, 1, 15))
"""


def test_what_the_control_totals_came_to_is_told(storno: Storno) -> None:
    (storno.folder / "jobs.py").write_text(CONTROLLED)
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]\n')
    storno("db", "init")
    storno("run", "bills")

    storno("audit", "report", "last", "--out", "report.html")

    page = Page((storno.folder / "report.html").read_text(encoding="utf-8"))
    rows = page.tables["Control totals"]
    assert ["amount", "7.50"] in [row[:2] for row in rows], rows
