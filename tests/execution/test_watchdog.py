"""The time limit: it ends Python code where it is, and tells one record from the next."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable

import pytest

from storno.execution.watchdog import RecordTimeoutError, Watchdog

LIMIT = 0.2


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def work(watchdog: Watchdog, act: Callable[[], object], times: int = 1) -> None:
    """Act for some records, one after the other."""
    with watchdog.watching(), watchdog.guarding():
        for _ in range(times):
            watchdog.record = object()
            act()
            watchdog.record = None


def test_a_record_over_its_limit_is_ended() -> None:
    with pytest.raises(RecordTimeoutError, match=r"longer than 0\.2 seconds"):
        work(Watchdog(LIMIT), lambda: wait(60))


def test_short_records_are_left_alone_however_many() -> None:
    work(Watchdog(LIMIT), lambda: wait(LIMIT / 4), times=12)


def test_the_second_of_two_is_ended_too() -> None:
    watchdog = Watchdog(LIMIT)
    for _ in range(2):
        with pytest.raises(RecordTimeoutError):
            work(watchdog, lambda: wait(60))


def test_between_records_nothing_is_ended() -> None:
    watchdog = Watchdog(LIMIT)
    with watchdog.watching():
        wait(LIMIT * 3)


def test_without_a_limit_nobody_looks() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with Watchdog(None).watching():
        assert signal.getsignal(signal.SIGALRM) is before
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_everything_is_put_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ValueError, match="no"), Watchdog(LIMIT).watching():
        raise ValueError("no")

    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_in_another_thread_it_does_not_watch() -> None:
    failed: list[BaseException] = []

    def in_thread() -> None:
        try:
            work(Watchdog(LIMIT), lambda: wait(LIMIT * 2))
        except BaseException as error:  # noqa: BLE001 - none is expected
            failed.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()

    assert not failed


def test_an_error_of_the_time_limit_is_an_interrupt_too() -> None:
    """psycopg cancels a statement that a KeyboardInterrupt hits, and no other exception."""
    assert issubclass(RecordTimeoutError, KeyboardInterrupt)
    assert issubclass(RecordTimeoutError, Exception)


@pytest.mark.parametrize("limit", [LIMIT, 3600.0])
def test_the_guard_is_down_afterwards(limit: float) -> None:
    work(Watchdog(limit), lambda: None)

    faulthandler.cancel_dump_traceback_later()  # nothing is left to cancel, and nothing hangs
