"""What the queries of ``storno audit find`` share: their filters, and how findings are shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from ..domain.errors import UsageError
from .options import OPTIONS, at_least_one, note

if TYPE_CHECKING:
    from ..storage.queries.entries import Chosen
    from ..storage.store import Store
    from .tables import Column

Document = dict[str, Any]

IN_A_TABLE: Final = 100
"""So many findings a table shows where nothing else is said."""

SATURDAY: Final = 5


@Parameter(name="*", group=OPTIONS)
@dataclass(frozen=True, kw_only=True)
class Filters:
    """What of the store is looked at.

    Attributes:
        job: its name.
        run: as ``find_run`` reads it.
        since: recorded from then on.
        until: recorded up to then; a day with all of it.
        actor: whose acts.
        limit: how many findings are shown.
    """

    job: Annotated[str | None, note("Only of this job", metavar="NAME")] = None
    run: Annotated[
        str | None, note("Only of this run: its name, the start of it, or last", metavar="RUN")
    ] = None
    since: Annotated[
        str | None, note("Only what was recorded from then on", name="--from", metavar="T")
    ] = None
    until: Annotated[
        str | None, note("Only what was recorded up to then", name="--to", metavar="T")
    ] = None
    actor: Annotated[str | None, note("Only what this person did", metavar="NAME")] = None
    limit: Annotated[
        int | None,
        note("At most so many; where not given 100 in a table, all with --json", metavar="N"),
    ] = None


FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class Page:
    """How the findings of a query look as a table.

    Attributes:
        columns: of the table.
        row: a finding's document to the values of the columns.
    """

    columns: Sequence[Column]
    row: Callable[[Document], Sequence[str]]


def choose(store: Store, filters: Filters) -> Chosen:
    """What the filters choose.

    Raises:
        UsageError: one of them cannot be meant.
        NotFoundError: there is no such run.
    """
    from ..storage.queries.entries import Chosen
    from ..storage.queries.scan import recorded_between
    from .find import find_run
    from .moments import parse_moment

    at_least_one(filters.limit)
    now = dt.datetime.now(dt.UTC)
    since = parse_moment(filters.since, "--from", now=now) if filters.since else None
    until = parse_moment(filters.until, "--to", now=now) if filters.until else None
    if until is not None and filters.until and _is_day(filters.until):
        until += 24 * 3_600 * 1_000_000 - 1
    run = find_run(store, filters.run).row.run if filters.run else None
    span = recorded_between(store, since, until)
    return Chosen(span, filters.job, run, filters.actor)


def write_found(
    store: Store, found: Iterable[Document], page: Page, filters: Filters, *, as_json: bool
) -> None:
    """The findings, as they come: a list for scripts, a table for people."""
    from .opening import opened_in_turn
    from .render import say, write_json_list
    from .tables import write_table

    if as_json:
        write_json_list(opened_in_turn(store, islice(found, filters.limit)))
        return
    limit = filters.limit or IN_A_TABLE
    documents = list(opened_in_turn(store, islice(found, limit + 1)))
    if documents:
        write_table(page.columns, [page.row(each) for each in documents[:limit]])
    else:
        say("Nothing is found.")
        _say_if_mistyped(store, filters)
    if len(documents) > limit:
        say(f"There are more than these {limit}: --limit shows them, or --json all of them.")


def parse_amount(text: str, option: str) -> Decimal:
    """An amount in units of some currency, 0 or more.

    Raises:
        UsageError: it is none.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{option} {text}: write an amount, such as 1000 or 999.50.")
    return amount


def parse_hours(text: str, timezone: str) -> Callable[[int], bool]:
    """Whether a time, in microseconds since 1970 UTC, is outside the hours of work.

    Args:
        text: ``6-20``.
        timezone: an IANA name, such as ``Europe/Berlin``.

    Raises:
        UsageError: either cannot be meant.
    """
    from zoneinfo import ZoneInfo

    begin, _, end = text.partition("-")
    if not (begin.isdecimal() and end.isdecimal() and int(begin) < int(end) <= 24):
        raise UsageError(f"--hours {text}: write two hours, such as 6-20.")
    first, last = int(begin), int(end)
    try:
        zone = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise UsageError(
            f"--timezone {timezone}: write a name of the time zone database, as Europe/Berlin."
        ) from None

    def is_odd(microseconds: int) -> bool:
        there = dt.datetime.fromtimestamp(microseconds // 1_000_000, zone)
        return there.weekday() >= SATURDAY or not first <= there.hour < last

    return is_odd


def _is_day(text: str) -> bool:
    return len(text) == len("2026-01-31") and "T" not in text


def _say_if_mistyped(store: Store, filters: Filters) -> None:
    """A filter that finds nothing may name what does not exist."""
    from ..domain.suggest import did_you_mean
    from ..storage.queries.acts import acts
    from ..storage.queries.scan import Span
    from .render import say
    from .standing import say_if_unknown

    say_if_unknown(store, filters.job)
    if filters.actor is not None:
        known = {each.act.actor.name for each in acts(store, Span.of_everything())}
        if filters.actor not in known:
            suggestion = did_you_mean(filters.actor, known)
            say(f"Nobody called {filters.actor!r} ever acted in this store.{suggestion}")
