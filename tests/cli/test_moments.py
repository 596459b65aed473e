"""Times and days as they are typed."""

from __future__ import annotations

import datetime as dt

import pytest

from storno.cli.moments import parse_day, parse_moment
from storno.domain.errors import UsageError

NOW = dt.datetime(2026, 2, 1, 12, 0, tzinfo=dt.UTC)


def micro(*parts: int) -> int:
    return int(dt.datetime(*parts, tzinfo=dt.UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", micro(2026, 1, 31)),
        ("2026-01-31T22:04:05Z", micro(2026, 1, 31, 22, 4, 5)),
        ("2026-01-31T22:04:05+02:00", micro(2026, 1, 31, 20, 4, 5)),
        ("2026-01-31 22:04", micro(2026, 1, 31, 22, 4)),
        ("2026-01-31T22:04:05.123456Z", micro(2026, 1, 31, 22, 4, 5) + 123_456),
        ("90s", micro(2026, 2, 1, 11, 58, 30)),
        ("2h", micro(2026, 2, 1, 10)),
        ("7d", micro(2026, 1, 25, 12)),
    ],
)
def test_moments(text: str, moment: int) -> None:
    assert parse_moment(text, "--since", now=NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "31.01.2026", "2026-02-30", "2y", ""])
def test_what_is_no_moment_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        parse_moment(text, "--since", now=NOW)


def test_days() -> None:
    assert parse_day("2026-01-31", "--from") == dt.date(2026, 1, 31)
    with pytest.raises(UsageError, match="--from 2026-02-30"):
        parse_day("2026-02-30", "--from")
