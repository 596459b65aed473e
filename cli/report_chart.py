"""How far a run had come at which time: a chart as SVG, without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .html import Html, tag
from .render import clock

WIDTH: Final = 720
HEIGHT: Final = 200
LEFT: Final = 76
RIGHT: Final = 16
TOP: Final = 14
BOTTOM: Final = 30
POINTS: Final = 400
"""Of a long run only so many of its chunks are drawn, evenly spread."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run had come.

    Attributes:
        points: times in microseconds, and how many records had been read by then.
        starts: when attempts began.
    """

    points: Sequence[tuple[int, int]]
    starts: Sequence[int]


def chart(progress: Progress) -> Html:
    """The chart; a remark where there is nothing to draw."""
    if not progress.starts or not progress.points or not progress.points[-1][1]:
        return tag("p", "No chunk was committed.", class_="quiet")
    scale = _Scale.of(progress)
    drawn = _thinned([(progress.starts[0], 0), *progress.points])
    corners = [(scale.x(time), scale.y(records)) for time, records in drawn]
    # Records come with their chunk's commit, all at once: steps, not slopes.
    steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y in corners[1:])
    line = f"M{corners[0][0]:.1f},{corners[0][1]:.1f}{steps}H{WIDTH - RIGHT}"
    floor = HEIGHT - BOTTOM
    return tag(
        "svg",
        tag("title", _caption(progress)),
        _axes(scale),
        [_start(scale.x(time)) for time in progress.starts[1:]],
        tag("path", class_="area", d=f"{line}V{floor}H{corners[0][0]:.1f}Z"),
        tag("path", class_="line", d=line),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    begin: int
    end: int
    records: int

    @classmethod
    def of(cls, progress: Progress) -> _Scale:
        begin = progress.starts[0]
        end = max(progress.points[-1][0], *progress.starts, begin + 1)
        return cls(begin, end, progress.points[-1][1])

    def x(self, time: int) -> float:
        share = (time - self.begin) / (self.end - self.begin)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, records: int) -> float:
        return HEIGHT - BOTTOM - records / self.records * (HEIGHT - TOP - BOTTOM)


def _axes(scale: _Scale) -> Html:
    floor, top = HEIGHT - BOTTOM, TOP
    half = scale.records // 2
    levels = [0, half, scale.records] if half else [0, scale.records]
    grid = [
        tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}")
        for y in map(scale.y, levels)
    ]
    numbers = [
        tag("text", f"{level:,}", x=LEFT - 8, y=f"{scale.y(level) + 4:.1f}", text_anchor="end")
        for level in levels
    ]
    times = [
        tag("text", clock(scale.begin), x=LEFT, y=floor + 20, text_anchor="start"),
        tag("text", clock(scale.end), x=WIDTH - RIGHT, y=floor + 20, text_anchor="end"),
    ]
    label = tag("text", "records", x=LEFT + 6, y=top + 12, class_="label", text_anchor="start")
    return tag("g", grid, numbers, times, label)


def _start(x: float) -> Html:
    """Where a further attempt begins."""
    return tag("line", class_="start", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP, y2=HEIGHT - BOTTOM)


def _thinned(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(points) <= POINTS:
        return points
    step = (len(points) - 1) / (POINTS - 1)
    return [points[round(index * step)] for index in range(POINTS)]


def _caption(progress: Progress) -> str:
    last, records = progress.points[-1]
    return f"{records:,} records read between {clock(progress.starts[0])} and {clock(last)}"
