"""Accounting periods: postings into closed ones, and what closing one looks at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from storno import (
    Chart,
    abandon_run,
)
from storno.domain.errors import (
    DefinitionError,
    NotAllowedError,
    NotFoundError,
    UsageError,
)
from storno.domain.events import Counts, RecordSucceeded
from storno.domain.ids import RunId
from storno.domain.period import Period, PeriodClosed, balance_digest
from storno.execution.periods import close_period, look_at_period
from storno.storage import queries

from .closing import (
    FEBRUARY,
    JANUARY,
    MARCH,
    check_closed,
    close,
    dated,
    digest_of,
    posting_days,
    reopen,
)
from .lab import ACTOR, Lab, Payment, Watcher, ordinal_of, paying, payments

# A job over closed months.


def test_a_record_of_a_closed_month_is_a_dead_letter(lab: Lab) -> None:
    close(lab)

    result = lab.run(paying(dated(payments(6), JANUARY, FEBRUARY)))

    assert (result.state, result.counts) == ("completed", Counts(read=6, succeeded=3, failed=3))
    assert lab.failures() == dict.fromkeys((0, 2, 4), "period-closed")
    letter = lab.view("dead_letters")[0]
    assert "2026-01 of book main" in letter["message"]
    assert "storno periods reopen" in letter["message"]
    assert set(posting_days(lab).values()) == {FEBRUARY}
    check_closed(lab)


def test_or_it_moves_to_the_next_open_month(lab: Lab) -> None:
    close(lab)
    close(lab, "2026-02")

    result = lab.run(
        paying(dated(payments(3), JANUARY, FEBRUARY, MARCH), closed_period="next-open")
    )

    assert result.counts == Counts(read=3, succeeded=3)
    first = dt.date(2026, 3, 1)
    assert posting_days(lab) == {0: first, 1: first, 2: MARCH}
    effective = [entry.effective for e in lab.events(RecordSucceeded) for entry in e.entries]
    assert effective == [JANUARY, FEBRUARY, MARCH]
    check_closed(lab)


def test_a_month_is_closed_in_one_book(lab: Lab) -> None:
    close(lab, book="tax")

    assert lab.run(paying(payments(3))).counts.succeeded == 3
    assert lab.run(paying(payments(3, 10), book="tax", name="taxes")).counts.failed == 3


def test_an_unknown_rule_is_refused_where_the_job_is_defined() -> None:
    with pytest.raises(DefinitionError, match=r"closed_period='move' is none of refuse, next-open"):
        paying([], closed_period="move")


def test_a_dry_run_knows_closed_months(lab: Lab) -> None:
    close(lab)

    assert lab.run(paying(payments(3)), dry_run=True).counts == Counts(read=3, failed=3)


def test_reopened_it_takes_what_was_refused(lab: Lab) -> None:
    close(lab)
    lab.run(paying(payments(3)))
    reopen(lab)

    result = lab.run(paying(payments(3)), again=True, reason="January is open again")

    assert result.counts == Counts(read=3, succeeded=3)
    (row,) = lab.view("periods")
    assert (row["state"], row["digest"], row["reason"]) == ("open", None, "late invoice")
    with pytest.raises(NotAllowedError, match="is open"):
        reopen(lab)
    close(lab)
    check_closed(lab)


# What closing one looks at.


def test_a_close_records_who_why_and_the_digest(lab: Lab) -> None:
    lab.run(paying(dated(payments(6), JANUARY, FEBRUARY)))

    close(lab, reason="January is filed")

    (event,) = lab.events(PeriodClosed)
    assert (event.actor, event.reason, event.forced) == (ACTOR, "January is filed", "")
    assert event.digest == digest_of(lab) != digest_of(lab, "2026-02")
    assert not close_period(lab.store, "main", "2026-01", ACTOR).changed
    assert len(lab.events(PeriodClosed)) == 1


def stop(lab: Lab) -> str:
    lab.run(paying(payments(6), chunk_size=2), limit=2)
    return "run payments/once is stopped"


def fail(lab: Lab) -> str:
    def refuse(payment: Payment) -> None:
        if ordinal_of(payment) == 3:
            raise ValueError

    lab.run(paying(payments(6), refuse, chunk_size=2, fatal=(ValueError,)))
    return "run payments/once is failed"


@pytest.mark.parametrize("end", [stop, fail])
def test_an_unfinished_run_stands_in_the_way(lab: Lab, end: Callable[[Lab], str]) -> None:
    message = end(lab)

    with pytest.raises(NotAllowedError, match=message):
        close(lab)
    assert look_at_period(lab.store, "main", "2026-01").obstacles
    close(lab, "2026-02")  # it posted nothing there
    assert not look_at_period(lab.store, "tax", "2026-01").obstacles

    abandon_run(lab.store, RunId("payments", "once"), ACTOR, "given up")
    close(lab)
    check_closed(lab)


def test_a_run_at_work_stands_in_the_way(lab: Lab) -> None:
    refused: list[str] = []

    def try_to_close(counts: Counts) -> None:
        if counts.read == 6:
            return  # the run is at its end
        with pytest.raises(NotAllowedError) as error:
            close(lab)
        refused.append(str(error.value))

    lab.run(paying(payments(6), chunk_size=3), watcher=Watcher(on_commit=try_to_close))

    assert "run payments/once is running" in refused[0]
    assert not lab.events(PeriodClosed)
    close(lab)


def test_dead_letters_stand_in_the_way_of_the_months_that_their_run_posted_into(lab: Lab) -> None:
    rows = dated(payments(4), JANUARY, FEBRUARY)
    rows[3] |= {"amount": "nothing"}
    lab.run(paying(rows))

    with pytest.raises(NotAllowedError, match="run payments/once has 1 unresolved dead letter"):
        close(lab)
    with pytest.raises(NotAllowedError, match="1 unresolved dead letter"):
        close(lab, "2026-02")
    close(lab, "2025-12")

    rows[3] |= {"amount": "3"}
    lab.run(paying(rows), again=True, reason="corrected")
    close(lab)
    check_closed(lab)


def test_forced_it_is_recorded_what_stood_in_the_way(lab: Lab) -> None:
    rows = payments(3)
    rows[1] |= {"amount": "nothing"}
    lab.run(paying(rows))
    with pytest.raises(UsageError, match="--reason"):
        close(lab, forced=True)

    close(lab, forced=True, reason="the filing is due")

    (row,) = lab.view("periods")
    assert row["forced"] == "run payments/once has 1 unresolved dead letter"
    assert row["reason"] == "the filing is due"
    check_closed(lab)


@pytest.mark.parametrize("book", ["mian", "", "\x1b"])
def test_a_book_that_cannot_be_is_refused(lab: Lab, book: str) -> None:
    chart = Chart(books=("main", "tax"))
    with pytest.raises((NotFoundError, UsageError)) as error:
        close_period(lab.store, book, "2026-01", ACTOR, chart=chart)

    assert ("Did you mean 'main'?" in str(error.value)) is (book == "mian")
    with pytest.raises(UsageError, match="too long"):
        close_period(lab.store, "x" * 2_000, "2026-01", ACTOR)


@pytest.mark.parametrize("book", ["~a/50%", "Bücher '\"", "\U0001f4b6"])
def test_a_book_may_have_any_printable_name(lab: Lab, book: str) -> None:
    lab.run(paying(payments(2), book=book))
    close(lab, book=book)

    result = lab.run(paying(payments(2, 10), book=book, name="more"))

    assert result.counts == Counts(read=2, failed=2)
    assert [row.book for row in queries.periods(lab.store, book=book)] == [book]
    check_closed(lab)


def test_months_before_it_that_are_open_are_known(lab: Lab) -> None:
    lab.run(paying(dated(payments(6), JANUARY, FEBRUARY, MARCH)))
    march = Period.parse("main", "2026-03")
    assert queries.earlier_open_months(lab.store, march) == ["2026-01", "2026-02"]

    close(lab)

    assert queries.earlier_open_months(lab.store, march) == ["2026-02"]
    assert not queries.earlier_open_months(lab.store, Period.parse("tax", "2026-03"))


def test_a_digest_holds_as_long_as_the_months_before_it_are_closed(lab: Lab) -> None:
    """It is of a balance, so that what is posted into an earlier month is seen in it."""
    close(lab, "2026-02")
    (row,) = queries.periods(lab.store)

    lab.run(paying(payments(3)))

    assert row.digest == balance_digest([])
    assert look_at_period(lab.store, "main", "2026-02").digest == digest_of(lab) != row.digest
