"""The commits in order, with roots that were worked out ahead of them.

A second process works on every other portion of them, more or less: whoever is done takes the next
portion that nobody has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from ..dialect import Commit
from .problems import Problem
from .roots import Stretch
from .second import SecondProcess

EVENTS_AT_ONCE: Final = 2_500
"""How many events make a portion, at most; a larger commit is one by itself."""

COMMITS_AT_ONCE: Final = 1_000

MOST_AHEAD: Final = 8
"""Portions that are known of at a time: what is in memory of the commits."""

TypedCommit = tuple[Commit, list[Problem]]


class Portion(Struct):
    """Consecutive commits.

    Attributes:
        commits: with what is wrong with their types.
        stretch: what there is to work out for them, None for nothing.
        roots: what it came to, None as long as nobody knows.
        given: whether the second process has it.
    """

    commits: list[TypedCommit] = field(default_factory=list)
    stretch: Stretch | None = None
    roots: list[bytes] | None = None
    given: bool = False

    def add(self, commit: TypedCommit, *, is_plain: bool, begins: bool) -> bool:
        """Take one more commit, unless it does not belong with the others."""
        if not self.commits:
            self.commits.append(commit)
            if is_plain:
                self.stretch = Stretch(commit[0].first_position, [commit[0].count], begins)
            else:
                self.roots = []
            return True
        if is_plain != (self.stretch is not None) or len(self.commits) >= COMMITS_AT_ONCE:
            return False
        if self.stretch is not None:
            start = self.commits[0][0].first_position
            follows = commit[0].first_position == self.commits[-1][0].last_position + 1
            if not follows or commit[0].last_position - start >= EVENTS_AT_ONCE:
                return False
            self.stretch.counts.append(commit[0].count)
        self.commits.append(commit)
        return True


def portions(
    commits: Iterable[TypedCommit], *, skipped: int, last_position: int
) -> Iterator[Portion]:
    """Commits that are worked at together.

    Args:
        commits: of the whole log, in order.
        skipped: the number of the last commit whose events are left unread.
        last_position: of the last event that is stored.
    """
    portion = Portion()
    for commit in commits:
        row, problems = commit
        is_plain = (
            not problems
            and row.number > skipped
            and row.first_position > 0
            and row.count > 0
            and row.last_position <= last_position
        )
        begins = not skipped and row.first_position == 1
        if not portion.add(commit, is_plain=is_plain, begins=begins):
            yield portion
            portion = Portion()
            portion.add(commit, is_plain=is_plain, begins=begins)
    if portion.commits:
        yield portion


class Ahead:
    """Reads portions ahead of whoever takes their commits in order."""

    def __init__(
        self,
        found: Iterator[Portion],
        roots: Callable[[Stretch], list[bytes]],
        second: SecondProcess | None,
    ) -> None:
        """Begin with the first portion.

        Args:
            found: the portions.
            roots: works out a stretch in this process.
            second: the process that does so too, where there is one.
        """
        self._found = found
        self._here = roots
        self._second = second
        self._window: deque[Portion] = deque()
        self._given: deque[Portion] = deque()

    def commits(self) -> Iterator[tuple[Commit, list[Problem], bytes | None]]:
        """Every commit, what is wrong with its types, and its root where there was an answer."""
        self._fill()
        while self._window:
            portion = self._window[0]
            roots: Sequence[bytes | None] = self._roots(portion) or [None] * len(portion.commits)
            self._window.popleft()
            self._fill()
            for (commit, problems), root in zip(portion.commits, roots, strict=True):
                yield commit, problems, root

    def _roots(self, first: Portion) -> list[bytes]:
        while first.roots is None:
            self._hand_out(first)
            mine = first if not first.given else next(self._free(), None)
            if mine is None:
                self._take()
            elif mine.stretch is not None:
                mine.roots = self._here(mine.stretch)
            while self._given and self._second is not None and self._second.has_answered():
                self._take()
        return first.roots

    def _hand_out(self, first: Portion) -> None:
        """Give the second process what comes next behind what this one does now."""
        while self._second is not None and self._second.wants_more():
            free = next((each for each in self._free() if each is not first), None)
            if free is None or free.stretch is None:
                return
            self._second.give(free.stretch)
            free.given = True
            self._given.append(free)

    def _take(self) -> None:
        """Wait for what the second process says of the portion that it had first."""
        assert self._second is not None, "it was given something"
        self._given.popleft().roots = self._second.answer()

    def _free(self) -> Iterator[Portion]:
        return (each for each in self._window if each.roots is None and not each.given)

    def _fill(self) -> None:
        while len(self._window) < MOST_AHEAD and (portion := next(self._found, None)) is not None:
            self._window.append(portion)
