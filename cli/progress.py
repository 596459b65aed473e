"""What is seen of a run while it runs: a bar on a terminal, else a line every ten seconds.

Both are drawn when a chunk is committed and by no thread of their own: a second thread that wakes
up for the picture would take time from the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from ..execution.results import Observer
from .pace import Pace
from .render import counted, duration, is_watched, say, stderr

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..domain.events import Counts
    from ..domain.ids import RunId

LINE_SECONDS: Final = 10.0
PICTURE_SECONDS: Final = 0.1


class Display(Observer, Protocol):
    """An observer of a run that also closes."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def display(title: str | None = None) -> Display:
    """The display that suits where stderr goes.

    Args:
        title: what is worked on, where it is not the run itself.
    """
    return Bar(title) if is_watched() else Lines(title)


class _Watching:
    """What both displays know of the run."""

    def __init__(self, title: str | None) -> None:
        self.title = title or ""
        self.begun = False
        self.size: int | None = None
        self.position = 0
        self.pace = Pace()
        self.failed = 0
        self.read = 0
        self.shown_at = monotonic()

    def begin(self, run: RunId, size: int | None, position: int) -> None:
        self.title = self.title or str(run)
        if self.begun:  # a run that failed, whose job says that it takes itself back
            self.title = f"The reversal of {run}"
        self.begun = True
        self.size, self.position = size, position

    def advance(self, counts: Counts, position: int | None, every_seconds: float) -> bool:
        """Take note of a commit; whether it is time to show something."""
        now = monotonic()
        self.pace.note(now, counts.read, position)
        self.read, self.failed = counts.read, counts.failed
        self.position = self.position if position is None else position
        if now - self.shown_at < every_seconds:
            return False
        self.shown_at = now
        return True

    @property
    def percent(self) -> str:
        if not self.size:
            return ""
        return f"{min(100, self.position * 100 // self.size)}%"

    @property
    def facts(self) -> str:
        """``12,000 records, 48,210/s, 8.1 s left, 3 failed``."""
        parts = [counted(self.read, "record")]
        if pace := self.pace.records_per_second:
            parts.append(f"{pace:,.0f}/s")
        left = self.pace.seconds_left(self.size)
        if left is not None:
            parts.append(f"{duration(left)} left")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        return ", ".join(parts)


class Lines:
    """A line every ten seconds, for logs."""

    def __init__(self, title: str | None = None) -> None:
        self._watching = _Watching(title)

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int
    ) -> None:
        """Say once that it begins."""
        self._watching.begin(run, size, position)
        say(_beginning(self._watching.title, attempt, resumed))

    def committed(self, counts: Counts, position: int | None) -> None:
        """Say how far it is, if it has been quiet for long enough."""
        watching = self._watching
        if watching.advance(counts, position, LINE_SECONDS):
            parts = (watching.percent, watching.facts)
            say(f"{watching.title}: {', '.join(part for part in parts if part)}")

    def retrying(self, error: str, tries: int, delay_seconds: float) -> None:
        """Say so at once."""
        say(f"{self._watching.title}: {_retrying(error, tries, delay_seconds)}")

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """A bar with rate, time left and failures so far."""

    def __init__(self, title: str | None = None) -> None:
        self._watching = _Watching(title)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def started(
        self, run: RunId, attempt: int, resumed: bool, size: int | None, position: int
    ) -> None:
        """Draw the bar where the run goes on."""
        from rich.progress import BarColumn, Progress, TextColumn

        self.close()
        self._watching.begin(run, size, position)
        columns = [TextColumn("{task.description}", style="bold")]
        bar = [BarColumn(bar_width=32), TextColumn("{task.fields[percent]:>4}")] if size else []
        facts = TextColumn("{task.fields[facts]}", style="dim")
        self._progress = Progress(
            *columns, *bar, facts, console=stderr(), auto_refresh=False, transient=True
        )
        if resumed or attempt > 1:
            say(_beginning(self._watching.title, attempt, resumed))
        self._task = self._progress.add_task(
            self._watching.title,
            total=size,
            completed=position,
            percent=self._watching.percent,
            facts="",
        )
        self._progress.start()
        self._progress.refresh()

    def committed(self, counts: Counts, position: int | None) -> None:
        """Draw it anew, ten times a second at most."""
        watching = self._watching
        if self._progress is None or self._task is None:
            return
        if watching.advance(counts, position, PICTURE_SECONDS):
            self._progress.update(
                self._task,
                completed=watching.position,
                percent=watching.percent,
                facts=watching.facts,
                refresh=True,
            )

    def retrying(self, error: str, tries: int, delay_seconds: float) -> None:
        """Leave a line above the bar."""
        say(_retrying(error, tries, delay_seconds))

    def close(self) -> None:
        """Take the bar away; the summary says it all."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@contextmanager
def steps(title: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how much of a long command is done: gives a function of the done and of all."""
    if not is_watched():
        yield _step_lines(title)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", style="bold"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=stderr(), auto_refresh=False, transient=True) as progress:
        task = progress.add_task(title, total=None)
        shown_at = 0.0

        def draw(done: int, total: int) -> None:
            nonlocal shown_at
            if monotonic() - shown_at >= PICTURE_SECONDS:
                shown_at = monotonic()
                progress.update(task, completed=done, total=total, refresh=True)

        yield draw


def _step_lines(title: str) -> Callable[[int, int], None]:
    shown_at = monotonic()

    def line(done: int, total: int) -> None:
        nonlocal shown_at
        if monotonic() - shown_at >= LINE_SECONDS:
            shown_at = monotonic()
            say(f"{title}: {done:,} of {total:,}")

    return line


def _beginning(title: str, attempt: int, resumed: bool) -> str:
    verb = "goes on" if resumed else "begins"
    return f"{title} {verb}" + (f" (attempt {attempt})" if attempt > 1 else "")


def _retrying(error: str, tries: int, delay_seconds: float) -> str:
    return f"trying again in {duration(delay_seconds)} (try {tries} failed: {error})"
