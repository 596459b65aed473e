"""Rate and time left, from marks at given times."""

from __future__ import annotations

import pytest

from storno.cli.pace import WINDOW_SECONDS, Pace


def test_one_mark_tells_nothing() -> None:
    pace = Pace()
    pace.note(10.0, 1_000, 50_000)

    assert pace.records_per_second is None
    assert pace.seconds_left(100_000) is None


def test_two_marks_tell_the_rate_and_the_time_left() -> None:
    pace = Pace()
    pace.note(10.0, 1_000, 50_000)
    pace.note(12.0, 3_000, 150_000)

    assert pace.records_per_second == pytest.approx(1_000)
    assert pace.seconds_left(250_000) == pytest.approx(2.0)


def test_a_slow_start_is_forgotten() -> None:
    pace = Pace()
    pace.note(0.0, 0, 0)
    pace.note(100.0, 10, 100)
    pace.note(100.0 + WINDOW_SECONDS, 10 + 1_000, 100 + 1_000)

    assert pace.records_per_second == pytest.approx(1_000 / WINDOW_SECONDS)


def test_without_a_size_nobody_knows_the_end() -> None:
    pace = Pace()
    pace.note(0.0, 0, None)
    pace.note(1.0, 100, None)

    assert pace.records_per_second == pytest.approx(100)
    assert pace.seconds_left(None) is None


def test_more_read_than_the_size_is_the_end() -> None:
    pace = Pace()
    pace.note(0.0, 0, 0)
    pace.note(1.0, 100, 1_200)

    assert pace.seconds_left(1_000) == 0
