"""Jobs that act outside of the ledger: what is written down, and with which key they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storno import Context, Effect, Job, Parameters, Retry, iterable, job, stop_run
from storno.domain.events import Counts, RecordAttempted, RecordFailed, RecordSucceeded
from storno.domain.ids import RunId

from .lab import ACTOR, Lab, Payment, Rows, entry_of, ordinal_of, payments


class Month(Parameters):
    month: str


class Bank:
    """Whom the job calls: it notes every call, and refuses as it is told.

    Attributes:
        calls: ordinal and idempotency key of each call, in order.
        refunds: ordinal and receipt of each payment that was taken back, in order.
        errors: what to raise for an ordinal, one after the other.
    """

    def __init__(self, errors: dict[int, list[BaseException]] | None = None) -> None:
        self.calls: list[tuple[int, str]] = []
        self.refunds: list[tuple[int, str]] = []
        self.errors = errors or {}
        self.before: Callable[[int], object] = lambda ordinal: None

    def pay(self, payment: Payment, key: str) -> str:
        ordinal = ordinal_of(payment)
        self.before(ordinal)
        self.calls.append((ordinal, key))
        if self.errors.get(ordinal):
            raise self.errors[ordinal].pop(0)
        return f"receipt of {payment.number}"

    def pay_back(self, payment: Payment, receipt: str) -> None:
        self.refunds.append((ordinal_of(payment), receipt))

    def ordinals(self) -> list[int]:
        return [ordinal for ordinal, _ in self.calls]

    def keys(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for ordinal, key in self.calls:
            found.setdefault(ordinal, set()).add(key)
        return found


def paying_out(rows: Rows, bank: Bank, **policies: Any) -> Job:
    settings: dict[str, Any] = {
        "key": "number", "source": iterable(rows), "parameters": Month, "name": "payments",
        "effect": True, "chunk_size": 5, "retry": Retry(first_delay_seconds=0),
    }  # fmt: skip

    @job(**(settings | policies))
    def pay(payment: Payment, context: Context) -> Effect:
        receipt = bank.pay(payment, context.idempotency_key)
        return Effect(output={"receipt": receipt}, entries=[entry_of(payment)])

    @pay.compensate
    def refund(payment: Payment, output: Any) -> None:
        bank.pay_back(payment, output["receipt"])

    return pay


JANUARY = {"month": "1"}
FEBRUARY = {"month": "2"}


def test_what_is_attempted_is_written_down_before_the_first_call(lab: Lab) -> None:
    """details.md, Records: before a chunk of an effect job calls out, RecordAttempted is
    committed for its records."""
    bank = Bank()
    written: dict[int, list[int]] = {}
    bank.before = lambda ordinal: written.setdefault(
        ordinal, [event.ordinal for event in lab.events(RecordAttempted)]
    )

    lab.run(paying_out(payments(8), bank), JANUARY)

    assert written[0] == written[4] == [0, 1, 2, 3, 4]
    assert written[5] == written[7] == list(range(8))
    keys = {event.ordinal: event.idempotency_key for event in lab.events(RecordAttempted)}
    assert bank.calls == sorted(keys.items())
    outputs = [bytes(event.output) for event in lab.events(RecordSucceeded)]
    assert outputs[3] == b'{"receipt":"receipt of P-003"}'


def test_each_try_of_a_posting_calls_with_the_same_key(lab: Lab) -> None:
    """details.md, Records; the chunk is tried again, then given up, then resumed."""
    bank = Bank({3: [TimeoutError("late")] * 5})
    definition = paying_out(payments(5), bank)

    failed = lab.run(definition, JANUARY)
    assert failed.error == "chunks-failed"
    assert not lab.posted()

    assert lab.run(definition, JANUARY).counts == Counts(read=5, succeeded=5)
    assert bank.ordinals() == [0, 1, 2, 3] * 5 + [0, 1, 2, 3, 4]
    assert all(len(keys) == 1 for keys in bank.keys().values())
    assert len(lab.events(RecordAttempted)) == 5


@pytest.mark.parametrize("error", [ValueError("bug"), SystemExit(1)])
def test_a_fatal_error_leaves_its_chunk_in_doubt(lab: Lab, error: BaseException) -> None:
    """details.md, Records: an attempt without an outcome can be retried with the same key."""
    bank = Bank({3: [error]})
    definition = paying_out(payments(5), bank, fatal=(ValueError, SystemExit))

    assert lab.run(definition, JANUARY).error == "fatal"
    assert not lab.posted()
    assert lab.run(definition, JANUARY).counts.succeeded == 5
    assert bank.ordinals() == [0, 1, 2, 3, 0, 1, 2, 3, 4]
    assert all(len(keys) == 1 for keys in bank.keys().values())


def test_a_record_in_doubt_is_not_called_by_another_run(lab: Lab) -> None:
    """details.md, Records: whether the first call came through, only its own run may find out."""
    bank = Bank({3: [ValueError("bug")]})
    january = paying_out(payments(5), bank, fatal=(ValueError,))
    lab.run(january, JANUARY)
    bank.calls.clear()

    result = lab.run(paying_out(payments(8), bank), FEBRUARY)

    assert result.counts == Counts(read=8, succeeded=3, failed=5)
    assert bank.ordinals() == [5, 6, 7]
    assert {event.error for event in lab.events(RecordFailed)} == {"in-doubt"}
    assert "resume that run first" in lab.events(RecordFailed)[0].message
    assert lab.run(january, JANUARY).counts.succeeded == 5


def test_a_call_that_is_refused_may_be_repeated(lab: Lab) -> None:
    """A dead letter is no doubt: the next run calls with the key of the same posting."""
    bank = Bank({2: [ValueError("account closed")]})

    first = lab.run(paying_out(payments(4), bank), JANUARY)
    second = lab.run(paying_out(payments(4), bank), FEBRUARY)

    assert first.counts == Counts(read=4, succeeded=3, failed=1)
    assert second.counts == Counts(read=4, succeeded=1, skipped=3)
    assert bank.ordinals() == [0, 1, 2, 3, 2]
    assert len(bank.keys()[2]) == 1


def test_a_repeated_key_is_called_for_once(lab: Lab) -> None:
    """Scenario 26, for jobs that act outside."""
    rows = payments(4)
    rows[2] = rows[1]
    rows[3] = rows[1] | {"amount": "0.01"}
    bank = Bank()

    result = lab.run(paying_out(rows, bank), JANUARY)

    assert result.counts == Counts(read=4, succeeded=2, skipped=1, failed=1)
    assert bank.ordinals() == [0, 1]


def test_a_chunk_that_closes_early_calls_nobody_twice(lab: Lab) -> None:
    """details.md, Records: what was written down and not called yet is the next chunk's."""
    bank = Bank()

    result = lab.run(paying_out(payments(5), bank, chunk_seconds=1e-9), JANUARY)

    assert result.counts == Counts(read=5, succeeded=5)
    assert bank.ordinals() == [0, 1, 2, 3, 4]
    assert lab.chunks() == [(n, 1) for n in range(5)]


def test_a_stop_between_two_calls_keeps_what_was_done(lab: Lab) -> None:
    """details.md, Runs: the stop is taken up at the end of the chunk."""
    bank = Bank()

    def stop(ordinal: int) -> None:
        if ordinal == 1 and not bank.calls[1:]:
            stop_run(lab.store, RunId("payments", "1"), ACTOR, "lunch")

    bank.before = stop
    stopped = lab.run(paying_out(payments(12), bank), JANUARY)

    assert (stopped.state, stopped.counts.read) == ("stopped", 5)
    assert bank.ordinals() == lab.posted() == [0, 1, 2, 3, 4]
    assert lab.run(paying_out(payments(12), bank), JANUARY).counts.succeeded == 12
    assert bank.ordinals() == list(range(12))


def test_too_many_failures_keep_nothing_and_repeat_every_call(lab: Lab) -> None:
    """details.md, Runs: the chunk that breaches the tolerance commits nothing; its calls are in
    doubt, and repeated with their keys."""
    bank = Bank({1: [ValueError("no")], 2: [ValueError("no")]})
    definition = paying_out(payments(5), bank, tolerance=1)

    assert lab.run(definition, JANUARY).error == "tolerance-exceeded"
    assert lab.run(definition, JANUARY).counts.succeeded == 5
    assert bank.ordinals() == [0, 1, 2, 3, 4] * 2
    assert all(len(keys) == 1 for keys in bank.keys().values())
