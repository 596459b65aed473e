"""Accounting periods: postings into closed ones, and what closing one looks at (scenario 25b)."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from storno import (
    Chart,
    Context,
    Effect,
    Job,
    Parameters,
    Store,
    abandon_run,
    iterable,
    job,
    run_job,
)
from storno.domain.errors import (
    DefinitionError,
    NotAllowedError,
    NotFoundError,
    StoreBusyError,
    UsageError,
)
from storno.domain.events import Counts, RecordSucceeded
from storno.domain.ids import RunId
from storno.domain.period import Period, PeriodClosed, PeriodReopened, balance_digest
from storno.execution.periods import close_period, look_at_period, reopen_period
from storno.storage import queries
from storno.storage.engine import create_engine

from ..crashes.writers import make_runs_long
from .lab import ACTOR, Lab, Payment, Rows, Watcher, entry_of, ordinal_of, paying, payments

JANUARY, FEBRUARY, MARCH = (dt.date(2026, month, 15) for month in (1, 2, 3))
OPENED_AGAIN = dt.date(2026, 2, 1)
RULES = ["refuse", "next-open"]


class Month(Parameters):
    month: str


def dated(rows: Rows, *days: dt.date) -> Rows:
    """The rows with these dates by turns."""
    return [row | {"date": days[n % len(days)]} for n, row in enumerate(rows)]


def close(lab: Lab, month: str = "2026-01", book: str = "main", **more: Any) -> None:
    assert close_period(lab.store, book, month, ACTOR, **more).changed


def reopen(lab: Lab, month: str = "2026-01", reason: str = "late invoice") -> None:
    assert reopen_period(lab.store, "main", month, ACTOR, reason).changed


def digest_of(lab: Lab, month: str = "2026-01", book: str = "main") -> str:
    """The digest of what is in the ledger up to a month's end, from the events."""
    last = Period.parse(book, month).last_day
    sums: dict[tuple[str, str, int], list[int]] = {}
    for event in lab.events(RecordSucceeded):
        for entry in event.entries:
            if entry.book == book and entry.posting <= last:
                for line in entry.lines:
                    unit = sums.setdefault((line.account, line.currency, line.exponent), [0, 0])
                    unit[line.side == "C"] += line.minor
    return balance_digest((*unit, *both) for unit, both in sums.items())


def check_closed(lab: Lab) -> None:
    """What is in every closed month is what was in it when it was closed."""
    rows = queries.periods(lab.store, state="closed")
    assert rows
    for row in rows:
        assert row.digest == digest_of(lab, row.period, row.book)


def posting_days(lab: Lab) -> dict[int, dt.date]:
    """Ordinal to posting date."""
    events = lab.events(RecordSucceeded)
    return {event.ordinal: entry.posting for event in events for entry in event.entries}


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


# A month is closed while a run is going.


def calling(rows: Rows, calls: list[int], **policies: Any) -> Job:
    """A job with an effect, which notes what it was called with."""

    @job(**({"key": "number", "source": iterable(rows), "name": "payments"} | policies))
    def pay(payment: Payment, context: Context) -> Effect:
        calls.append(ordinal_of(payment))
        return Effect(output="receipt", entries=[entry_of(payment)])

    return pay


Make = Callable[..., Job]


def ahead(rows: Rows, calls: list[int], **policies: Any) -> Job:
    return paying(rows, lambda payment: calls.append(ordinal_of(payment)), **policies)


def effect(rows: Rows, calls: list[int], **policies: Any) -> Job:
    return calling(rows, calls, effect=True, **policies)


def writes(rows: Rows, calls: list[int], **policies: Any) -> Job:
    return ahead(rows, calls, writes=True, **policies)


WAYS = [ahead, effect, writes]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("make", "known"),
    [
        pytest.param(ahead, False, id="ahead"),
        pytest.param(ahead, True, id="ahead, with keys that are known"),
        pytest.param(effect, False, id="effect"),
        pytest.param(writes, False, id="writes"),
    ],
)
def test_a_close_during_a_run_loses_no_record(lab: Lab, make: Make, rule: str, known: bool) -> None:
    """Scenario 25b: the chunk that was prepared when the month was closed is decided anew."""
    if known:
        lab.run(paying(payments(3), parameters=Month), {"month": "1"})
    calls: list[int] = []
    definition = make(
        payments(15), calls, closed_period=rule, chunk_size=5, parameters=Month, tolerance=100
    )
    closed: list[Counts] = []

    def once(counts: Counts) -> None:
        if counts.read and not closed:
            closed.append(counts)
            close(lab, forced=True, reason="closed in the midst of it")

    result = lab.run(definition, {"month": "2"}, watcher=Watcher(on_commit=once))

    before = closed[0].read
    assert before == 5
    assert result.counts.read == 15
    days = {ordinal: day for ordinal, day in posting_days(lab).items() if ordinal >= before}
    if rule == "refuse":
        assert days == {}
        assert lab.failures() == dict.fromkeys(range(before, 15), "period-closed")
    else:
        assert days == dict.fromkeys(range(before, 15), OPENED_AGAIN)
        assert not lab.failures()
    if make is effect:  # what was done outside is not done again
        assert sorted(calls) == sorted(set(calls))
    check_closed(lab)


@pytest.mark.parametrize("rule", RULES)
def test_also_where_commits_are_under_way(
    lab: Lab, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario 25b: a process commits, and chunks behind the refused one have been sent."""
    make_runs_long(monkeypatch.setattr)
    closed: list[Counts] = []

    def once(counts: Counts) -> None:
        if counts.read and not closed:
            closed.append(counts)
            close(lab, forced=True, reason="closed in the midst of it")

    definition = paying(payments(60), closed_period=rule, chunk_size=5, tolerance=100)
    result = lab.run(definition, watcher=Watcher(on_commit=once))

    assert result.counts.read == 60
    days = posting_days(lab)
    in_january = [ordinal for ordinal, day in days.items() if day == JANUARY]
    assert in_january == list(range(len(in_january)))
    rest = range(len(in_january), 60)
    if rule == "refuse":
        assert lab.failures() == dict.fromkeys(rest, "period-closed")
    else:
        assert {days[ordinal] for ordinal in rest} <= {OPENED_AGAIN}
        assert not lab.failures()
    check_closed(lab)


@pytest.mark.parametrize("make", WAYS)
def test_a_month_that_is_closed_and_opened_all_the_time(lab: Lab, make: Make) -> None:
    """Every chunk is refused once, and none for ever."""
    is_open, read = True, 0

    def toggle(counts: Counts) -> None:
        nonlocal is_open, read
        if counts.read == read:
            return  # only that records are about to be attempted was committed
        if is_open:
            close(lab, forced=True, reason="to and fro")
        else:
            reopen(lab)
        is_open, read = not is_open, counts.read

    calls: list[int] = []
    definition = make(payments(20), calls, chunk_size=2, tolerance=100)
    result = lab.run(definition, watcher=Watcher(on_commit=toggle))

    assert result.counts.read == 20
    assert result.counts.succeeded + result.counts.failed == 20
    assert 0 < result.counts.failed < 20
    closes = [each for each in lab.log() if isinstance(each.event, PeriodClosed | PeriodReopened)]
    assert len(closes) > 8
    assert_closed_took_nothing(lab)


def test_chosen_keys_are_posted_by_the_calendar_too(lab: Lab) -> None:
    close(lab)

    lab.run(paying(dated(payments(4), JANUARY, FEBRUARY)), keys=("P-000", "P-001"))

    assert posting_days(lab) == {1: FEBRUARY}
    assert lab.failures() == {0: "period-closed"}


def test_a_tolerance_that_a_close_exceeds_fails_the_run(lab: Lab) -> None:
    def once(counts: Counts) -> None:
        if not lab.events(PeriodClosed):
            close(lab, forced=True, reason="closed in the midst of it")

    definition = paying(payments(15), chunk_size=5, tolerance=2)
    result = lab.run(definition, watcher=Watcher(on_commit=once))

    assert (result.state, result.error) == ("failed", "tolerance-exceeded")
    assert lab.posted() == list(range(5))
    check_closed(lab)


def assert_closed_took_nothing(lab: Lab) -> None:
    """While January was closed nothing was posted into it, by the order of the log."""
    closed = False
    for _, _, event in lab.log():
        if isinstance(event, PeriodClosed | PeriodReopened):
            closed = isinstance(event, PeriodClosed)
        elif isinstance(event, RecordSucceeded):
            assert not (closed and any(entry.posting == JANUARY for entry in event.entries))


# Nothing gets in between.


@contextmanager
def during(engine: sa.Engine, words: str, act: Callable[[], object]) -> Iterator[list[object]]:
    """Act once, right before the engine sends a statement with these words."""
    done: list[object] = []

    def before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if words in statement and not done:
            done.append(None)
            done[0] = act()

    sa.event.listen(engine, "before_cursor_execute", before)
    try:
        yield done
    finally:
        sa.event.remove(engine, "before_cursor_execute", before)


@pytest.mark.parametrize("words", ["sum(", "dead_letters_g", "period/"])
def test_nobody_posts_while_a_close_is_decided(lab: Lab, words: str) -> None:
    """Scenario 25b: a commit between what the close reads and its own would make it lie."""
    lab.run(paying(payments(3)))
    late = Store(create_engine(lab.url, lock_timeout_seconds=0.05))

    def post() -> str:
        definition = paying(payments(3, 10), name="late")
        try:
            run_job(late, definition, {}, ACTOR)
        except StoreBusyError:
            return "refused"
        return "posted"

    words = "FROM events" if words == "period/" else words
    with during(lab.store.engine, words, post) as done:
        close(lab)
    late.close()

    assert done == ["refused"]
    check_closed(lab)


def test_two_close_at_the_same_moment(lab: Lab) -> None:
    lab.run(paying(payments(5)))
    changed: list[bool] = []

    def close_once() -> None:
        store = Store.open(lab.url)
        changed.append(close_period(store, "main", "2026-01", ACTOR).changed)
        store.close()

    threads = [threading.Thread(target=close_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(changed) == [False, False, False, True]
    assert len(lab.events(PeriodClosed)) == 1
    check_closed(lab)


@pytest.mark.parametrize("rule", RULES)
def test_a_close_against_runs_that_are_at_it(lab: Lab, rule: str) -> None:
    """Scenario 25b: runs in threads post into January until after it is closed."""
    going, closed = threading.Barrier(3), threading.Event()
    results: list[Counts] = []

    def linger(payment: Payment) -> None:
        if ordinal_of(payment) % 100 == 95:
            assert closed.wait(60)

    def work(number: int) -> None:
        store = Store.open(lab.url)
        definition = paying(
            payments(100, 100 * number), linger, name=f"job{number}", chunk_size=4,
            tolerance=1_000, closed_period=rule,
        )  # fmt: skip

        def wait(counts: Counts) -> None:
            if counts.read == 20:
                going.wait(60)

        watcher = Watcher(on_commit=wait)
        results.append(run_job(store, definition, {}, ACTOR, observer=watcher).counts)
        store.close()

    lab.amount_of = None
    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    going.wait(60)
    close(lab, forced=True, reason="now")
    closed.set()
    for thread in threads:
        thread.join()

    assert [counts.read for counts in results] == [100, 100]
    failed = sum(counts.failed for counts in results)
    moved = [day for _, day in all_postings(lab) if day == OPENED_AGAIN]
    assert failed + len(all_postings(lab)) == 200
    assert (failed > 0) == (rule == "refuse")
    assert (len(moved) > 0) == (rule == "next-open")
    assert_closed_took_nothing(lab)
    check_closed(lab)


def all_postings(lab: Lab) -> list[tuple[str, dt.date]]:
    """Stream and posting date of everything that was posted."""
    return [
        (each.stream, entry.posting)
        for each in lab.log()
        if isinstance(each.event, RecordSucceeded)
        for entry in each.event.entries
    ]
