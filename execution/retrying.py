"""Retries: the one module that uses tenacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from ..domain.errors import StoreUnavailableError
from .policies import Retry
from .signals import Notice

T = TypeVar("T")

STORE_PATIENCE_SECONDS = 60.0
"""How long a store that does not answer is tried again: a restart, a failover."""


class InterruptedRetryError(Exception):
    """A stop was asked for while waiting for the next try."""


def call(
    function: Callable[[int], T],
    policy: Retry,
    *,
    transient: type[Exception],
    interrupt: Notice,
    waiting: Callable[[BaseException, int, float], None],
) -> T:
    """Call ``function(tries)`` until it does not raise a transient error.

    Args:
        policy: how often and how long to wait.
        transient: the error that is worth another try.
        interrupt: set to end the waiting.
        waiting: told the error, the number of tries so far, and the delay in seconds.

    Raises:
        InterruptedRetryError: the wait was interrupted.
        Exception: the last error, when the tries are used up.
    """
    wait = (tenacity.wait_random_exponential if policy.jitter else tenacity.wait_exponential)(
        multiplier=policy.first_delay_seconds, exp_base=policy.factor, max=policy.cap_seconds
    )

    def sleep(seconds: float) -> None:
        if interrupt.wait(seconds):
            raise InterruptedRetryError

    def before_sleep(state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None, "a retry follows an outcome"
        error = state.outcome.exception()
        assert error is not None, "a retry follows an error"
        waiting(error, state.attempt_number, state.upcoming_sleep)

    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(transient),
        stop=tenacity.stop_after_attempt(policy.retries + 1),
        wait=wait,
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    ):
        with attempt:
            return function(attempt.retry_state.attempt_number)
    raise AssertionError("tenacity returns or raises")


def store_call(function: Callable[[], T]) -> T:
    """Call until the store answers, for a minute at most."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StoreUnavailableError),
        stop=tenacity.stop_after_delay(STORE_PATIENCE_SECONDS),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        reraise=True,
    )
    return retrying(function)
