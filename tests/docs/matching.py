"""Comparing what a page shows with what came out.

Both sides are normalised first: what differs from run to run (durations, rates, times, ids)
becomes a word in angle brackets, and the widths of columns and rules do not count. Amounts, counts
and dates are never normalised: they are what a page is about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_NORMAL: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\x1b\[[0-9;]*m", ""),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,128}\b", "<hex>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d| UTC)?", "<time>"),
        (r"\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?\b", "<duration>"),
        (r'("seconds": )[\d.e-]+', r"\1<duration>"),
        (
            rf"~?{_NUMBER}k? ?(records|rows|events|commits)(?:/s| a second| per second)",
            r"<rate> \1",
        ),
        (rf"(?<![\w.])(?:{_NUMBER} ?(?:h|min|m|s|ms|us|µs|seconds?|minutes?)\b ?)+", "<duration> "),
        (r"[─━═╌┄-]{3,}", "---"),
        (r"[ \t]+", " "),
    )
)


def normal(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, word in _NORMAL:
        line = pattern.sub(word, line)
    return line.strip()


def matches(shown: Sequence[str], came: Sequence[str]) -> bool:
    """Whether the lines shown are those that came out, up to normalisation.

    A line ``...`` in ``shown`` stands for any number of lines, also none; ``...`` within a line for
    any text. Blank lines at either end do not count.
    """
    wanted = [_pattern(line) for line in _trimmed(shown)]
    lines = _trimmed(came)
    reachable = {0}  # how many of `lines` the patterns so far can account for
    for pattern in wanted:
        if pattern is None:
            reachable = set(range(min(reachable, default=len(lines) + 1), len(lines) + 1))
        else:
            reachable = {
                count + 1
                for count in reachable
                if count < len(lines) and pattern.fullmatch(lines[count])
            }
    return len(lines) in reachable


def _pattern(line: str) -> re.Pattern[str] | None:
    if line == "...":
        return None
    return re.compile(".*".join(re.escape(part) for part in line.split("...")))


def _trimmed(lines: Sequence[str]) -> list[str]:
    return "\n".join(normal(line) for line in lines).strip("\n").split("\n")
