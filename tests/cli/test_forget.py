"""Personal data on the command line: shown to who has the keys, erased once it is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from storno import init_store

from .command import Storno

JOBS = """
import datetime as dt
from decimal import Decimal
from typing import Annotated
from storno import Entry, Parameters, Personal, Record, credit, debit, iterable, job

class Month(Parameters):
    month: str

class Bill(Record):
    number: str
    person: str
    amount: Decimal
    name: Annotated[str, Personal(subject="person")]

ROWS = [
    {"number": f"B{n}", "person": str(n), "amount": f"{n + 1}.00", "name": f"Grace Hopper {n}"}
    for n in range(3)
] + [{"number": "B9", "person": "1", "amount": "x", "name": "Grace Hopper 1"}]

@job(key="number", source=iterable(ROWS), parameters=Month)
def bills(bill: Bill) -> Entry:
    return Entry(
        [debit("expense", bill.amount, "EUR"), credit("creditors", bill.amount, "EUR")],
        effective=dt.date(2026, 1, 15),
        text=f"bill of {bill.name}",
    )
"""
VAULT = """
from storno import SubjectKey
import secrets

class Vault:
    keys = {}

    def find(self, subjects):
        return {each: self.keys[each] for each in subjects if each in self.keys}

    def make(self, subjects):
        for each in subjects:
            key = SubjectKey(secrets.token_urlsafe(16), secrets.token_bytes(64))
            self.keys.setdefault(each, key)
        return self.find(subjects)

    def read(self, handles):
        return {key.handle: key.secret for key in self.keys.values() if key.handle in handles}

    def destroy(self, handle):
        pass

    def close(self):
        print("the vault was asked")
"""
RUN = ("run", "bills", "--param", "month=1")
FORGET = ("forget", "person=1", "--reason", "a letter")


def make(storno: Storno, url: str, settings: str = "") -> Storno:
    (storno.folder / "storno.toml").write_text(f'jobs = ["jobs.py"]\n{settings}')
    (storno.folder / "jobs.py").write_text(JOBS)
    init_store(url)
    return Storno(storno.folder, {"STORNO_STORE": url})


@pytest.fixture
def billed(storno: Storno, store_url: str) -> Storno:
    """A project whose run is through: three bills, and a dead letter."""
    project = make(storno, store_url)
    project(*RUN, code=3)
    return project


SHOWING = (
    ("audit", "trail", "bills", "B1"),
    ("dead-letters", "show", "bills", "B9"),
    ("ledger", "entry", "bills", "B1"),
    ("ledger", "account", "expense"),
)
OF_OTHERS = ("audit", "trail", "bills", "B2")


def test_who_is_forgotten_is_erased_wherever_records_are_shown(billed: Storno) -> None:
    for words in SHOWING:
        assert "Grace Hopper 1" in billed(*words).stdout, words
    listed = ("dead-letters", "list", "--json")
    failed = ("show", "last", "--failed", "--json")
    books = billed("ledger", "trial-balance").stdout

    done = billed(*FORGET, "--yes", "--actor", "carl", "--json").document

    assert done["forgotten"]
    assert done["subject"] == "person=1"
    for words in (*SHOWING, (*SHOWING[0], "--json")):
        told = billed(*words).stdout
        assert "Hopper 1" not in told, words
        assert "[erased]" in told, words
        assert "~sealed" not in told, words
    assert billed(*listed).document[0]["payload"]["name"] == "[erased]"
    assert billed(*failed).document["dead_letters"][0]["payload"]["name"] == "[erased]"
    assert "Grace Hopper 2" in billed(*OF_OTHERS).stdout
    assert billed("ledger", "trial-balance").stdout == books
    billed("views", "check")


ENTRIES = ("audit", "find", "by-actor", "--entries", "--json")
EXPORTS = tuple(("ledger", "export", "--format", form) for form in ("beancount", "hledger", "csv"))
PAGE = ("audit", "report", "last", "--out", "page.html")


def test_what_leaves_the_house_names_nobody(billed: Storno) -> None:
    assert "bill of Grace Hopper 1" in billed(*ENTRIES).stdout

    for words in EXPORTS:
        told = billed(*words).stdout
        assert "Hopper" not in told, words
        assert "~sealed" not in told, words
        assert told.count("[sealed]") >= 3, words
    billed(*PAGE)
    page = (billed.folder / "page.html").read_text()
    assert "B9" in page
    assert "Hopper" not in page

    billed(*FORGET, "--yes")

    assert "[erased]" in billed(*EXPORTS[0]).stdout
    assert "Hopper 1" not in billed(*ENTRIES).stdout


def test_a_dead_letter_of_somebody_forgotten_is_refused_edited_and_posted(billed: Storno) -> None:
    billed(*FORGET, "--yes")

    edit = ("dead-letters", "edit", "bills", "B9", "--reason", "on paper", "--set", "amount=4.00")
    assert "its name cannot be read" in billed(*edit, code=2).stderr
    told = billed(*edit, "--set", "name=G. H.").stdout
    assert "[erased]" in told
    billed("dead-letters", "retry", "bills", "B9")
    assert "G. H." in billed("audit", "trail", "bills", "B9").stdout


def test_a_letter_that_cannot_be_read_is_not_retried(billed: Storno) -> None:
    billed(*FORGET, "--yes")

    told = billed("dead-letters", "retry", "bills", "B9", code=3)

    assert "cannot be read" in told.stdout


def test_the_run_is_taken_back_after_all(billed: Storno) -> None:
    billed(*FORGET, "--yes")

    submitted = billed.json(
        "reverse", "submit", "last", "--reason-code", "other", "--reason", "all wrong"
    )
    billed("reverse", "execute", submitted["reversal"], "--yes")

    assert billed.json("ledger", "trial-balance")["totals"] in ([], [
        {"currency": "EUR", "debit": "12.00", "credit": "12.00"}
    ])  # fmt: skip


def test_forgetting_asks_first_and_can_be_tried_out(billed: Storno) -> None:
    assert "--yes" in billed(*FORGET, code=2).stderr
    tried = billed(*FORGET, "--dry-run")
    assert "Would forget person=1" in tried.stderr
    assert "reason" in billed("forget", "person=1", "--reason", " ", code=2).stderr
    assert "Grace Hopper 1" in billed(*SHOWING[0]).stdout

    assert "Forgot person=1" in billed("forget", "1", "--reason", "a letter", "--yes").stderr
    assert "nobody is known as '1'" in billed("forget", "1", "--reason", "a", code=6).stderr


def test_forgetting_is_an_act_of_approvers(storno: Storno, sqlite_url: str) -> None:
    project = make(storno, sqlite_url, '[roles]\noperator = ["ann"]\napprover = ["carl"]\n')
    project(*RUN, "--actor", "ann", code=3)

    refused = project(*FORGET, "--yes", "--actor", "ann", code=4)

    assert "needs the role approver" in refused.stderr
    assert "person=1" not in refused.stderr, "whom somebody tried to forget is not recorded"
    project(*FORGET, "--yes", "--actor", "carl")


def test_keys_are_where_the_settings_say(storno: Storno, sqlite_url: str) -> None:
    project = make(storno, sqlite_url, '[personal]\nkeys = "sqlite:///safe/keys.db"\n')
    (storno.folder / "safe").mkdir()

    project(*RUN, code=3)

    assert (storno.folder / "safe" / "keys.db").stat().st_mode & 0o777 == 0o600
    assert re.search(r"personal\.keys +sqlite:///.*/safe/keys\.db", project("doctor").stdout)
    assert not Path(sqlite_url.removeprefix("sqlite:///") + ".keys").exists()
    (storno.folder / "safe" / "keys.db").rename(storno.folder / "safe" / "elsewhere.db")
    assert "[sealed]" in project(*SHOWING[0]).stdout, "a key that is only missing erases nothing"


def test_who_may_not_read_the_keys_is_shown_the_rest(storno: Storno, sqlite_url: str) -> None:
    project = make(storno, sqlite_url)
    project(*RUN, code=3)
    Path(sqlite_url.removeprefix("sqlite:///") + ".keys").chmod(0o640)

    told = project(*SHOWING[0])

    assert "[sealed]" in told.stdout
    assert "Personal fields are not shown" in told.stderr
    assert "chmod 600" in project("run", "bills", "--param", "month=2", code=1).stderr


def test_a_vault_of_your_own_is_named_by_module_and_attribute(
    storno: Storno, sqlite_url: str
) -> None:
    (storno.folder / "vaults.py").write_text(VAULT)
    project = make(storno, sqlite_url, '[personal]\nkeys = "vaults:Vault"\n')

    assert "the vault was asked" in project(*RUN, code=3).stdout
    (storno.folder / "storno.toml").write_text('[personal]\nkeys = "vaults:SubjectKey"\n')
    assert "SubjectKey" in project("runs", code=2).stderr
    (storno.folder / "storno.toml").write_text('[personal]\nkeys = "keys.db"\n')
    assert "neither a URL" in project("runs", code=2).stderr
