"""A month is closed while runs are going, and by several at once (scenario 25b)."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.event import listen, remove

from storno import (
    Context,
    Effect,
    Job,
    Parameters,
    Store,
    iterable,
    job,
    run_job,
)
from storno.domain.errors import (
    StoreBusyError,
)
from storno.domain.events import Counts, RecordSucceeded
from storno.domain.period import PeriodClosed, PeriodReopened
from storno.execution.periods import close_period
from storno.storage.engine import create_engine

from ..crashes.writers import make_runs_long
from .closing import (
    FEBRUARY,
    JANUARY,
    OPENED_AGAIN,
    RULES,
    check_closed,
    close,
    dated,
    posting_days,
    reopen,
)
from .lab import ACTOR, Lab, Payment, Rows, Watcher, entry_of, ordinal_of, paying, payments


class Month(Parameters):
    month: str


def calling(rows: Rows, calls: list[int], **policies: Any) -> Job:
    """A job with an effect, which notes what it was called with."""

    @job(**({"key": "number", "source": iterable(rows), "name": "payments"} | policies))
    def pay(payment: Payment, context: Context) -> Effect:
        calls.append(ordinal_of(payment))
        return Effect(output="receipt", entries=[entry_of(payment)])

    @pay.compensate
    def refund(payment: Payment, output: str) -> None: ...

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

    listen(engine, "before_cursor_execute", before)
    try:
        yield done
    finally:
        remove(engine, "before_cursor_execute", before)


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
