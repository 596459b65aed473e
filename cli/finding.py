"""``storno audit find``: what auditors ask, one command each, over the whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from .errors import DONE
from .found import FILTERS, Filters
from .options import COMMON, Common, command, group, note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..execution.project import Project
    from ..storage.queries.acts import RecordedAct
    from ..storage.queries.entries import Chosen
    from ..storage.store import Store
    from .found import Document, Page

Entries = Annotated[bool, note("The entries, one by one, not the acts", name="--entries")]


@command(
    "by-actor",
    "storno audit find by-actor --actor ada",
    "storno audit find by-actor --actor ada --from 2026-01-01 --to 2026-01-31",
    "storno audit find by-actor --actor ada --entries --json",
)
def by_actor(
    *, entries: Entries = False, filters: Filters = FILTERS, common: Common = COMMON
) -> int:
    """What people did: ran, stopped, corrected, discarded, approved, executed, closed, forced.

    A run is one act, whatever it posted; --entries lists what was posted and taken back by the
    runs, retries and reversals of a person.
    """
    from .finding_pages import ACTS, ENTRIES, act_document, posted_document

    def acts(store: Store, chosen: Chosen) -> Iterable[Document]:
        return map(act_document, _acts(store, chosen))

    def posted(store: Store, chosen: Chosen) -> Iterable[Document]:
        from ..storage.queries.entries import posted_records

        return map(posted_document, posted_records(store, chosen))

    return _answer(common, filters, posted if entries else acts, ENTRIES if entries else ACTS)


@command(
    "after-closing",
    "storno audit find after-closing",
    "storno audit find after-closing --from 2026-02-01 --job payments --json",
)
def after_closing(*, filters: Filters = FILTERS, common: Common = COMMON) -> int:
    """What was recorded after its period was closed, or moved because of it; forced closes.

    late: posted into a month that had been closed before. moved: posted on the first open day
    behind a closed month. reversed: takes back what was posted in a closed month. Then there are
    the months that were forced closed, and those that were reopened.
    """
    from .finding_pages import AFTER_CLOSING, after_closing_document, closing_document

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        from heapq import merge

        from ..domain.acts import FORCED_CLOSED, REOPENED
        from ..storage.queries.after_closing import after_closing

        forced = (
            closing_document(each)
            for each in _acts(store, chosen)
            if each.act.word in (FORCED_CLOSED, REOPENED)
        )
        entries = map(after_closing_document, after_closing(store, chosen))
        return merge(forced, entries, key=lambda document: int(document["position"]))

    return _answer(common, filters, found, AFTER_CLOSING)


@command(
    "without-text",
    "storno audit find without-text",
    "storno audit find without-text --shortest 10 --actor ada",
    "storno audit find without-text --entries --job payroll",
)
def without_text(
    *,
    entries: Entries = False,
    shortest: Annotated[
        int, note("Letters and digits that it takes to say something; 4", metavar="N")
    ] = 4,
    filters: Filters = FILTERS,
    common: Common = COMMON,
) -> int:
    """Acts whose reason says nothing: empty, too short, one sign repeated, or a filler like 'test'.

    --entries: postings with an entry whose text says nothing. Jobs need not give entries a text.
    """
    from ..domain.finding import says_nothing
    from .finding_pages import ACTS, ENTRIES, act_document, posted_document

    _at_least(shortest, "--shortest", 1)

    def acts(store: Store, chosen: Chosen) -> Iterable[Document]:
        for each in _acts(store, chosen):
            if each.act.reason is not None and says_nothing(each.act.reason, shortest):
                yield act_document(each)

    def posted(store: Store, chosen: Chosen) -> Iterable[Document]:
        from ..storage.queries.entries import entries_without_text

        return map(posted_document, entries_without_text(store, chosen, shortest))

    return _answer(common, filters, posted if entries else acts, ENTRIES if entries else ACTS)


@command(
    "round-amounts",
    "storno audit find round-amounts",
    "storno audit find round-amounts --multiple-of 10000 --above 50000 --job payments",
)
def round_amounts(
    *,
    multiple_of: Annotated[
        int, note("Multiples of so many whole units of the currency; 1000", metavar="N")
    ] = 1000,
    above: Annotated[
        str | None, note("Only lines of more than this, in units of their currency", metavar="A")
    ] = None,
    filters: Filters = FILTERS,
    common: Common = COMMON,
) -> int:
    """Postings with lines of round amounts."""
    from .finding_pages import ENTRIES, round_document
    from .found import parse_amount

    _at_least(multiple_of, "--multiple-of", 1)
    least = parse_amount(above or "0", "--above")

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        from ..storage.queries import entries

        return map(round_document, entries.round_amounts(store, chosen, multiple_of, least))

    return _answer(common, filters, found, ENTRIES)


@command(
    "reposted",
    "storno audit find reposted",
    "storno audit find reposted --run payments/2026-01 --json",
)
def reposted(*, filters: Filters = FILTERS, common: Common = COMMON) -> int:
    """Records that were posted, taken back and posted again, with the amounts and dates of each.

    --from and --to are about the second posting; --run and --actor about any of the three.
    """
    from .finding_pages import REPOSTED, reposted_document

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        from ..storage.queries.entries import reposted

        return map(reposted_document, reposted(store, chosen))

    return _answer(common, filters, found, REPOSTED)


@command(
    "duplicates",
    "storno audit find duplicates --run last",
    "storno audit find duplicates --job payments --from 2026-01-01 --json",
)
def duplicates(*, filters: Filters = FILTERS, common: Common = COMMON) -> int:
    """Postings of a job that move the same as an earlier one under another key: paid twice?

    The same accounts, sides, amounts and currencies on the same effective date. --run, --from,
    --to and --actor are about the later posting. One that was taken back names the reversal.
    """
    from .finding_pages import DUPLICATES, duplicate_document

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        from ..storage.queries.duplicates import duplicates

        return map(duplicate_document, duplicates(store, chosen))

    return _answer(common, filters, found, DUPLICATES)


@command(
    "under-limit",
    "storno audit find under-limit",
    "storno audit find under-limit --percent 5 --days 30",
    "storno audit find under-limit --approval-limit EUR=10000 --approval-limit GBP=8000",
)
def under_limit(
    *,
    percent: Annotated[
        str, note("How far below the limit is just under it; 10", metavar="P")
    ] = "10",
    days: Annotated[
        int, note("Several by one person within so many days are added up; 7", metavar="N")
    ] = 7,
    approval_limit: Annotated[
        tuple[str, ...],
        note(
            "The limit that was in force; else what the job or storno.toml says today",
            metavar="CODE=AMOUNT",
        ),
    ] = (),
    filters: Filters = FILTERS,
    common: Common = COMMON,
) -> int:
    """Reversals that needed nobody's approval, and only just; several that together were over it.

    near: within so many percent below the limit. together: several of one job that one person
    asked for within so many days, each within the limit, over it in sum; rejected ones do not
    count.
    """
    from .finding_pages import UNDER_LIMIT
    from .limits import limits_given, limits_of, under_limits
    from .session import open_project

    _at_least(days, "--days", 1)
    given = limits_given(approval_limit)
    project = open_project(common)
    limits = limits_of(project, given)

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        return under_limits(store, chosen, limits, percent, days)

    return _answer(common, filters, found, UNDER_LIMIT, project)


@command(
    "odd-hours",
    "storno audit find odd-hours --timezone Europe/Berlin",
    "storno audit find odd-hours --hours 7-19 --actor ada",
)
def odd_hours(
    *,
    hours: Annotated[str, note("The hours of work, 6-20 is from 06:00 to 20:00", metavar="H")] = (
        "6-20"
    ),
    timezone: Annotated[str, note("Whose clock that is; UTC", metavar="ZONE")] = "UTC",
    filters: Filters = FILTERS,
    common: Common = COMMON,
) -> int:
    """What people did at night, on a Saturday or on a Sunday; runs that a timer started too."""
    from .finding_pages import ACTS, act_document
    from .found import parse_hours

    is_odd = parse_hours(hours, timezone)

    def found(store: Store, chosen: Chosen) -> Iterable[Document]:
        return (
            act_document(each) for each in _acts(store, chosen) if is_odd(each.recorded.recorded_at)
        )

    return _answer(common, filters, found, ACTS)


def _answer(
    common: Common,
    filters: Filters,
    found: Callable[[Store, Chosen], Iterable[Document]],
    page: Page,
    project: Project | None = None,
) -> int:
    """Ask the store, and write what it finds."""
    from .found import choose, write_found
    from .session import open_project, opened

    with opened(project or open_project(common)) as store:
        chosen = choose(store, filters)
        write_found(store, found(store, chosen), page, filters, as_json=common.json)
    return DONE


def _acts(store: Store, chosen: Chosen) -> Iterable[RecordedAct]:
    """The acts that the filters choose."""
    from ..storage.queries.acts import acts

    job = chosen.run.partition("/")[0] if chosen.run is not None else chosen.job
    for each in acts(store, chosen.span, job=job):
        if chosen.actor is not None and each.act.actor.name != chosen.actor:
            continue
        if chosen.run is None or each.run == chosen.run:
            yield each


def _at_least(number: int, option: str, least: int) -> None:
    from ..domain.errors import UsageError

    if number < least:
        raise UsageError(f"{option} {number}: write a number from {least} on.")


find = group(
    "find",
    "Answer what auditors ask, over the whole store.",
    by_actor,
    after_closing,
    without_text,
    round_amounts,
    reposted,
    duplicates,
    under_limit,
    odd_hours,
)
