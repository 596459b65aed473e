"""Payments through a bank that fails at random: paid once each, and refunded once each.

Everything by the real command line, over real HTTP; what counts is what the bank's own books say.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..cli.command import TIMEOUT_SECONDS, Storno
from ..docs.running import ROOT, Page
from ..oracle import assert_views_agree
from .bank import Bank
from .following import no_postgres

EXAMPLE = Path("examples/payments-api")
RUN = "payouts/2026-01"
MANY = 40
FAULTS = ("--faults", "88")  # with these every fault happens, to payments and to refunds
FEW = 7

LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.db", "*.db-*", "*.csv", "service.url")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example, as in a checkout."""
    return Path(shutil.copytree(ROOT / EXAMPLE, tmp_path / "example", ignore=LEFT_BEHIND))


@pytest.fixture
def bank(folder: Path) -> Iterator[Bank]:
    bank = Bank(folder)
    yield bank
    bank.kill()


def made_up(folder: Path, payments: int) -> list[str]:
    """Write January's file; gives its keys."""
    words = [sys.executable, "make_payments.py", "2026-01", str(payments)]
    made = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
    (folder / "payments-2026-01.csv").write_text(made)
    keys = [line.split(",")[0] for line in made.splitlines()[1:]]
    assert len(keys) == payments
    return keys


def killed(storno: Storno, words: tuple[str, ...], moment: Callable[[], None]) -> None:
    """Start a command, and kill it when the moment has come."""
    process = storno.start(*words)
    moment()
    process.kill()
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == -signal.SIGKILL


def finished(storno: Storno, words: tuple[str, ...], moment: Callable[[], None]) -> None:
    """Start a command, do something in the middle of it, and see it end well."""
    process = storno.start(*words)
    moment()
    _, said = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, said


def approved(storno: Storno) -> str:
    """A reversal of the whole run, which one person asked for and another agreed to."""
    storno("reverse", "plan", RUN, "--out", "plan.json")
    reason = ("--reason-code", "wrong-file", "--reason", "last year's file")
    name = storno.json("reverse", "submit", "plan.json", *reason, "--actor", "olivia")["reversal"]
    storno("reverse", "approve", name, "--actor", "carol")
    return str(name)


def balances(storno: Storno) -> set[str]:
    return {each["balance"] for each in storno.json("ledger", "trial-balance")["accounts"]}


def events(storno: Storno, key: str) -> list[str]:
    return [each["event"] for each in storno.json("audit", "trail", "payouts", key)["events"]]


def test_each_payment_is_made_once_and_refunded_once(
    folder: Path, bank: Bank, store_url: str
) -> None:
    """Issue 3: it fails at random, times out after having done the work, and is restarted; the
    run and its reversal are killed in the middle."""
    storno = Storno(folder, {"STORNO_STORE": store_url})
    keys = made_up(folder, MANY)
    storno("db", "init")
    bank.open(*FAULTS)

    def restarted(path: str, requests: int) -> None:
        bank.until(path, requests)
        bank.kill()
        bank.open(*FAULTS)

    pay = ("run", "payouts", "--param", "month=2026-01")
    killed(storno, pay, lambda: bank.until("/payments", MANY // 3))
    finished(storno, pay, lambda: restarted("/payments", MANY * 2 // 3))
    paid = storno.json("show", RUN)
    assert (paid["state"], paid["attempt"], paid["succeeded"]) == ("completed", 2, MANY)

    name = approved(storno)
    execute = ("reverse", "execute", name, "--yes")
    killed(storno, execute, lambda: bank.until("/refunds", MANY // 3))
    finished(storno, execute, lambda: restarted("/refunds", MANY * 2 // 3))
    storno(*execute)  # once more changes nothing

    assert bank.ask("SELECT number FROM payments ORDER BY number") == [(key,) for key in keys]
    payments = bank.ask("SELECT receipt FROM payments ORDER BY receipt")
    assert bank.ask("SELECT payment FROM refunds ORDER BY payment") == payments
    assert_it_was_hard(bank)
    assert storno.json("show", RUN)["state"] == "reversed"
    taken_back = storno.json("reverse", "show", name)
    assert (taken_back["state"], taken_back["reversed"]) == ("completed", MANY)
    assert [each["event"] for each in taken_back["events"]][2:] == [
        "ReversalStarted", "ReversalStarted", "ReversalCompleted"
    ]  # fmt: skip
    assert balances(storno) == {"0.00"}
    assert events(storno, keys[0]) == ["RecordAttempted", "RecordSucceeded", "RecordReversed"]
    assert_views_agree(store_url)


def assert_it_was_hard(bank: Bank) -> None:
    """Every fault happened, to payments and to refunds, and so work was asked for twice."""
    for path in ("/payments", "/refunds"):
        faults = bank.ask(f"SELECT DISTINCT fate FROM requests WHERE path = '{path}'")
        assert {fault for (fault,) in faults} == {"500", "429", "hang", "cut", "ok"}
        again = (
            "SELECT count(*) FROM requests AS first JOIN requests AS second USING (key) "
            "WHERE first.fate IN ('hang', 'cut') AND second.number > first.number "
            f"AND first.path = '{path}'"
        )
        assert bank.ask(again)[0][0] > 0


def test_a_refund_that_is_refused_waits_until_it_is_made(folder: Path, bank: Bank) -> None:
    """accounting-rules, 12: a handler that fails is set aside; the reversal is complete only when
    each one is resolved."""
    storno = Storno(folder, {})
    keys = made_up(folder, FEW)
    storno("db", "init")
    bank.open("--no-refunds")
    storno("run", "payouts", "--param", "month=2026-01")
    name = approved(storno)

    refused = storno.json("reverse", "execute", name, "--yes", code=3)

    assert (refused["state"], refused["reversed"], refused["failed"]) == ("stopped", 0, FEW)
    assert bank.ask("SELECT count(*) FROM refunds") == [(0,)]
    waiting = storno.json("reverse", "show", name)["set_aside"]
    assert {(each["key"], each["error"]) for each in waiting} == {
        (key, "RefusedError") for key in keys
    }
    assert "refunds are not made today" in storno("reverse", "show", name).stdout
    assert "0.00" not in balances(storno)
    bank.kill()
    bank.open()

    made = storno.json("reverse", "execute", name, "--yes")

    assert (made["state"], made["reversed"], made["failed"]) == ("completed", FEW, 0)
    assert bank.ask("SELECT count(*), count(DISTINCT payment) FROM refunds") == [(FEW, FEW)]
    assert balances(storno) == {"0.00"}
    assert storno.json("reverse", "show", name)["set_aside"] == []
    assert_views_agree(f"sqlite:///{folder / 'storno.db'}")


def test_what_was_refunded_can_be_paid_and_refunded_anew(folder: Path, bank: Bank) -> None:
    """details.md, Runs: after a reversal the run can be run again. The bank must not take the
    second payment for a repetition of the first, nor the second refund."""
    storno = Storno(folder, {})
    keys = made_up(folder, FEW)
    storno("db", "init")
    bank.open()
    run = ("run", "payouts", "--param", "month=2026-01")
    storno(*run)
    storno("reverse", "execute", approved(storno), "--yes")

    again = storno.json(*run, "--again", "--reason", "it was the right file after all")

    assert (again["state"], again["succeeded"]) == ("completed", FEW)
    assert sorted(bank.ask("SELECT number FROM payments")) == sorted(2 * [(key,) for key in keys])
    assert bank.ask("SELECT count(*) FROM refunds") == [(FEW,)]

    storno("reverse", "execute", approved(storno), "--yes")

    assert bank.ask("SELECT count(DISTINCT payment) FROM refunds") == [(2 * FEW,)]
    assert balances(storno) == {"0.00"}
    assert events(storno, keys[0]) == 2 * ["RecordAttempted", "RecordSucceeded", "RecordReversed"]
    assert_views_agree(f"sqlite:///{folder / 'storno.db'}")


def test_the_readme_tells_the_truth(tmp_path: Path) -> None:
    shutil.copytree(ROOT / EXAMPLE, tmp_path / "checkout" / EXAMPLE, ignore=LEFT_BEHIND)

    with Page(str(EXAMPLE / "README.md"), tmp_path / "checkout", no_postgres) as page:
        page.run((ROOT / EXAMPLE / "README.md").read_text())
