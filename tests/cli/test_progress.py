"""What is shown of a run without a terminal: a line for the start, for retries, and in between."""

from __future__ import annotations

import pytest

from storno.cli.progress import Lines, steps
from storno.domain.events import Counts
from storno.domain.ids import RunId

RUN = RunId("payments", "2026-01")


def test_a_line_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storno.cli.progress.LINE_SECONDS", 0.0)
    lines = Lines()

    lines.started(RUN, attempt=2, resumed=True, size=1_000, position=100)
    lines.committed(Counts(read=1_500, succeeded=1_497, failed=3), 250)
    lines.close()

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "payments/2026-01 goes on (attempt 2)",
        "payments/2026-01: 25%, 1,500 records, 3 failed",
    ]


def test_it_is_quiet_for_as_long_as_it_promises(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storno.cli.progress.LINE_SECONDS", 3_600.0)
    lines = Lines()

    lines.started(RUN, attempt=1, resumed=False, size=None, position=0)
    for read in range(1_000, 9_000, 1_000):
        lines.committed(Counts(read=read, succeeded=read), None)

    assert capsys.readouterr().err == "payments/2026-01 begins\n"


def test_a_retry_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()

    lines.started(RUN, attempt=1, resumed=False, size=None, position=0)
    lines.retrying("TimeoutError: the bank did not answer", tries=1, delay_seconds=2.0)

    assert "trying again in 2.00 s (try 1 failed: TimeoutError" in capsys.readouterr().err


def test_long_commands_tell_their_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storno.cli.progress.LINE_SECONDS", 0.0)

    with steps("rebuilding the views") as step:
        step(1_000, 4_000)

    assert capsys.readouterr().err == "rebuilding the views: 1,000 of 4,000\n"
