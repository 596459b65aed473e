"""A council's payments of twelve months, on real files, through the real command line.

The README of the example is run as it stands; what it leaves behind is looked at from other sides.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from beancount import loader
from beancount.core.data import Open, Transaction

from ..cli.command import Storno
from ..docs.running import ROOT
from ..oracle import assert_books_hold, assert_views_agree
from .following import balances, counted, expected_balances, follow

EXAMPLE = Path("examples/devon")

AROUND_NEW_YEAR = ("201912", "202001", "202002")


@pytest.fixture(scope="module")
def year(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Storno:
    """The example after its README has been followed to the end."""
    return follow(EXAMPLE, tmp_path_factory.mktemp("devon"), published)


def test_the_trial_balance_is_what_the_files_say_to_the_penny(
    year: Storno, published: Path
) -> None:
    expected = expected_balances(EXAMPLE, published / "2019-20")

    trial_balance = year.json("ledger", "trial-balance")

    assert len(expected) > 200
    assert balances(trial_balance) == expected
    total = str(-expected["creditors"])
    assert trial_balance["totals"] == [{"currency": "GBP", "debit": total, "credit": total}]


def test_the_year_is_the_same_elsewhere(year: Storno, tmp_path: Path) -> None:
    """As a spreadsheet and a data frame read it, and a month of it as beancount does."""
    expected = balances(year.json("ledger", "trial-balance"))
    for form in ("csv", "parquet"):
        year("ledger", "export", "--format", form, "--out", str(tmp_path / f"year.{form}"))
    month = ("--from", "2020-01-01", "--to", "2020-01-31", "--out", str(tmp_path / "month"))
    year("ledger", "export", "--format", "beancount", *month)

    with (tmp_path / "year.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert in_rows(rows) == expected
    assert in_rows(pq.read_table(tmp_path / "year.parquet").to_pylist()) == expected
    january = [row for row in rows if row["posting"].startswith("2020-01")]
    assert in_beancount(tmp_path / "month") == in_rows(january)


def in_beancount(file: Path) -> dict[str, Decimal]:
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    names = {each.account: each.meta["account"] for each in entries if isinstance(each, Open)}
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each in entries:
        if isinstance(each, Transaction):
            for posting in each.postings:
                assert posting.units is not None
                found[names[posting.account]] += posting.units.number or 0
    return found


def in_rows(rows: Iterable[dict[str, Any]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        amount = Decimal(row["amount"])
        found[row["account"]] += amount if row["side"] == "debit" else -amount
    return found


def test_every_month_says_what_became_of_its_rows(year: Storno) -> None:
    counts = {run["run"]: counted(run) for run in year.json("runs", "--limit", "100")}

    assert counts == {
        "payments/2019-04": (8310, 8310, 0, 0),
        "payments/2019-05": (7590, 7590, 0, 0),
        "payments/2019-06": (7133, 7133, 0, 0),
        "payments/2019-07": (10176, 10176, 0, 0),
        "payments/2019-08": (6055, 6055, 0, 0),
        "payments/2019-09": (8898, 8898, 0, 0),
        "payments/2019-10": (7497, 7497, 0, 0),
        "payments/2019-11": (7734, 7734, 0, 0),
        "payments/2019-12": (8470, 8470, 0, 0),
        "payments/2020-01": (10235, 10233, 0, 2),
        "payments/2020-02": (7718, 6223, 1490, 5),
        "payments/2020-03": (9974, 9974, 0, 0),
    }


def test_what_was_posted_with_other_content_waits_for_a_person(year: Storno) -> None:
    letters = year.json("dead-letters", "list")

    assert {(letter["key"], letter["run"]) for letter in letters} == {
        ("CFDIRPAY34668111", "payments/2020-01"),
        ("SCOMIS34919460", "payments/2020-01"),
        ("CFADDAY34538635", "payments/2020-02"),
        ("CFADDAY34538636", "payments/2020-02"),
        ("CFADDAY34538638", "payments/2020-02"),
        ("CFADDAY34538640", "payments/2020-02"),
        ("P2P40153070", "payments/2020-02"),
    }
    assert {(letter["error"], letter["state"]) for letter in letters} == {("key-conflict", "open")}


def test_february_rows_of_the_january_file_are_posted_in_january(year: Storno) -> None:
    (entry,) = year.json("ledger", "entry", "payments", "CFADDAY34538635")

    assert (entry["effective"], entry["posting"]) == ("2020-02-05", "2020-01-01")


def test_every_month_started_again_does_nothing(year: Storno) -> None:
    before = year.json("ledger", "trial-balance")

    for month in ("2020-01", "202001"):
        again = year.json("run", "payments", "--param", f"month={month}", code=None)
        assert counted(again) == (10235, 10233, 0, 2)

    assert year.json("ledger", "trial-balance") == before


@pytest.mark.parametrize("month", ["2020", "01-2020", "2020-13", "January", "2020-01-15"])
def test_what_is_no_month_is_refused(year: Storno, month: str) -> None:
    refused = year("run", "payments", "--param", f"month={month}", code=2)

    assert "month" in refused.stderr


def test_the_views_agree(year: Storno) -> None:
    assert_views_agree(f"sqlite:///{year.folder / 'storno.db'}")
    assert_books_hold(f"sqlite:///{year.folder / 'storno.db'}")


def test_months_around_new_year_on_every_database(
    published: Path, tmp_path: Path, store_url: str
) -> None:
    folder = linked(published / "2019-20", AROUND_NEW_YEAR, tmp_path / "published")
    storno = Storno(ROOT / EXAMPLE, {"STORNO_STORE": store_url})
    storno("db", "init")

    for month in AROUND_NEW_YEAR:
        parameters = ("--param", f"month={month}", "--param", f"folder={folder}")
        storno("run", "payments", *parameters, code=None)

    assert balances(storno.json("ledger", "trial-balance")) == expected_balances(EXAMPLE, folder)
    assert counted(storno.json("show", "payments/2020-02")) == (7718, 6223, 1490, 5)
    assert_views_agree(store_url)
    assert_books_hold(store_url)


def linked(files: Path, months: Iterable[str], folder: Path) -> Path:
    """A folder with only these months' files."""
    folder.mkdir()
    for month in months:
        name = f"DCCSpendingOver500_{month}.csv"
        (folder / name).symlink_to(files / name)
    return folder


def test_the_check_uses_none_of_our_code() -> None:
    lines = (ROOT / EXAMPLE / "check.py").read_text().splitlines()

    imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert imported
    assert imported <= set(sys.stdlib_module_names)


def test_a_month_that_was_stopped_is_resumed_from_what_the_store_knows(
    published: Path, tmp_path: Path
) -> None:
    storno = Storno(ROOT / EXAMPLE, {"STORNO_STORE": f"sqlite:///{tmp_path / 'storno.db'}"})
    storno("db", "init")
    folder = f"folder={published / '2019-20'}"

    stopped = storno.json(
        "run", "payments", "--param", "month=201908", "--param", folder, "--limit", "1500"
    )
    resumed = storno.json("resume", "payments/2019-08")

    assert (stopped["state"], stopped["read"]) == ("stopped", 1500)
    assert counted(resumed) == (6055, 6055, 0, 0)
    assert resumed["attempt"] == 2
