"""An example as somebody meets it: its README followed, and what its books then say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..cli.command import Storno
from ..docs.running import ROOT, Page


def follow(example: Path, place: Path, published: Path) -> Storno:
    """The example, laid out as in a checkout, after its README has been followed to the end.

    Args:
        example: its folder in the repository.
        place: an empty folder.
        published: what stands as ``shared/data/devon-spend`` beside the checkout.
    """
    data = place / "shared" / "data"
    data.mkdir(parents=True)
    (data / "devon-spend").symlink_to(published)
    checkout = place / "checkout"
    left_behind = shutil.ignore_patterns("__pycache__", "*.db", "*.db-*", "months")
    shutil.copytree(ROOT / example, checkout / example, ignore=left_behind)
    with Page(str(example / "README.md"), checkout, no_postgres) as page:
        page.run((ROOT / example / "README.md").read_text())
    return Storno(checkout / example, {})


def expected_balances(example: Path, folder: Path) -> dict[str, Decimal]:
    """What the example's check says that files come to; it uses none of our code."""
    script = [sys.executable, "-I", str(ROOT / example / "check.py"), str(folder)]
    printed = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    pairs = (line.split() for line in printed.splitlines())
    return {account: Decimal(balance.replace(",", "")) for account, balance in pairs}


def balances(trial_balance: dict[str, Any]) -> dict[str, Decimal]:
    """Account to balance; all of them are in pounds."""
    accounts = trial_balance["accounts"]
    assert {account["currency"] for account in accounts} == {"GBP"}
    assert len({account["account"] for account in accounts}) == len(accounts)
    return {account["account"]: Decimal(account["balance"]) for account in accounts}


def counted(run: dict[str, Any]) -> tuple[int, int, int, int]:
    """Rows read, posted, posted before, and dead letters."""
    assert run["state"] == "completed"
    return run["read"], run["succeeded"], run["skipped"], run["failed"]


def no_postgres() -> str:
    """What a page of an example gets for the URL of a PostgreSQL database."""
    raise AssertionError("the examples use SQLite")
