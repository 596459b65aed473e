"""Closing an accounting period, and opening it again.

A close is decided and committed under the store's append lock. Nothing it looks at can move in
between: not the ledger, of which it records the digest, nor the runs and their dead letters. A
chunk that is about to post into the month has named the period's version in its commit, and is
refused when its turn comes. Writers wait for as long as it takes to sum up the ledger.
"""

from __future__ import annotations

from msgspec import Struct

from ..domain import period as periods
from ..domain.entry import Chart
from ..domain.errors import NotFoundError, UsageError
from ..domain.events import Actor, Event
from ..domain.ids import MAX_NAME_BYTES, RunId
from ..domain.period import Period, PeriodState
from ..domain.run import RunState, Status
from ..domain.suggest import did_you_mean
from ..projections.changes import Recorded
from .identity import resolve_actor
from .journal import Journal, Store
from .sealing import seal

_UNFINISHED = {
    Status.RUNNING: "let it end, or stop and abandon it",
    Status.STOPPED: "resume or abandon it",
    Status.FAILED: "resume, abandon or reverse it",
    Status.REVERSING: "let its reversal end",
}
"""States of a run that may yet post, or take back, and what to do about each."""


class PeriodLook(Struct, frozen=True):
    """What closing a period finds.

    Attributes:
        state: where it stands.
        obstacles: what speaks against closing it, each for a person.
        digest: of the book's trial balance up to its last day by posting date; see
            ``domain.period.balance_digest``.
        versions: of the streams of the runs that posted into it.
    """

    period: Period
    state: PeriodState
    obstacles: tuple[str, ...]
    digest: str
    versions: dict[str, int]


class PeriodChange(Struct, frozen=True):
    """What came of closing or reopening a period.

    Attributes:
        state: where it stands now.
        changed: False where it stood so before.
    """

    period: Period
    state: PeriodState
    changed: bool


def look_at_period(
    store: Store, book: str, month: str, *, chart: Chart | None = None
) -> PeriodLook:
    """What closing a period would find; writes nothing.

    Args:
        month: ``YYYY-MM``.
        chart: the books that there are.

    Raises:
        UsageError: it is no month, or no name of a book.
        NotFoundError: the chart has no such book.
    """
    return _look(Journal(store), _period(book, month, chart))


def close_period(
    store: Store,
    book: str,
    month: str,
    actor: Actor | str | None = None,
    *,
    reason: str = "",
    forced: bool = False,
    chart: Chart | None = None,
) -> PeriodChange:
    """Close a month of a book; nothing happens where it is closed.

    Args:
        month: ``YYYY-MM``.
        reason: why; recorded.
        forced: close it whatever stands in the way; needs a reason.
        chart: the books that there are.

    Raises:
        UsageError: it is no month or no name of a book, or it is forced without a reason.
        NotFoundError: the chart has no such book.
        NotAllowedError: unfinished runs posted into it, or runs with unresolved dead letters.
        StoreBusyError: another writer kept the append lock for too long.
    """
    period = _period(book, month, chart)
    who = resolve_actor(actor)
    journal = Journal(store)
    with journal.locked() as connection:
        look = _look(journal, period)
        moves = periods.close(
            period,
            look.state,
            who,
            digest=look.digest,
            reason=reason,
            obstacles=look.obstacles,
            forced=forced,
        )
        if moves:
            sealed = seal(_recorded(period, look.state, moves))
            journal.append(sealed, look.versions, connection)
    return _change(period, look.state, moves)


def reopen_period(
    store: Store,
    book: str,
    month: str,
    actor: Actor | str | None,
    reason: str,
    *,
    chart: Chart | None = None,
) -> PeriodChange:
    """Let a closed month of a book take postings again.

    Raises:
        UsageError: it is no month or no name of a book, or there is no reason.
        NotFoundError: the chart has no such book.
        NotAllowedError: it is open.
        StreamConflictError: somebody else reopened it at the same moment.
    """
    period = _period(book, month, chart)
    journal = Journal(store)
    state = _state(journal, period)
    moves = periods.reopen(period, state, resolve_actor(actor), reason)
    journal.append_once(seal(_recorded(period, state, moves)))
    return _change(period, state, moves)


def _period(book: str, month: str, chart: Chart | None) -> Period:
    """The period that is meant."""
    if not book.strip() or not book.isprintable():
        raise UsageError(f"{book!r} is no name of a book: give one with --book NAME.")
    books = chart.books if chart is not None else ()
    if books and book not in books:
        raise NotFoundError(
            f"there is no book {book!r}.{did_you_mean(book, books)} Those in storno.toml: "
            f"{', '.join(books)}."
        )
    period = Period.parse(book, month)
    if len(period.stream.encode()) > MAX_NAME_BYTES:
        raise UsageError("the book's name is too long to be that of a book with closed periods.")
    return period


def _look(journal: Journal, period: Period) -> PeriodLook:
    posted = journal.posted_into(period)
    states = journal.runs([RunId.parse(run) for run in posted])
    obstacles = [
        obstacle
        for run, state in states.items()
        for obstacle in _obstacles(run, state, posted[str(run)])
    ]
    return PeriodLook(
        period,
        _state(journal, period),
        tuple(obstacles),
        periods.balance_digest(journal.trial_balance(period)),
        {run.stream: state.version for run, state in states.items()},
    )


def _obstacles(run: RunId, state: RunState, unresolved: int) -> list[str]:
    found = []
    if state.status in _UNFINISHED:
        found.append(f"run {run} is {state.status} ({_UNFINISHED[state.status]})")
    if unresolved:
        letters = (
            "1 unresolved dead letter"
            if unresolved == 1
            else (f"{unresolved} unresolved dead letters")
        )
        found.append(f"run {run} has {letters}")
    return found


def _state(journal: Journal, period: Period) -> PeriodState:
    return journal.calendar().states.get(period, PeriodState())


def _recorded(period: Period, state: PeriodState, moves: tuple[Event, ...]) -> list[Recorded]:
    return [
        Recorded(period.stream, state.version + number, move)
        for number, move in enumerate(moves, 1)
    ]


def _change(period: Period, state: PeriodState, moves: tuple[Event, ...]) -> PeriodChange:
    for move in moves:
        state = periods.evolve(state, move)
    return PeriodChange(period, state, bool(moves))
