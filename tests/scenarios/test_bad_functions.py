"""Record functions that misbehave (scenario 41); those that end their process: test_killers.py."""

from __future__ import annotations

import re
import sys
import threading
from typing import Any, NoReturn

import pytest

from storno import Context, Effect, Entry, iterable, job
from storno.domain.errors import DefinitionError
from storno.domain.events import ChunkCompleted, Counts, RecordFailed
from storno.storage.views.batch import NUL_SIGN

from .lab import Lab, Payment, entry_of, ordinal_of, paying, payments


class SilentError(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class LocalError(Exception):
    """Cannot be pickled: it holds a lock."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class OwnCodeError(Exception):
    code = 7


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1) + 1


def spin() -> NoReturn:
    while True:
        threading.Event().wait(0.01)


def swallow_interrupts() -> None:
    try:
        spin()
    except Exception:  # noqa: BLE001 - as functions do
        raise ValueError("gave up") from None


def raising(error: BaseException) -> Any:
    def act() -> NoReturn:
        raise error

    return act


BEHAVIOURS: dict[str, tuple[Any, str, str]] = {
    "raises": (raising(ValueError("no")), "ValueError", "no"),
    "raises without words": (raising(KeyError()), "KeyError", "KeyError"),
    "raises with a NUL": (raising(ValueError("a\0b")), "ValueError", "a\0b"),
    "raises what is no Unicode": (raising(ValueError("\ud800")), "ValueError", r"\ud800"),
    "raises a megabyte": (raising(ValueError("x" * 2**20)), "ValueError", "more characters"),
    "cannot be printed": (raising(SilentError()), "SilentError", "cannot be printed"),
    "cannot be pickled": (raising(LocalError("held")), "LocalError", "held"),
    "has a code of its own": (raising(OwnCodeError("7")), "OwnCodeError", "7"),
    "raises a group": (raising(ExceptionGroup("two", [ValueError("a")])), "ExceptionGroup", "two"),
    "exits": (sys.exit, "SystemExit", "SystemExit"),
    "exits with a text": (lambda: sys.exit("enough"), "SystemExit", "enough"),
    "stops iterating": (raising(StopIteration()), "StopIteration", "StopIteration"),
    "ends its generator": (raising(GeneratorExit()), "GeneratorExit", "GeneratorExit"),
    "asserts": (raising(AssertionError("never")), "AssertionError", "never"),
    "recurses": (recurse, "RecursionError", "maximum recursion depth"),
    "exhausts memory": (lambda: bytearray(1 << 62), "MemoryError", "MemoryError"),
    "sleeps for ever": (spin, "timeout", "took longer than 0.5 seconds"),
    "sleeps and swallows": (swallow_interrupts, "ValueError", "gave up"),
    "backtracks for ever": (
        lambda: re.match(r"(a+)+$", "a" * 64 + "b"), "timeout", "took longer than",
    ),
}  # fmt: skip
"""What the function does, and the code and part of the message of its dead letter."""


@pytest.mark.parametrize("chunk_size", [4, 100])
def test_a_function_that_misbehaves_costs_its_record_only(lab: Lab, chunk_size: int) -> None:
    """Scenario 41."""
    names = list(BEHAVIOURS)

    def act(payment: Payment) -> None:
        if (ordinal := ordinal_of(payment)) % 2 == 0:
            BEHAVIOURS[names[ordinal // 2]][0]()

    count = len(names)
    result = lab.run(
        paying(payments(2 * count), act, record_seconds=0.5, chunk_size=chunk_size, tolerance=count)
    )

    assert result.counts == Counts(read=2 * count, succeeded=count, failed=count)
    assert lab.posted() == list(range(1, 2 * count, 2))
    letters = {names[row["ordinal"] // 2]: row for row in lab.view("dead_letters")}
    found = {name: row["error"] for name, row in letters.items()}
    assert found == {name: error for name, (_, error, _) in BEHAVIOURS.items()}
    for name, (_, _, message) in BEHAVIOURS.items():
        assert message.replace("\0", NUL_SIGN) in letters[name]["message"], name


RESULTS: dict[str, Any] = {
    "None": None,
    "a dict": {"lines": []},
    "a text": "Entry",
    "a tuple of lines": (1, 2),
    "a list with None": [None],
    "the class": Entry,
    "a generator": (entry for entry in ()),
    "an effect that was not declared": Effect(output=1),
}


def test_a_wrong_result_is_named(lab: Lab) -> None:
    """Scenario 41: returns None, or the wrong type."""
    results = list(RESULTS.values())

    @job(key="number", source=iterable(payments(len(results))), name="payments")
    def pay(payment: Payment) -> Any:
        return results[ordinal_of(payment)]

    lab.run(pay)

    failed = lab.events(RecordFailed)
    assert [event.error for event in failed] == ["invalid-result"] * len(results)
    assert "the function returned NoneType: return an Entry" in failed[0].message
    assert "declare the job effect=True" in failed[-1].message


def test_an_effect_without_entries_and_with_odd_output(lab: Lab) -> None:
    """Scenario 41, for jobs that act outside."""
    outputs: list[Any] = [None, {"id": 1}, "text", [1.5], object(), {"\ud800": 1}]

    @job(key="number", source=iterable(payments(len(outputs))), name="payments", effect=True)
    def pay(payment: Payment) -> Effect:
        return Effect(output=outputs[ordinal_of(payment)])

    @pay.compensate
    def take_back(payment: Payment, output: Any) -> None: ...

    lab.amount_of = lambda row: ("EUR", 0)
    result = lab.run(pay)

    assert result.counts.succeeded == 4
    assert set(lab.failures()) == {4, 5}


def test_short_records_never_look_like_a_long_one(lab: Lab) -> None:
    """Scenario 41: in chunks of one record each, together they take longer than the limit."""

    def act(payment: Payment) -> None:
        threading.Event().wait(0.1)

    result = lab.run(paying(payments(15), act, chunk_size=1, record_seconds=1.0))

    assert result.counts == Counts(read=15, succeeded=15)
    assert len(lab.events(ChunkCompleted)) == 15


def test_the_context_is_told_of_each_record(lab: Lab) -> None:
    """design.md, the job: parameters, idempotency key, the attempt, a logger."""
    seen: list[tuple[str, str, int, int]] = []

    @job(key="number", source=iterable(payments(3)), name="payments", chunk_size=2)
    def pay(payment: Payment, context: Context) -> Entry:
        context.logger.debug("paying", number=payment.number)
        seen.append((context.key, context.run, context.attempt, context.tries))
        assert context.key == payment.number
        assert len(context.idempotency_key) == 32
        return entry_of(payment)

    lab.run(pay, limit=2)
    lab.run(pay)

    assert seen == [
        ("P-000", "payments/once", 1, 1),
        ("P-001", "payments/once", 1, 1),
        ("P-002", "payments/once", 2, 1),
    ]


def test_a_function_without_a_record_model_is_refused_at_definition() -> None:
    """Scenario 41: at definition, and not at night."""
    with pytest.raises(DefinitionError, match="annotate its first argument"):

        @job(key="number", source=iterable([]))
        def pay(payment: dict[str, Any]) -> Entry:
            return Entry([])
