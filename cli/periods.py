"""``storno periods``: the months of a book, closed and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from .errors import DONE, NOT_ALLOWED
from .options import ACTING, COMMON, Acting, Common, command, group, note

if TYPE_CHECKING:
    from ..execution.periods import PeriodChange, PeriodLook
    from ..storage.queries import PeriodRow
    from ..storage.store import Store

MonthWord = Annotated[str, note("The month, YYYY-MM", name="MONTH")]
Book = Annotated[str, note("The book; main where not given", metavar="NAME")]


@command("list", "storno periods list", "storno periods list --book tax --json")
def list_periods(
    *,
    book: Annotated[str | None, note("Only of this book", metavar="NAME")] = None,
    common: Common = COMMON,
) -> int:
    """List the months that were ever closed; every other month is open."""
    from ..storage import queries
    from .ledger import say_if_never_posted
    from .render import say, write_json
    from .session import open_project, opened

    with opened(open_project(common)) as store:
        rows = queries.periods(store, book=book)
        if book is not None and not rows:
            say_if_never_posted(store, book)
    if common.json:
        write_json([_row_document(row) for row in rows])
    elif rows:
        _write_rows(rows)
    else:
        say("No period was ever closed.")
    return DONE


@command(
    "close",
    "storno periods close 2026-01",
    "storno periods close 2026-01 --dry-run",
    "storno periods close 2026-01 --book tax --force --reason 'filed on time' --yes",
)
def close(
    month: MonthWord,
    /,
    *,
    reason: Annotated[str, note("Why; it is recorded", metavar="TEXT")] = "",
    force: Annotated[bool, note("Close it whatever stands in the way; needs --reason")] = False,
    dry_run: Annotated[bool, note("Say what stands in the way, and write nothing")] = False,
    yes: Annotated[bool, note("Do not ask before forcing it", name=("--yes", "-y"))] = False,
    book: Book = "main",
    acting: Acting = ACTING,
) -> int:
    """Close a month of a book: nothing more is posted into it, and its trial balance is sealed.

    Refused while runs that posted into it are unfinished or have unresolved dead letters.
    """
    from ..execution.periods import close_period, look_at_period
    from .ask import confirm
    from .ledger import say_if_never_posted
    from .session import authorized, open_project, opened

    project = open_project(acting)
    with opened(project) as store:
        look = look_at_period(store, book, month, chart=project.chart)
        if dry_run:
            return _tell_look(look, json=acting.json)
        actor = authorized(project, acting, "periods close", f"{book} {look.period}")
        if force and reason.strip() and look.obstacles and look.state.closed is None:
            confirm(_question(look), yes=yes)
        change = close_period(
            store, book, month, actor, reason=reason, forced=force, chart=project.chart
        )
        _tell_change(store, change, json=acting.json)
        say_if_never_posted(store, book)
        _say_what_is_open_before(store, change)
    return DONE


@command("reopen", "storno periods reopen 2026-01 --reason 'invoice of the auditor'")
def reopen(
    month: MonthWord,
    /,
    *,
    reason: Annotated[str, note("Why; it is recorded", metavar="TEXT")],
    book: Book = "main",
    acting: Acting = ACTING,
) -> int:
    """Let a closed month of a book take postings again."""
    from ..execution.periods import reopen_period
    from .session import authorized, open_project, opened

    project = open_project(acting)
    actor = authorized(project, acting, "periods reopen", f"{book} {month}")
    with opened(project) as store:
        change = reopen_period(store, book, month, actor, reason, chart=project.chart)
        _tell_change(store, change, json=acting.json)
    return DONE


def _tell_look(look: PeriodLook, *, json: bool) -> int:
    """What a close would find; the code is the one that it would end with."""
    from .render import say, write_json, write_line

    is_closed = look.state.closed is not None
    if json:
        document = {
            "book": look.period.book,
            "period": str(look.period),
            "state": "closed" if is_closed else "open",
            "obstacles": list(look.obstacles),
            "digest": look.digest,
            "dry_run": True,
        }
        write_json(document)
    elif is_closed:
        say(f"{_name(look)} is closed already.")
    elif look.obstacles:
        for obstacle in look.obstacles:
            write_line(obstacle)
        say(f"{_name(look)} cannot be closed as it is. Nothing was written.")
    else:
        say(f"Nothing stands in the way of closing {_name(look)}. Nothing was written.")
    return NOT_ALLOWED if look.obstacles and not is_closed else DONE


def _question(look: PeriodLook) -> str:
    return f"Close {_name(look)} although {'; '.join(look.obstacles)}?"


def _tell_change(store: Store, change: PeriodChange, *, json: bool) -> None:
    from ..storage import queries
    from .render import say, write_json

    period = change.period
    if json:
        rows = queries.periods(store, book=period.book)
        [row] = [row for row in rows if row.period == str(period)]
        write_json(_row_document(row) | {"nothing_to_do": not change.changed})
    elif not change.changed:
        say(f"{_name(change)} is closed already.")
    elif change.state.closed is None:
        say(f"Reopened {_name(change)}: it takes postings again.")
    else:
        say(f"Closed {_name(change)}.")
        say(f"Trial balance up to {period.last_day}, SHA-256 {change.state.closed.digest}")


def _say_what_is_open_before(store: Store, change: PeriodChange) -> None:
    """What is posted into earlier months moves the trial balance whose digest was recorded."""
    from ..storage import queries
    from .render import say

    months = queries.earlier_open_months(store, change.period)
    if months:
        say(
            f"Still open before it: {', '.join(months)}. What is posted there changes the trial "
            f"balance up to {change.period.last_day}: close the earlier months too."
        )


def _name(of: PeriodLook | PeriodChange) -> str:
    return f"{of.period} of book {of.period.book}"


def _row_document(row: PeriodRow) -> dict[str, Any]:
    from .render import moment

    return {
        "book": row.book,
        "period": row.period,
        "state": row.state,
        "actor": row.actor,
        "reason": row.reason,
        "forced": row.forced or None,
        "digest": row.digest,
        "recorded": moment(row.changed_at),
    }


def _write_rows(rows: list[PeriodRow]) -> None:
    from .render import clock
    from .tables import Column, write_table

    columns = (
        Column("book"),
        Column("period"),
        Column("state"),
        Column("since", spare=1),
        Column("by"),
        Column("reason", wraps=True),
        Column("closed in spite of", wraps=True, spare=2),
    )
    shown = [
        (
            row.book,
            row.period,
            row.state,
            clock(row.changed_at),
            row.actor,
            row.reason or "-",
            row.forced or "-",
        )
        for row in rows
    ]
    write_table(columns, shown)


periods = group(
    "periods", "List, close and reopen accounting periods.", list_periods, close, reopen
)
