"""Limits of approval, and what was asked for just under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from ..domain.errors import StornoError, UsageError
from ..domain.finding import Asked, UnderLimit, near_limit, together_over_limit
from ..domain.policy import ReversalPolicy
from ..execution.on_failure import SYSTEM
from ..storage.queries.limits import Requested, requested_reversals
from .found import Document, parse_amount
from .render import moment, say
from .taking import definition_of, policy_of

if TYPE_CHECKING:
    from ..execution.project import Project
    from ..storage.queries.entries import Chosen
    from ..storage.store import Store

Limits = Mapping[str, Decimal]


def limits_given(words: Sequence[str]) -> dict[str, Decimal]:
    """``EUR=10000`` as currency to amount.

    Raises:
        UsageError: it is not written so.
    """
    given: dict[str, Decimal] = {}
    for word in words:
        currency, equals, amount = word.partition("=")
        if not equals or not currency:
            raise UsageError(f"--approval-limit {word}: write CODE=AMOUNT, such as EUR=10000.")
        given[currency] = parse_amount(amount, "--approval-limit")
    return given


def limits_of(project: Project, given: Limits) -> Callable[[str], Limits]:
    """From a job's name to its limits: those that were given, else its own, else the project's."""

    @lru_cache(maxsize=1_024)
    def limits(job: str) -> Limits:
        return given or _policy(project, job).limits

    return limits


def _policy(project: Project, job: str) -> ReversalPolicy:
    try:
        return policy_of(project, definition_of(project, job))
    except StornoError as error:
        say(f"What job {job} says about approvals cannot be read: {error}")
        return project.reversals


def under_limits(
    store: Store, chosen: Chosen, limits: Callable[[str], Limits], percent: str, days: int
) -> Iterator[Document]:
    """What was asked for just under a limit: near ones in order, then those that are together."""
    share = parse_amount(percent, "--percent")
    requested = {
        each.reversal: each
        for each in requested_reversals(store, chosen.span)
        if _is_meant(each, chosen)
    }
    asked = [
        Asked(each.reversal, each.recorded_at, each.request, limits(each.request.job), each.stands)
        for each in requested.values()
    ]
    if asked and not any(each.limits for each in asked):
        say(
            "Nothing says up to which amount reversals need no approval: name the limit that was "
            "in force with --approval-limit CODE=AMOUNT."
        )
    for found in (*near_limit(asked, share), *together_over_limit(asked, days)):
        yield _document(found, requested)


def _is_meant(each: Requested, chosen: Chosen) -> bool:
    """Not what a job's rule asks for by itself when a run fails: nobody chose its amount."""
    request = each.request
    return (
        request.actor.name != SYSTEM
        and chosen.actor in (None, request.actor.name)
        and chosen.job in (None, request.job)
        and chosen.run in (None, f"{request.job}/{request.run}")
    )


def _document(found: UnderLimit, requested: Mapping[str, Requested]) -> Document:
    first = requested[found.asked[0].reversal]
    return {
        "finding": found.kind,
        "recorded": moment(first.recorded_at),
        "position": first.position,
        "commit": first.commit_number,
        "actor": first.request.actor.name,
        "job": first.request.job,
        "currency": found.currency,
        "amount": f"{found.amount:f}",
        "limit": f"{found.limit:f}",
        "reversals": [
            {
                "reversal": each.reversal,
                "run": f"{each.request.job}/{each.request.run}",
                "recorded": moment(each.recorded_at),
                "amount": f"{each.amount(found.currency):f}",
                "reason": f"{each.request.code}: {each.request.text}",
                "rejected": not each.stands,
            }
            for each in found.asked
        ],
    }
