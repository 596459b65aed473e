"""What auditors ask, on every database: each finding is planted, and near misses are not found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import pytest

from storno.domain.errors import StoreError
from storno.storage.migrate import init
from storno.storage.queries import scan
from storno.storage.queries.acts import acts
from storno.storage.queries.after_closing import after_closing
from storno.storage.queries.entries import (
    Chosen,
    PostedRecord,
    entries_without_text,
    posted_records,
    reposted,
    round_amounts,
)
from storno.storage.queries.limits import requested_reversals
from storno.storage.queries.scan import Span, recorded_between
from storno.storage.store import Store

from .planted import Planted, entry
from .writing import append

JANUARY, FEBRUARY, PAY = "rents/2026-01", "rents/2026-02", "pay/2026-01"


def planted() -> Planted:
    """One history for all questions; each test says what it finds in it, and what it must not."""
    history = Planted()
    history.start(JANUARY, "ada")
    history.chunk(
        JANUARY,
        {
            "A1": entry(100_000, "2026-01-10"),  # 1,000.00: round
            "A2": entry(100_001, "2026-01-10"),  # a cent more
            "A3": entry(10_000, "2026-01-31"),  # 100.00: round for a smaller multiple only
            "A4": entry(5_000, "2026-01-12", currency="JPY", exponent=0),  # 5,000 yen
            "A5": entry(1_000_000, "2026-01-12", currency="BHD", exponent=3),  # 1,000.000
            "A6": entry(999, "2026-01-12", text="..."),
            "A7": entry(998, "2026-01-12", text=""),  # a text is nobody's duty, and asked for apart
        },
    )
    history.start(PAY, "ben")
    history.chunk(PAY, {"A1": entry(250_000, "2026-01-31"), "B2": "no amount", "B3": "no date"})
    history.correct(PAY, "B2", "eva", "amount from the contract")
    history.chunk(PAY, {"B2": entry(777, "2026-01-31")}, retried_by="eva")
    history.discard(PAY, "B3", "eva", " - ")
    history.close("2026-01", "cleo", "January is filed")
    history.close("2026-03", "cleo", forced="a run that failed")
    history.start(FEBRUARY, "ada")
    history.chunk(
        FEBRUARY,
        {
            "C1": entry(500, "2026-01-20", "2026-02-01"),  # moved by January's close
            "C2": entry(500, "2026-02-01"),  # its own date
            "C3": entry(500, "2026-01-20", "2026-02-02"),  # a later day, which nothing moves to
            "C4": entry(500, "2026-02-20", "2026-03-01", book="group"),  # closed in another book
            "C5": entry(500, "2026-01-20", "2025-12-31"),  # into a month that never was closed
            "C6": entry(500, "2026-03-31", "2026-04-01"),  # moved by March's
        },
    )
    history.request("R-1", JANUARY, "ada", 100_000)
    history.take_back(
        "R-1", JANUARY, "dan", {"A1": entry(100_000, "2026-01-10", "2026-02-01", red=True)}
    )
    history.request("R-2", FEBRUARY, "ada", 500, approvals=1)
    history.approve("R-2", "cleo")
    history.take_back("R-2", FEBRUARY, "dan", {"C2": entry(500, "2026-02-01", red=True)})
    history.reopen("2026-01", "cleo", "late invoices of the landlord")
    history.start(JANUARY, "ada", again="posted to the wrong house")
    history.chunk(JANUARY, {"A1": entry(120_000, "2026-01-10"), "D1": entry(500, "2026-01-11")})
    history.close("2026-01", "cleo", "x")
    history.request("R-3", PAY, "ben", 300)
    history.reject("R-3", "cleo", "none")
    return history


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    append(store, planted().commits)
    yield store
    store.close()


def everything(store: Store, **chosen: str) -> Chosen:
    return Chosen(recorded_between(store), **chosen)


def names(found: Iterable[PostedRecord]) -> list[str]:
    return [f"{each.job} {each.key}" for each in found]


def done_by(store: Store, actor: str, job: str | None = None) -> list[tuple[str, ...]]:
    return [
        tuple(part for part in (each.act.word, each.about, each.run, each.key) if part)
        for each in acts(store, recorded_between(store), job=job)
        if each.act.actor.name == actor
    ]


def test_all_that_a_person_did_and_nothing_else(store: Store) -> None:
    assert done_by(store, "cleo") == [
        ("period closed", "2026-01 of book main"),
        ("period forced closed", "2026-03 of book main"),
        ("reversal approved", "R-2", FEBRUARY),
        ("period reopened", "2026-01 of book main"),
        ("period closed", "2026-01 of book main"),
        ("reversal rejected", "R-3", PAY),
    ]
    assert done_by(store, "eva") == [
        ("record corrected", PAY, "B2"),
        ("dead letters retried", PAY),
        ("record discarded", PAY, "B3"),
    ]
    assert done_by(store, "ada") == [
        ("run started", JANUARY),
        ("run started", FEBRUARY),
        ("reversal requested", "R-1", JANUARY),
        ("reversal requested", "R-2", FEBRUARY),
        ("run again", JANUARY),
    ]
    assert done_by(store, "dan") == [
        ("reversal executed", "R-1", JANUARY),
        ("reversal executed", "R-2", FEBRUARY),
    ]
    assert done_by(store, "in the record") == []


def test_the_acts_of_a_job_leave_out_those_of_others_and_of_the_books(store: Store) -> None:
    assert done_by(store, "cleo", job="pay") == [("reversal rejected", "R-3", PAY)]
    assert done_by(store, "eva", job="rents") == []
    assert len(done_by(store, "ada", job="rents")) == 5


def test_an_act_says_why_where_it_had_to(store: Store) -> None:
    reasons = {
        each.act.word: each.act.reason for each in acts(store, recorded_between(store), job="pay")
    }
    assert reasons == {
        "run started": None,
        "record corrected": "amount from the contract",
        "dead letters retried": None,
        "record discarded": " - ",
        "reversal requested": "paid twice by the bank",
        "reversal rejected": "none",
    }


def test_what_a_person_posted_or_took_back(store: Store) -> None:
    assert names(posted_records(store, everything(store, actor="eva"))) == ["pay B2"]
    assert names(posted_records(store, everything(store, actor="dan"))) == ["rents A1", "rents C2"]
    assert names(posted_records(store, everything(store, actor="ben"))) == ["pay A1"]
    assert names(posted_records(store, everything(store, actor="ada", run=FEBRUARY))) == [
        f"rents C{number}" for number in range(1, 7)
    ]
    assert names(posted_records(store, everything(store, run="rents/2026-0"))) == []
    again = [
        each.by
        for each in posted_records(store, everything(store, run=JANUARY))
        if each.event.attempt == 2
    ]
    assert [(by.actor, by.reason) for by in again if by] == [
        ("ada", "posted to the wrong house")
    ] * 2


def test_round_amounts_are_those_of_whole_units_whatever_the_decimals(store: Store) -> None:
    found = round_amounts(store, everything(store), 1_000, Decimal(0))
    assert [(each.posted.job, each.posted.key, len(each.lines)) for each in found] == [
        ("rents", "A1", 2),
        ("rents", "A4", 2),
        ("rents", "A5", 2),
    ]
    smaller = round_amounts(store, everything(store, job="rents"), 100, Decimal(100))
    assert names(each.posted for each in smaller) == [
        "rents A1",
        "rents A4",
        "rents A5",
        "rents A1",
    ]
    odd = round_amounts(store, everything(store), 25, Decimal(2_000))
    assert names(each.posted for each in odd) == ["rents A4", "pay A1"]


def test_entries_whose_text_says_nothing(store: Store) -> None:
    assert names(entries_without_text(store, everything(store), 4)) == ["rents A6", "rents A7"]
    assert names(entries_without_text(store, everything(store, job="pay"), 4)) == []


def test_what_a_closed_period_has_to_do_with(store: Store) -> None:
    found = after_closing(store, everything(store))
    assert [
        (each.kind, each.posted.key, str(each.period), each.posted.reversal) for each in found
    ] == [
        ("moved", "C1", "2026-01", None),
        ("moved", "C6", "2026-03", None),
        ("reversed", "A1", "2026-01", "R-1"),
        ("late", "A1", "2026-01", None),
        ("late", "D1", "2026-01", None),
    ]
    assert [each.kind for each in after_closing(store, everything(store, run=JANUARY))] == [
        "reversed",
        "late",
        "late",
    ]
    assert list(after_closing(store, everything(store, job="pay"))) == []


def test_what_was_posted_taken_back_and_posted_again(store: Store) -> None:
    [found] = reposted(store, everything(store))
    assert (found.again.job, found.again.key, found.changed) == ("rents", "A1", True)
    amounts = [part.event.entries[0].lines[0].minor for part in found.parts]
    assert amounts == [100_000, 100_000, 120_000]
    assert [part.by.actor for part in found.parts if part.by] == ["ada", "dan", "ada"]
    assert len([*reposted(store, everything(store, actor="dan"))]) == 1
    for near in ({"actor": "eva"}, {"job": "pay"}, {"run": FEBRUARY}):
        assert list(reposted(store, everything(store, **near))) == []


def test_reversals_say_whether_they_were_rejected(store: Store) -> None:
    found = [(each.reversal, each.stands) for each in requested_reversals(store, Span(0, 10**6))]
    assert found == [("R-1", True), ("R-2", True), ("R-3", False)]


def test_a_span_is_of_what_was_recorded_then(store: Store) -> None:
    commits = store.log.commits()
    third = commits[3]
    span = recorded_between(store, third.recorded_at, commits[-3].recorded_at)
    inside = [c for c in commits if third.recorded_at <= c.recorded_at <= commits[-3].recorded_at]
    assert span == Span(inside[0].first_position - 1, inside[-1].last_position)
    early = recorded_between(store, None, commits[0].recorded_at)
    assert [each.act.word for each in acts(store, early)] == ["run started"]
    assert list(posted_records(store, Chosen(early))) == []
    assert recorded_between(store, 2**60) == Span(
        commits[-1].last_position, commits[-1].last_position
    )


def test_windows_leave_nothing_out_and_find_each_commit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(posted_records(store, everything(store)))
    late = list(after_closing(store, everything(store)))
    monkeypatch.setattr(scan, "WINDOW", 2)
    assert list(posted_records(store, everything(store))) == whole
    assert list(after_closing(store, everything(store))) == late
    by_number = {commit.number: commit for commit in store.log.commits()}
    for each in whole:
        commit = by_number[each.recorded.commit_number]
        assert commit.first_position <= each.recorded.position <= commit.last_position
        assert each.recorded.recorded_at == commit.recorded_at


def test_a_reversal_that_nobody_asked_for_is_a_changed_store(sqlite_url: str) -> None:
    history = Planted()
    history.approve("R-9", "cleo")
    init(sqlite_url)
    store = Store.open(sqlite_url)
    append(store, history.commits)
    with pytest.raises(StoreError, match="nobody asked for reversal R-9"):
        list(acts(store, recorded_between(store)))
    store.close()
