"""Retries: how often, how long between two, and what ends them."""

from __future__ import annotations

import pytest

from storno import Retry
from storno.domain.errors import StoreUnavailableError
from storno.execution import retrying
from storno.execution.retrying import InterruptedRetryError
from storno.execution.signals import StopFlag
from storno.execution.work import TransientError


class Trial:
    """Fails some times, and notes what it is told; a wait is over at once, or never begins."""

    def __init__(self, failures: int, policy: Retry, *, stops_at: int | None = None) -> None:
        self.failures = failures
        self.policy = policy
        self.tries: list[int] = []
        self.delays: list[float] = []
        self.flag = StopFlag()
        self._stops_at = stops_at

    def __call__(self, number: int) -> str:
        self.tries.append(number)
        if number <= self.failures:
            raise TransientError(f"failure {number}")
        return "done"

    def run(self) -> str:
        def waiting(error: BaseException, tries: int, delay: float) -> None:
            assert str(error) == f"failure {tries}"
            self.delays.append(delay)
            if tries == self._stops_at:
                self.flag.set("stop")

        return retrying.call(
            self,
            self.policy,
            transient=TransientError,
            interrupt=self.flag.event,
            waiting=waiting,
        )


def at_once(**settings: float) -> Retry:
    return Retry(**({"first_delay_seconds": 0.0} | settings))  # type: ignore[arg-type]


def test_what_works_at_once_is_called_once() -> None:
    trial = Trial(0, at_once())

    assert trial.run() == "done"
    assert trial.tries == [1]


@pytest.mark.parametrize(("failures", "retries"), [(1, 3), (3, 3), (2, 2)])
def test_it_is_tried_until_it_works(failures: int, retries: int) -> None:
    trial = Trial(failures, at_once(retries=retries))

    assert trial.run() == "done"
    assert trial.tries == list(range(1, failures + 2))


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_the_last_error_is_raised_when_tries_are_used_up(retries: int) -> None:
    trial = Trial(99, at_once(retries=retries))

    with pytest.raises(TransientError, match=f"failure {retries + 1}"):
        trial.run()
    assert len(trial.tries) == retries + 1


def test_delays_grow_to_their_cap() -> None:
    policy = Retry(retries=6, first_delay_seconds=0.001, factor=2, cap_seconds=0.01, jitter=False)
    trial = Trial(6, policy)
    trial.run()

    assert trial.delays == [0.001, 0.002, 0.004, 0.008, 0.01, 0.01]


def test_jitter_draws_from_nothing_to_the_delay() -> None:
    policy = Retry(retries=6, first_delay_seconds=0.001, factor=2, cap_seconds=0.01)
    trial = Trial(6, policy)
    trial.run()

    for delay, most in zip(trial.delays, [0.001, 0.002, 0.004, 0.008, 0.01, 0.01], strict=True):
        assert 0 <= delay <= most


def test_a_stop_ends_the_waiting() -> None:
    trial = Trial(9, Retry(retries=9, first_delay_seconds=3600, jitter=False), stops_at=1)

    with pytest.raises(InterruptedRetryError):
        trial.run()
    assert trial.tries == [1]


def test_other_errors_are_not_tried_again() -> None:
    calls: list[int] = []

    def broken(number: int) -> None:
        calls.append(number)
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        retrying.call(
            broken,
            at_once(),
            transient=TransientError,
            interrupt=StopFlag().event,
            waiting=lambda error, tries, delay: None,
        )
    assert calls == [1]


def test_the_store_is_asked_again() -> None:
    left = [StoreUnavailableError("restarting"), StoreUnavailableError("restarting")]

    def ask() -> str:
        if left:
            raise left.pop()
        return "answer"

    assert retrying.store_call(ask) == "answer"
