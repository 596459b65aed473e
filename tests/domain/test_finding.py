"""What auditors look for, rule by rule."""

from __future__ import annotations

from decimal import Decimal

import pytest

from storno.domain.entry import PostedLine
from storno.domain.events import Actor
from storno.domain.finding import (
    DAY,
    Asked,
    debits_of,
    is_round,
    near_limit,
    says_nothing,
    together_over_limit,
)
from storno.domain.reversal import NetLine, ReversalRequested

LIMITS = {"EUR": Decimal(10_000), "GBP": Decimal(500)}


@pytest.mark.parametrize(
    "text",
    ["", "  ", "-", "...", "x", "ok", "n/a", " - - ", "xxxxxx", "1111", "Test", "none.", "\t"],
)
def test_texts_that_say_nothing(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize(
    "text", ["rent", "Miete für März", "支払い重複", "testing the new bank", "#4711", "oops"]
)
def test_texts_that_say_something(text: str) -> None:
    assert not says_nothing(text)


def test_how_short_is_too_short_can_be_said() -> None:
    assert not says_nothing("rent", 4)
    assert says_nothing("rent", 5)
    assert not says_nothing("ok", 1)


@pytest.mark.parametrize(
    ("minor", "currency", "exponent", "multiple", "above", "expected"),
    [
        (100_000, "EUR", 2, 1_000, 0, True),
        (-100_000, "EUR", 2, 1_000, 0, True),
        (100_001, "EUR", 2, 1_000, 0, False),
        (10_000, "EUR", 2, 1_000, 0, False),
        (1_000, "JPY", 0, 1_000, 0, True),
        (1_000, "BHD", 3, 1_000, 0, False),
        (1_000_000, "BHD", 3, 1_000, 0, True),
        (0, "EUR", 2, 1_000, 0, False),
        (100_000, "EUR", 2, 1_000, 1_000, False),
        (200_000, "EUR", 2, 1_000, 1_000, True),
        (1_400, "EUR", 2, 7, 0, True),
    ],
)
def test_round_amounts(
    minor: int, currency: str, exponent: int, multiple: int, above: int, expected: bool
) -> None:
    line = PostedLine("rent", "D", minor, currency, exponent)
    assert is_round(line, multiple, Decimal(above)) is expected


def asked(
    name: str,
    day: float,
    *amounts: tuple[str, int],
    actor: str = "ada",
    job: str = "rents",
    approvals: int = 0,
    stands: bool = True,
) -> Asked:
    request = ReversalRequested(
        job=job,
        run="2026-01",
        scope={},
        form="black",
        date=None,
        code="duplicate",
        text="paid twice",
        digest="d",
        as_of=1,
        records=1,
        blocked=0,
        net=tuple(NetLine("main", "bank", code, 2, minor, minor) for code, minor in amounts),
        approvals=approvals,
        actor=Actor(name=actor, os_user=actor, host="host"),
    )
    return Asked(name, int(day * DAY), request, LIMITS, stands)


def near(*each: Asked, percent: int = 10) -> list[str]:
    return [found.asked[0].reversal for found in near_limit(each, Decimal(percent))]


def test_just_under_the_limit() -> None:
    just, exactly = asked("just", 0, ("EUR", 900_000)), asked("exactly", 0, ("EUR", 1_000_000))
    assert near(just, exactly) == ["just", "exactly"]
    assert near(just, exactly, percent=5) == ["exactly"]
    assert near(asked("red", 0, ("EUR", -950_000))) == ["red"]
    assert near(asked("one of two", 0, ("EUR", 100), ("GBP", 49_000))) == ["one of two"]
    [found] = near_limit([asked("two books", 0, ("EUR", 480_000), ("EUR", 480_000))], Decimal(10))
    assert (found.amount, found.limit, found.currency) == (9_600, 10_000, "EUR")


@pytest.mark.parametrize(
    "other",
    [
        asked("a cent too little", 0, ("EUR", 899_999)),
        asked("over it", 0, ("EUR", 1_000_001)),
        asked("somebody agreed", 0, ("EUR", 950_000), approvals=1),
        asked("no limit for it", 0, ("USD", 950_000)),
        asked("another over its limit", 0, ("EUR", 950_000), ("GBP", 50_001)),
        asked("nothing moves", 0),
    ],
    ids=lambda other: other.reversal,
)
def test_not_just_under_the_limit(other: Asked) -> None:
    assert near(other) == []


def together(*each: Asked, days: int = 7) -> list[list[str]]:
    return [[part.reversal for part in found.asked] for found in together_over_limit(each, days)]


def test_several_within_the_limit_that_together_are_over_it() -> None:
    parts = [asked(f"R-{day}", day, ("EUR", 400_000)) for day in range(3)]
    assert together(*parts) == [["R-0", "R-1", "R-2"]]
    assert together(*parts[:2]) == []  # 8,000 of 10,000
    assert together(*parts, days=1) == []
    [found] = together_over_limit(parts, 7)
    assert (found.amount, found.limit) == (12_000, 10_000)


def test_stretches_of_days_are_as_long_as_they_can_be_and_none_is_within_another() -> None:
    parts = [asked(f"R-{day}", day, ("EUR", 600_000)) for day in (0, 1, 2, 9, 20, 27, 27.1)]
    assert together(*parts) == [
        ["R-0", "R-1", "R-2"],
        ["R-2", "R-9"],
        ["R-20", "R-27"],
        ["R-27", "R-27.1"],
    ]


@pytest.mark.parametrize(
    "other",
    [
        asked("by somebody else", 1, ("EUR", 600_000), actor="ben"),
        asked("of another job", 1, ("EUR", 600_000), job="pay"),
        asked("in another currency", 1, ("GBP", 50_000)),
        asked("rejected", 1, ("EUR", 600_000), stands=False),
        asked("somebody agreed", 1, ("EUR", 600_000), approvals=1),
        asked("over it by itself", 1, ("EUR", 1_000_001)),
        asked("to the limit", 1, ("EUR", 400_000)),
        asked("too late", 7.001, ("EUR", 600_000)),
    ],
    ids=lambda other: other.reversal,
)
def test_not_together_over_the_limit(other: Asked) -> None:
    assert together(asked("first", 0, ("EUR", 600_000)), other) == []


def test_what_a_reversal_debits_is_its_debits_without_their_sign() -> None:
    each = asked("R-1", 0, ("EUR", -5), ("EUR", 7), ("GBP", 1))
    assert debits_of(each.request) == {"EUR": (12, 2), "GBP": (1, 2)}
