"""Isolation: a function is called in a child, and whatever it does there, the parent learns."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import structlog

from storno import Record
from storno.execution.context import Context
from storno.execution.isolation import Isolated, IsolatedError, ProcessDiedError
from storno.execution.watchdog import RecordTimeoutError


class Job(Record):
    """A record that says what is to be done with it."""

    what: str


class HeldError(Exception):
    """Cannot be handed over: it holds a lock."""

    def __init__(self) -> None:
        super().__init__("held")
        self.lock = threading.Lock()


class PickyError(Exception):
    """Can be written, and not be read again."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail(error: BaseException) -> Any:
    raise error


CONTEXT = Context(
    job="job", run="job/once", parameters=None, attempt=1, logger=structlog.get_logger()
)
ACTS: dict[str, Callable[[], Any]] = {
    "answer": lambda: 42,
    "pid": os.getpid,
    "nothing": lambda: None,
    "raise": lambda: fail(ValueError("no")),
    "exit politely": lambda: sys.exit("enough"),
    "end of file": lambda: fail(EOFError("mine")),
    "broken pipe": lambda: fail(BrokenPipeError("mine")),
    "raise what is held": lambda: fail(HeldError()),
    "raise what is picky": lambda: fail(PickyError("this", "that")),
    "answer what is held": threading.Lock,
    "a big answer": lambda: "x" * 5_000_000,
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "spin": lambda: threading.Event().wait(),
    "key": lambda: (CONTEXT.key, CONTEXT.posting, CONTEXT.tries, CONTEXT.idempotency_key),
}


@pytest.fixture
def isolated() -> Iterator[Isolated]:
    isolated = Isolated(lambda record: ACTS[cast("Job", record).what](), 0.4, CONTEXT)
    yield isolated
    isolated.close()


@pytest.mark.parametrize(
    ("what", "answer"), [("answer", 42), ("nothing", None), ("a big answer", "x" * 5_000_000)]
)
def test_the_answer_comes_back(isolated: Isolated, what: str, answer: object) -> None:
    assert isolated(Job(what=what)) == answer


def test_one_child_serves_many_records(isolated: Isolated) -> None:
    pids = {isolated(Job(what="pid")) for _ in range(5)}

    assert len(pids) == 1
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("what", "error", "told"),
    [
        ("raise", ValueError, "no"),
        ("exit politely", SystemExit, "enough"),
        ("end of file", EOFError, "mine"),
        ("broken pipe", BrokenPipeError, "mine"),
        ("spin", RecordTimeoutError, "took longer than 0.4 seconds"),
        ("raise what is held", IsolatedError, "held"),
        ("raise what is picky", IsolatedError, "this and that"),
        ("answer what is held", IsolatedError, "cannot pickle"),
    ],
)
def test_errors_come_back_and_the_child_lives(
    isolated: Isolated, what: str, error: type[BaseException], told: str
) -> None:
    before = isolated(Job(what="pid"))

    with pytest.raises(error, match=told):
        isolated(Job(what=what))

    assert isolated(Job(what="pid")) == before


def test_an_error_that_cannot_be_handed_over_keeps_its_name(isolated: Isolated) -> None:
    with pytest.raises(IsolatedError) as error:
        isolated(Job(what="raise what is held"))

    assert error.value.code == "HeldError"


@pytest.mark.parametrize(("what", "how"), [("exit", "exit code 3"), ("kill", "signal SIGKILL")])
def test_a_child_that_dies_is_replaced(isolated: Isolated, what: str, how: str) -> None:
    before = isolated(Job(what="pid"))

    with pytest.raises(ProcessDiedError, match=how):
        isolated(Job(what=what))

    assert isolated(Job(what="pid")) != before


def test_the_child_knows_which_record_it_is_at(isolated: Isolated) -> None:
    told = []
    for number in range(3):
        CONTEXT.about(f"INV-{number}", number + 1)
        CONTEXT.tries = 7
        told.append((isolated(Job(what="key")), CONTEXT.idempotency_key))

    for number, ((key, posting, tries, child_key), our_key) in enumerate(told):
        assert (key, posting, tries) == (f"INV-{number}", number + 1, 7)
        assert child_key == our_key
    assert len({our_key for _, our_key in told}) == 3


def test_closing_ends_the_child(isolated: Isolated) -> None:
    pid = isolated(Job(what="pid"))

    isolated.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    isolated.close()
