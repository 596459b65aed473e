"""Who acts, and who may: the real command line against a store that several people use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from storno import Store, init_store
from storno.cli.main import application
from storno.cli.options import Acting
from storno.domain.access import NEEDS, AccessRefused
from storno.domain.codec import decode
from storno.domain.events import RunAbandoned, RunResumed, RunStarted
from storno.storage.engine import writer

from ..oracle import assert_views_agree
from .command import Ran, Storno

if TYPE_CHECKING:
    from cyclopts import App

SETTINGS = """
jobs = ["jobs.py"]

[roles]
operator = ["ann", "Zo\u00eb Müller"]
approver = ["carl"]
auditor = ["dora"]
"""
JOB = """
import datetime as dt
from storno import Entry, Parameters, Record, credit, debit, iterable, job

class Month(Parameters):
    month: str

class Payment(Record):
    number: str

@job(key="number", source=iterable([{"number": f"P{n}"} for n in range(4)]), parameters=Month)
def payments(payment: Payment) -> Entry:
    return Entry([debit("a", 1, "EUR"), credit("b", 1, "EUR")], effective=dt.date(2026, 1, 31))
"""
RUN = ("run", "payments", "--param", "month=1")


def make(storno: Storno, store: str) -> Storno:
    """A project with roles, its store made and empty."""
    (storno.folder / "storno.toml").write_text(SETTINGS)
    (storno.folder / "jobs.py").write_text(JOB)
    given = Storno(storno.folder, {"STORNO_STORE": store})
    init_store(store)
    return given


@pytest.fixture
def project(storno: Storno, store_url: str) -> Storno:
    """A project with roles, on each database."""
    return make(storno, store_url)


@pytest.fixture
def local(storno: Storno, sqlite_url: str) -> Storno:
    """A project with roles on SQLite."""
    return make(storno, sqlite_url)


def events(url: str) -> Iterator[Any]:
    """All that the store holds, in order."""
    store = Store.open(url)
    try:
        rows = store.log.read_log(limit=10_000)
    finally:
        store.close()
    yield from (decode(row.topic, row.state) for row in rows)


def refusals(url: str) -> list[tuple[str, str, str, str]]:
    """Actor, act, role and object of what was refused, in order."""
    return [
        (each.actor.name, each.act, each.needs, each.about)
        for each in events(url)
        if isinstance(each, AccessRefused)
    ]


def test_an_act_without_the_role_is_refused_and_recorded(project: Storno, store_url: str) -> None:
    told = project(*RUN, "--actor", "dora", code=4)

    assert told.stdout == ""
    assert "dora may not do 'run' on payments/1: it needs the role operator" in told.stderr
    assert "gives to Zo\u00eb Müller, ann" in told.stderr
    assert "That it was tried is recorded." in told.stderr
    assert refusals(store_url) == [("dora", "run", "operator", "payments/1")]
    (refused,) = events(store_url)
    assert refused.actor.os_user
    assert refused.actor.host
    assert_views_agree(store_url)


def test_an_act_with_the_role_is_done_in_its_name(local: Storno, sqlite_url: str) -> None:
    local(*RUN, "--limit", "2", "--actor", "ann")
    local("resume", "payments/1", "--limit", "1", "--actor", "Zoe\u0308 Müller")
    local("abandon", "payments/1", "--reason", "enough", "--yes", STORNO_ACTOR="ann")

    acts = [e for e in events(sqlite_url) if isinstance(e, RunStarted | RunResumed | RunAbandoned)]
    assert [each.actor.name for each in acts] == ["ann", "Zo\u00eb Müller", "ann"]
    assert refusals(sqlite_url) == []


Words = tuple[str, ...]


ACTS: tuple[tuple[Words, str, str], ...] = (
    (("resume", "last"), "resume", "payments/1"),
    (("stop", "last", "--reason", "r"), "stop", "payments/1"),
    (("abandon", "last", "--reason", "r", "--yes"), "abandon", "payments/1"),
    ((*RUN, "--again", "--reason", "r"), "run", "payments/1"),
    (("run", "payments", "--param", "month=a/b"), "run", "payments/a%2Fb"),
    (("views", "rebuild"), "views rebuild", ""),
    (("db", "migrate"), "db migrate", ""),
)


def test_each_act_needs_the_operator_and_nothing_of_it_is_done(
    local: Storno, sqlite_url: str
) -> None:
    local(*RUN, "--limit", "2", "--actor", "ann")
    before = list(events(sqlite_url))

    for words, _, _ in ACTS:
        local(*words, "--actor", "carl", code=4)

    added = list(events(sqlite_url))[len(before) :]
    assert {type(each) for each in added} == {AccessRefused}
    assert refusals(sqlite_url) == [("carl", act, "operator", about) for _, act, about in ACTS]
    local("views", "rebuild", "--actor", "ann")
    local("db", "migrate", "--actor", "ann")


def test_reading_and_dry_runs_need_nothing_and_write_nothing(
    local: Storno, sqlite_url: str
) -> None:
    local(*RUN, "--actor", "ann")
    before = list(events(sqlite_url))

    local("run", "payments", "--param", "month=2", "--dry-run", "--actor", "dora")
    for words in (("show", "last"), ("ledger", "trial-balance"), ("views", "check")):
        local(*words, STORNO_ACTOR="dora")

    assert list(events(sqlite_url)) == before


def make_it_unwritable(url: str) -> None:
    store = Store.open(url)
    try:
        with writer(store.engine).begin() as connection:
            if store.dialect == "sqlite":
                connection.exec_driver_sql(
                    "CREATE TRIGGER full BEFORE INSERT ON commits "
                    "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
                )
            else:
                name = sa.make_url(url).database
                connection.exec_driver_sql(
                    f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
                )
    finally:
        store.close()


def test_a_store_that_cannot_be_written_lets_nobody_through(
    project: Storno, store_url: str
) -> None:
    make_it_unwritable(store_url)

    told = project(*RUN, "--actor", "dora", code=4)

    assert "That it was tried could not be recorded: " in told.stderr
    assert list(events(store_url)) == []


def test_a_store_that_is_not_there_lets_nobody_through(storno: Storno) -> None:
    (storno.folder / "storno.toml").write_text(SETTINGS)
    (storno.folder / "jobs.py").write_text(JOB)

    for words in (RUN, ("db", "migrate"), ("views", "rebuild")):
        told = storno(*words, "--actor", "dora", code=4)
        assert "could not be recorded: " in told.stderr
        assert "storno db init" in told.stderr
    assert not (storno.folder / "storno.db").exists()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (RUN, ""),
        ((*RUN, "--dry-run"), "  "),
        (("resume", "last"), "ann\x07"),
        (("stop", "last", "--reason", "r"), "\x1b[31mann"),
        (("abandon", "last", "--reason", "r", "--yes"), "x" * 201),
        (("views", "rebuild"), "an\nn"),
        (("db", "migrate"), "ann\u202e"),
    ],
    ids=["run", "run --dry-run", "resume", "stop", "abandon", "views rebuild", "db migrate"],
)
def test_an_actor_without_a_name_is_refused(ran: Storno, words: Words, name: str) -> None:
    if words[0] == "run":
        words = ("run", "payments", "--param", "month=2026-01", *words[4:])

    told = ran(*words, "--actor", name, code=2)

    assert "is no name of an actor" in told.stderr
    assert "--actor NAME" in told.stderr


def test_an_actor_of_the_environment_without_a_name_is_refused(ran: Storno) -> None:
    told = ran("stop", "last", "--reason", "r", code=2, STORNO_ACTOR=" \t")

    assert "by STORNO_ACTOR" in told.stderr


def leaves(app: App, name: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every command with its whole name."""
    for word in app:
        if not word.startswith("-"):
            below = app[word]
            whole = f"{name} {word}".strip()
            if below.default_command is not None:
                yield whole, below.default_command
            yield from leaves(below, whole)


def test_every_act_is_a_command_that_takes_an_actor() -> None:
    """cli.md: every command that acts takes --actor; and none acts without a role it may need."""
    acting = {
        name: any(
            isinstance(parameter.default, Acting)
            for parameter in inspect.signature(function).parameters.values()
        )
        for name, function in leaves(application())
    }

    assert {name for name in NEEDS if name in acting and not acting[name]} == set()
    assert {name for name, takes in acting.items() if takes} <= set(NEEDS)
    assert acting["run"]
    assert acting["views rebuild"]


def test_doctor_says_who_may_do_what(storno: Storno) -> None:
    (storno.folder / "storno.toml").write_text(SETTINGS)
    storno("db", "init")
    (storno.folder / "jobs.py").write_text(JOB)

    told: Ran = storno("doctor")

    settings = " ".join(told.stdout.split())
    assert "roles.operator Zo\u00eb Müller, ann (storno.toml)" in settings
    assert "reversals.approvals 0 (default)" in settings


POLICIES = """
from storno import Effect, Record, ReversalPolicy, iterable, job

class Payment(Record):
    number: str

@job(
    key="number", source=iterable([]), effect=True, on_failure="reverse",
    reversals=ReversalPolicy(form="red", reasons=("recalled",)),
)
def transfers(payment: Payment) -> Effect: ...

@transfers.compensate
def recall(payment: Payment, output: object) -> None: ...

@job(key="number", source=iterable([]), effect=True, irreversible="a letter is sent")
def letters(payment: Payment) -> Effect: ...
"""


def test_jobs_show_says_how_a_job_is_taken_back(storno: Storno) -> None:
    (storno.folder / "storno.toml").write_text(
        'jobs = ["jobs.py"]\n[reversals]\napprovals = 1\nabove = { EUR = "1E4" }\n'
    )
    (storno.folder / "jobs.py").write_text(POLICIES)

    transfers = storno.json("jobs", "show", "transfers")
    letters = storno.json("jobs", "show", "letters")

    assert transfers["compensation"] == "recall"
    assert (transfers["on_failure"], transfers["on_failure_approved"]) == ("reverse", False)
    assert transfers["reversals"] == {
        "approvals": 1,
        "above": {"EUR": "10000"},
        "reasons": ["recalled"],
        "form": "red",
        "year_begins": 1,
    }
    assert (letters["compensation"], letters["irreversible"]) == (None, "a letter is sent")
    page = storno("jobs", "show", "transfers").stdout
    assert "reversals.above" in page
    assert "EUR: 10000" in page


def test_a_job_that_says_nothing_of_its_effect_is_refused(storno: Storno) -> None:
    (storno.folder / "storno.toml").write_text('jobs = ["jobs.py"]')
    (storno.folder / "jobs.py").write_text(POLICIES.replace("@transfers.compensate", ""))
    storno("db", "init")

    listed = storno("jobs", "list", code=1)
    refused = storno("run", "transfers", code=2)

    assert "letters" in listed.stdout
    assert "jobs.py: job transfers has an effect" in listed.stderr
    for way_out in ("@transfers.compensate", 'irreversible="why"'):
        assert way_out in listed.stderr
        assert way_out in refused.stderr
    assert "job transfers has an effect" in storno("doctor", code=1).stdout
