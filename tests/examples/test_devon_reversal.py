"""January's run posted the first days of February: taken back, and posted where they belong.

Four months of the council's payments, by the real command line; what the books should say after it
is worked out from the files alone.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ..cli.command import Storno
from ..docs.running import ROOT
from ..oracle import assert_views_agree
from .following import balances, counted, expected_balances

EXAMPLE = Path("examples/devon")
MONTHS = ("201911", "201912", "202001", "202002")
JANUARY, FEBRUARY = "payments/2020-01", "payments/2020-02"
POSTED_TWICE = "CFADDAY34538635"  # in both files, with a VAT number only in February's
WRONG = 1495
AMOUNT = Decimal("8450537.72")


def name_of(month: str) -> str:
    return f"DCCSpendingOver500_{month}.csv"


@pytest.fixture(scope="module")
def files(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four months' files."""
    folder = tmp_path_factory.mktemp("published")
    for month in MONTHS:
        (folder / name_of(month)).symlink_to(published / "2019-20" / name_of(month))
    return folder


def post(storno: Storno, files: Path, months: tuple[str, ...], *words: str) -> Any:
    """Run months; gives the last one's document."""
    run = ("run", "payments", "--param", f"folder={files}")
    documents = [
        storno.json(*run, "--param", f"month={month}", *words, code=None) for month in months
    ]
    return documents[-1]


@pytest.fixture(scope="module")
def posted(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the four months are posted to."""
    store = tmp_path_factory.mktemp("devon") / "storno.db"
    storno = at(f"sqlite:///{store}")
    storno("db", "init")
    post(storno, files, MONTHS)
    return store


def at(url: str) -> Storno:
    return Storno(ROOT / EXAMPLE, {"STORNO_STORE": url, "STORNO_ACTOR": "ada"})


@pytest.fixture
def storno(posted: Path, tmp_path: Path) -> Iterator[Storno]:
    """A store of its own with the four months in it; its views agree at the end."""
    shutil.copyfile(posted, tmp_path / "storno.db")
    url = f"sqlite:///{tmp_path / 'storno.db'}"
    yield at(url)
    assert_views_agree(url)


def taken_back(storno: Storno, file: Path, *form: str) -> Any:
    """What was paid in February out of January's run, as the example does it."""
    where = ("--where", "date>=2020-02-01")
    plan = storno.json("reverse", "plan", JANUARY, *where, *form, "--out", str(file))
    assert (plan["reversible"], plan["not_reversible"]) == (WRONG, [])
    why = ("--reason-code", "wrong-period", "--reason", "payments of February in January")
    name = storno.json("reverse", "submit", str(file), *why)["reversal"]
    storno("reverse", "execute", name, "--yes", code=8)
    storno("reverse", "approve", name, code=4)  # who asked for it
    storno("reverse", "approve", name, "--actor", "bob")
    return storno.json("reverse", "execute", name, "--yes")


def sides(storno: Storno, *words: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Account to the sums of its debits and its credits."""
    accounts = storno.json("ledger", "trial-balance", *words)["accounts"]
    return {row["account"]: (Decimal(row["debit"]), Decimal(row["credit"])) for row in accounts}


def february_in_january(files: Path) -> dict[str, Decimal]:
    """Expense account to what January's file says was paid in February; without our code."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    with (files / name_of("202001")).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["Date"] >= "2020-02":
                amount = round(Decimal(row["Amount"]), 2)
                found[f"expense:{row['Expense Code']}"] += amount
    assert sum(found.values()) == AMOUNT
    return dict(found)


def without_february(files: Path, folder: Path) -> Path:
    """The months up to January, without what was paid in February."""
    folder.mkdir()
    for month in MONTHS[:3]:
        with (
            (files / name_of(month)).open(encoding="utf-8-sig", newline="") as published,
            (folder / name_of(month)).open("w", encoding="utf-8", newline="") as kept,
        ):
            rows = csv.DictReader(published)
            assert rows.fieldnames
            writer = csv.DictWriter(kept, rows.fieldnames)
            writer.writeheader()
            writer.writerows(row for row in rows if row["Date"] < "2020-02")
    return folder


@pytest.mark.parametrize("form", ["black", "red"])
def test_february_moves_to_february(storno: Storno, files: Path, tmp_path: Path, form: str) -> None:
    """Issue 3. By posting date the balances move by one month, in all they stay. What was turned
    over shows the mistake in black, and not in red."""
    to_january = ("--posting-to", "2020-01-31")
    before, before_january = sides(storno), sides(storno, *to_january)
    moved = february_in_january(files)

    reversal = taken_back(storno, tmp_path / "plan.json", *(["--red"] if form == "red" else []))
    again = post(storno, files, ("202002",), "--again", "--reason", "January held its first days")

    assert (reversal["state"], reversal["reversed"], reversal["failed"]) == ("completed", WRONG, 0)
    assert counted(again) == (7718, 7718, 0, 0)
    january = balances(storno.json("ledger", "trial-balance", *to_january))
    expected_january = expected_balances(EXAMPLE, without_february(files, tmp_path / "january"))
    assert {name: amount for name, amount in january.items() if amount} == {
        name: amount for name, amount in expected_january.items() if amount
    }
    everything = storno.json("ledger", "trial-balance")
    assert balances(everything) == expected_balances(EXAMPLE, files)

    nothing = Decimal(0)
    if form == "red":
        assert sides(storno) == before
        expected = {
            name: (debit - moved.get(name, nothing), credit)
            for name, (debit, credit) in before_january.items()
        }
        expected["creditors"] = (nothing, before_january["creditors"][1] - AMOUNT)
        assert sides(storno, *to_january) == expected
    else:
        twice = {
            name: (debit + moved.get(name, nothing), credit + moved.get(name, nothing))
            for name, (debit, credit) in before.items()
        }
        twice["creditors"] = (AMOUNT, before["creditors"][1] + AMOUNT)
        assert sides(storno) == twice


def test_a_record_says_what_happened_to_it(storno: Storno, files: Path, tmp_path: Path) -> None:
    """accounting-rules, 4: the reversed entry names its reversal, the reversal its original; and
    the trail names who did each of it."""
    taken_back(storno, tmp_path / "plan.json")
    post(storno, files, ("202002",), "--again", "--reason", "January held its first days")

    entries = storno.json("ledger", "entry", "payments", POSTED_TWICE)
    assert [(each["run"], each["effective"], each["posting"]) for each in entries] == [
        (JANUARY, "2020-02-05", "2020-01-01"),
        (JANUARY, "2020-02-05", "2020-01-01"),
        (FEBRUARY, "2020-02-05", "2020-02-05"),
    ]
    assert [each["reversed_by"] for each in entries] == ["R-000001", None, None]
    assert [each["reversal"] for each in entries] == [None, "R-000001", None]
    trail = storno.json("audit", "trail", "payments", POSTED_TWICE)["events"]
    assert [(each["event"], each["actor"]) for each in trail] == [
        ("RecordSucceeded", "ada"),
        ("RecordFailed", "ada"),
        ("RecordReversed", "ada"),
        ("RecordSucceeded", "ada"),
    ]
    assert storno.json("show", JANUARY)["state"] == "partly-reversed"
    assert storno.json("dead-letters", "list", "--run", FEBRUARY) == []
    shown = storno("reverse", "show", "R-000001").stdout
    for fact in ("date>=2020-02-01", "1 of 1", "8450537.72"):
        assert fact in shown
    happened = [line.split()[2:4] for line in shown.splitlines() if line[:2] == "20"]
    assert ["approved", "bob"] in happened


def test_whoever_executes_it_is_named_and_not_who_ran_it(storno: Storno, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    storno("reverse", "plan", "--record", "payments", POSTED_TWICE, "--out", plan)
    storno("reverse", "submit", plan, "--reason-code", "wrong-period", "--reason", "of February")
    storno("reverse", "approve", "R-000001", "--actor", "bob")

    storno("reverse", "execute", "R-000001", "--yes", "--actor", "carol")

    trail = storno.json("audit", "trail", "payments", POSTED_TWICE)["events"]
    assert [(each["event"], each["actor"]) for each in trail[2:]] == [("RecordReversed", "carol")]


def test_the_check_of_dates_finds_it_and_then_nothing(
    storno: Storno, files: Path, tmp_path: Path
) -> None:
    assert dates(storno) == (
        "payments/2020-01 posted 1,495 payments of 2020-02 to 2020-01: GBP 8,450,537.72\n"
    )

    taken_back(storno, tmp_path / "plan.json")

    assert dates(storno) == "every payment is posted to the month of its date\n"


def dates(storno: Storno) -> str:
    """What the example's check says of the books."""
    lines = storno("ledger", "account", "creditors", "--json").stdout
    script = [sys.executable, "-I", str(ROOT / EXAMPLE / "dates.py")]
    return subprocess.run(script, input=lines, check=True, capture_output=True, text=True).stdout


def test_on_postgresql(files: Path, postgres_url: str, tmp_path: Path) -> None:
    storno = at(postgres_url)
    storno("db", "init")
    post(storno, files, MONTHS[2:])
    before = balances(storno.json("ledger", "trial-balance"))

    taken_back(storno, tmp_path / "plan.json")
    again = post(storno, files, MONTHS[3:], "--again", "--reason", "January held its first days")

    assert counted(again) == (7718, 7718, 0, 0)
    assert balances(storno.json("ledger", "trial-balance")) == before
    assert_views_agree(postgres_url)
