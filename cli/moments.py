"""Points in time and days, as people and scripts write them."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from ..domain.errors import UsageError

_AGO: Final = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_moment(text: str, option: str, *, now: dt.datetime) -> int:
    """A point in time, as microseconds since 1970 UTC.

    Args:
        text: ``2026-01-31``, ``2026-01-31T22:04:05Z`` (UTC where no zone is given), or how long
            ago, such as ``2h`` or ``7d``.
        option: the flag it was given with, for the message.
        now: against which "ago" counts.

    Raises:
        UsageError: it is none of these.
    """
    if ago := _AGO.fullmatch(text):
        moment = now - dt.timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    else:
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"{option} {text}: write a day (2026-01-31), a time (2026-01-31T22:04:05Z), "
                "or how long ago (2h, 7d)."
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))


def parse_as_of(text: str, option: str, *, now: dt.datetime) -> int:
    """A point in time up to which something is asked for; a day is meant with its last moment.

    Raises:
        UsageError: it is none.
    """
    if _DAY.fullmatch(text):
        return parse_moment(f"{text}T23:59:59.999999", option, now=now)
    return parse_moment(text, option, now=now)


def parse_day(text: str, option: str) -> dt.date:
    """A day.

    Raises:
        UsageError: it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write a day as 2026-01-31.") from None
