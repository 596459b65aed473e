"""Every class of error has the exit code that scripts rely on, and words for people."""

from __future__ import annotations

import sys

import pytest

from storno.cli.errors import exit_code, report
from storno.domain import errors
from storno.domain.errors import StornoError

CODES = [
    (errors.UsageError("x"), 2),
    (errors.DefinitionError("x"), 2),
    (errors.NotAllowedError("x"), 4),
    (errors.CheckFailedError("x"), 5),
    (errors.NotFoundError("x"), 6),
    (errors.StoreMissingError("x"), 6),
    (errors.ConflictError("x"), 7),
    (errors.InputChangedError("x"), 7),
    (errors.StreamConflictError("x"), 7),
    (errors.StoreBusyError("x"), 7),
    (errors.SourceError("x"), 1),
    (errors.StoreError("x"), 1),
    (errors.SchemaVersionError("x"), 1),
    (StornoError("x"), 1),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda each: type(each).__name__)
def test_exit_codes(error: StornoError, code: int) -> None:
    assert exit_code(error) == code


def test_an_interruption_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt(), ["run"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_message_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    report(StornoError("account [red]x[/] of " + "long " * 60 + "end"), ["run"])

    told = capsys.readouterr().err
    assert "[red]x[/]" in told
    assert told.count("\n") == 1


def failed() -> ValueError:
    try:
        raise ValueError("seven is not prime")
    except ValueError as error:
        return error


def test_a_defect_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORNO_DEBUG", raising=False)

    assert report(failed(), ["runs"]) == 1
    plain = capsys.readouterr().err
    assert "ValueError: seven is not prime" in plain
    assert "--debug" in plain
    assert "Traceback" not in plain


@pytest.mark.parametrize(("words", "variable"), [(["runs", "--debug"], ""), (["runs"], "1")])
def test_a_traceback_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variable: str,
) -> None:
    monkeypatch.setenv("STORNO_DEBUG", variable)

    report(failed(), words)

    assert "Traceback" in capsys.readouterr().err
    assert sys.exc_info() == (None, None, None)
