"""Commits are taken in order, whoever works out their roots and however long that takes."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from storno.storage.dialect import Commit
from storno.storage.verification import ahead
from storno.storage.verification.ahead import Ahead, Portion, portions
from storno.storage.verification.roots import Stretch
from storno.storage.verification.second import MOST_UNDER_WAY, SecondProcess


def _commit(number: int, first_position: int, count: int) -> Commit:
    return Commit(number, first_position, count, 0, bytes(32), bytes(32))


def _cut(commits: list[Commit], **given: Any) -> list[Stretch | None]:
    last_position = max((each.last_position for each in commits), default=0)
    limits = {"skipped": 0, "last_position": last_position} | given
    return [each.stretch for each in portions([(each, []) for each in commits], **limits)]


def _row(sizes: list[int]) -> list[Commit]:
    """Commits behind one another."""
    commits: list[Commit] = []
    for number, count in enumerate(sizes, 1):
        first = commits[-1].last_position + 1 if commits else 1
        commits.append(_commit(number, first, count))
    return commits


def test_commits_go_together_up_to_a_limit_and_a_larger_one_by_itself(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(ahead, "EVENTS_AT_ONCE", 10)
    assert _cut(_row([4, 6, 1, 30, 10, 2])) == [
        Stretch(1, [4, 6], True), Stretch(11, [1], False), Stretch(12, [30], False),
        Stretch(42, [10], False), Stretch(52, [2], False),
    ]  # fmt: skip
    monkeypatch.setattr(ahead, "COMMITS_AT_ONCE", 2)
    assert [each and each.counts for each in _cut(_row([1] * 5))] == [[1, 1], [1, 1], [1]]
    assert _cut([]) == []


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(_commit(2, 3, 0), id="without events"),
        pytest.param(_commit(2, 3, -5), id="less than none"),
        pytest.param(_commit(2, 0, 2), id="before the first position"),
        pytest.param(_commit(2, 3, 2**62), id="further than there are events"),
    ],
)
def test_a_commit_that_cannot_be_is_nothing_to_work_out(odd: Commit):
    cut = _cut([_commit(1, 1, 2), odd, _commit(3, 5, 2)], last_position=6)
    assert cut == [Stretch(1, [2], True), None, Stretch(5, [2], False)]


def test_commits_with_a_gap_between_them_are_no_stretch():
    assert _cut([_commit(1, 1, 2), _commit(2, 4, 2)]) == [
        Stretch(1, [2], True), Stretch(4, [2], False),
    ]  # fmt: skip


def test_commits_that_are_skipped_are_nothing_to_work_out():
    assert _cut(_row([2, 2, 2]), skipped=2) == [None, Stretch(5, [2], False)]


class _Second(SecondProcess):
    """Answers when it is waited for, and no sooner, or whenever it is asked."""

    def __init__(self, *, prompt: bool) -> None:
        self.given: list[Stretch] = []
        self._prompt = prompt
        self._waiting: deque[Stretch] = deque()

    def wants_more(self) -> bool:
        return len(self._waiting) < MOST_UNDER_WAY

    def give(self, stretch: Stretch) -> None:
        self.given.append(stretch)
        self._waiting.append(stretch)

    def has_answered(self) -> bool:
        return self._prompt and bool(self._waiting)

    def answer(self) -> list[bytes]:
        return _roots(self._waiting.popleft())


def _roots(stretch: Stretch) -> list[bytes]:
    return [b"%d" % (stretch.first_position + index) for index, _ in enumerate(stretch.counts)]


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_commits_come_in_order_with_their_own_roots(
    monkeypatch: pytest.MonkeyPatch, count: int, prompt: bool
):
    monkeypatch.setattr(ahead, "EVENTS_AT_ONCE", 2)
    here: list[Stretch] = []

    def roots(stretch: Stretch) -> list[bytes]:
        here.append(stretch)
        return _roots(stretch)

    second = _Second(prompt=prompt)
    commits = [(each, []) for each in _row([1] * 2 * count)]
    found = portions(commits, skipped=0, last_position=2 * count)
    taken = list(Ahead(found, roots, second).commits())

    assert [(commit.number, root) for commit, _, root in taken] == [
        (number, b"%d" % number) for number in range(1, 2 * count + 1)
    ]
    assert len(here) + len(second.given) == count
    assert count < 2 or second.given


def test_a_part_that_came_to_nothing_leaves_its_commits_without_roots():
    found: list[Portion] = list(portions([(_commit(1, 1, 1), [])], skipped=0, last_position=1))
    ((_, _, root),) = Ahead(iter(found), lambda _: [], None).commits()
    assert root is None
