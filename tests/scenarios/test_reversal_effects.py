"""Effects are undone by their job's handler: with which key, how often, and what if it fails."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from storno import Context, Effect, Job, Retry, iterable, job
from storno.compensations.scope import Scope
from storno.domain.errors import ConflictError
from storno.domain.events import (
    RecordReversalFailed,
    RecordReversed,
    RecordSucceeded,
)
from storno.execution.dead_letters import discard
from storno.storage import queries

from .lab import Lab, Payment, Watcher, entry_of, ordinal_of, payments
from .taking import BEN, ONCE, Taking


class Stricter(Payment):
    """The record as a later version of the job has it."""

    approved_by: str


class Bank:
    """Whom the job calls, and whom its handler calls.

    Attributes:
        paid: ordinal and idempotency key of each payment.
        refunds: ordinal, receipt and idempotency key of each call of the handler.
        loses: the ordinal whose payment is made, and not answered.
        errors: what the handler raises for an ordinal, one after the other; the last for ever.
    """

    def __init__(self, errors: dict[int, list[BaseException]] | None = None) -> None:
        self.paid: list[tuple[int, str]] = []
        self.refunds: list[tuple[int, str, str]] = []
        self.errors = errors or {}
        self.before: Callable[[int], object] = lambda ordinal: None
        self.loses: int | None = None

    def pay(self, payment: Payment, key: str) -> None:
        self.paid.append((ordinal_of(payment), key))
        if ordinal_of(payment) == self.loses:
            raise OSError("the answer was lost")

    def refund(self, payment: Payment, receipt: str, key: str) -> str:
        ordinal = ordinal_of(payment)
        self.refunds.append((ordinal, receipt, key))
        self.before(ordinal)
        errors = self.errors.get(ordinal, [])
        if errors:
            raise errors[0] if len(errors) == 1 else errors.pop(0)
        return f"refund of {payment.number}"

    def keys(self) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for ordinal, _, key in self.refunds:
            found.setdefault(ordinal, set()).add(key)
        return found


def paying_out(bank: Bank, number: int = 10, *, handled: bool = True, **options: Any) -> Job:
    settings: dict[str, Any] = {
        "key": "number", "source": iterable(payments(number)), "name": "payments", "effect": True,
        "chunk_size": 4, "retry": Retry(on=(OSError,), retries=2, first_delay_seconds=0),
    }  # fmt: skip

    @job(**(settings | options))
    def pay(payment: Payment, context: Context) -> Effect:
        bank.pay(payment, context.idempotency_key)
        return Effect(output={"receipt": f"of {payment.number}"}, entries=[entry_of(payment)])

    if handled:

        @pay.compensate
        def refund(payment: Payment, output: Any, context: Context) -> Any:
            return bank.refund(payment, output["receipt"], context.idempotency_key)

    return pay


def paid_out(lab: Lab, bank: Bank, number: int = 10, **options: Any) -> Taking:
    definition = paying_out(bank, number, **options)
    assert lab.run(definition).state == "completed"
    return Taking(lab, definition)


def test_the_handler_is_called_once_for_each_posting(lab: Lab) -> None:
    """With the record, the output of the original and a key of its own; the newest chunk first."""
    bank = Bank()
    taking = paid_out(lab, bank)

    result = taking.take_back()

    assert (result.state, result.reversed) == ("completed", 10)
    assert [ordinal for ordinal, _, _ in bank.refunds] == [8, 9, 4, 5, 6, 7, 0, 1, 2, 3]
    assert all(receipt == f"of P-{ordinal:03}" for ordinal, receipt, _ in bank.refunds)
    keys = {key for _, _, key in bank.refunds} | {key for _, key in bank.paid}
    assert len(keys) == 20, "each effect and each undoing has a key of its own"
    assert all(len(key) == 32 for key in keys)
    outputs = {event.ordinal: bytes(event.output) for event in lab.events(RecordReversed)}
    assert outputs[3] == b'"refund of P-003"'


def test_posted_anew_it_is_undone_anew(lab: Lab) -> None:
    """Another posting of the same key: its calls are other ones, and have other keys."""
    bank = Bank()
    taking = paid_out(lab, bank, 2)
    taking.take_back()
    lab.run(taking.job, again=True, reason="once more")  # type: ignore[arg-type]
    taking.take_back()

    assert {ordinal: len(keys) for ordinal, keys in bank.keys().items()} == {0: 2, 1: 2}
    assert len({key for _, key in bank.paid}) == 4
    assert lab.in_force() == []


def test_what_may_pass_is_tried_again_with_the_same_key(lab: Lab) -> None:
    bank = Bank()
    failures = {5: [TimeoutError("slow"), OSError("slower")]}

    def fail(ordinal: int) -> None:
        if failures.get(ordinal):
            raise failures[ordinal].pop(0)

    bank.before = fail
    taking = paid_out(lab, bank)
    watcher = Watcher()

    result = taking.execute(taking.submit(), watcher)

    assert (result.state, result.reversed) == ("completed", 10)
    assert Counter(ordinal for ordinal, _, _ in bank.refunds)[5] == 3
    assert {ordinal: len(keys) for ordinal, keys in bank.keys().items()} == dict.fromkeys(
        range(10), 1
    )
    assert watcher.retries == [("TimeoutError: slow", 1), ("OSError: slower", 2)]


@pytest.mark.parametrize(
    ("error", "code", "tries"),
    [
        (ValueError("no such payment"), "ValueError", 1),
        (OSError("gone"), "OSError", 3),
        (SystemExit(3), "SystemExit", 1),
    ],
)
def test_what_fails_for_good_is_set_aside(
    lab: Lab, error: BaseException, code: str, tries: int
) -> None:
    """accounting-rules, 12: the others are taken back; executed again, it is tried again."""
    bank = Bank({5: [error]})
    taking = paid_out(lab, bank)
    name = taking.submit()

    first = taking.execute(name)
    assert (first.state, first.reversed, first.failed) == ("stopped", 9, 1)
    assert taking.letters(name) == {"P-005": (code, "open")}
    assert taking.run_state() == "partly-reversed"
    (event,) = lab.events(RecordReversalFailed)
    assert event.tries == tries

    second = taking.execute(name)
    assert (second.state, second.failed) == ("stopped", 1)
    bank.errors.clear()
    third = taking.execute(name)

    assert (third.state, third.reversed, third.failed) == ("completed", 10, 0)
    assert taking.letters(name) == {"P-005": (code, "resolved")}
    assert taking.run_state() == "reversed"
    assert taking.standing() == [1, 1, 0]
    assert all(len(keys) == 1 for keys in bank.keys().values())
    assert Counter(ordinal for ordinal, _, _ in bank.refunds).most_common(2)[1][1] == 1


def test_a_person_settles_what_could_not_be_undone(lab: Lab) -> None:
    """Issue 3: it stays open until it is retried or resolved by a person with a reason."""
    bank = Bank({5: [ValueError("closed account")]})
    taking = paid_out(lab, bank)
    name = taking.submit()
    taking.execute(name)
    places = queries.dead_letter_places(lab.store, run=f"reversal/{name}")

    assert discard(lab.store, places, BEN, "paid back in cash") == 1
    result = taking.execute(name)

    assert (result.state, result.reversed, result.failed) == ("completed", 9, 0)
    assert taking.run_state() == "partly-reversed"
    assert lab.in_force() == [5]
    assert [ordinal for ordinal, _, _ in bank.refunds].count(5) == 1
    assert taking.execute(name).reversed == 9


def test_a_handler_has_a_time_limit(lab: Lab) -> None:
    bank = Bank()
    bank.before = lambda ordinal: sum(1 for _ in count()) if ordinal == 1 else None
    taking = paid_out(lab, bank, 3, record_seconds=0.3)

    result = taking.take_back()

    assert (result.reversed, result.failed) == (2, 1)
    assert taking.letters("R-000001") == {"P-001": ("timeout", "open")}


def test_what_a_handler_returns_has_to_be_storable(lab: Lab) -> None:
    bank = Bank()
    definition = paying_out(bank, 2, handled=False)

    @definition.compensate
    def refund(payment: Payment, output: Any) -> Any:
        return object() if ordinal_of(payment) else None

    lab.run(definition)
    taking = Taking(lab, definition)

    result = taking.take_back()

    assert (result.reversed, result.failed) == (1, 1)
    assert set(taking.letters("R-000001")) == {"P-001"}


def test_a_record_that_the_model_of_today_refuses_is_set_aside(lab: Lab) -> None:
    bank = Bank()
    taking = paid_out(lab, bank, 2)
    name = taking.submit()

    @job(key="number", source=iterable([]), name="payments", effect=True)
    def pay(payment: Stricter) -> Effect:
        raise AssertionError(payment)

    @pay.compensate
    def refund(payment: Payment, output: Any) -> None:
        raise AssertionError(payment)

    taking.job = pay
    result = taking.execute(name)

    assert (result.reversed, result.failed) == (0, 2)
    assert {code for code, _ in taking.letters(name).values()} == {"invalid-record"}


IRREVERSIBLE = {
    "irreversible": "irreversible: cash is cash",
    "not defined": "no-handler: it had an effect, and its job is not defined here",
}


@pytest.mark.parametrize("how", IRREVERSIBLE)
def test_what_cannot_be_undone_is_a_blocker_in_every_plan(lab: Lab, how: str) -> None:
    """Issue 3; and then there is nothing to take back."""
    bank = Bank()
    taking = paid_out(lab, bank, 2)
    if how == "irreversible":
        taking.job = paying_out(bank, 2, handled=False, irreversible="cash is cash")
    else:
        taking.job = None

    plan = taking.plan()

    assert (plan.reversible, plan.blocked) == (0, 2)
    assert {each.why for each in plan.blockers} == {IRREVERSIBLE[how]}
    with pytest.raises(ConflictError, match="nothing to take back"):
        taking.submit()


def mixed(bank: Bank, **options: Any) -> Job:
    """Every second record has an effect, the others only an entry."""

    @job(key="number", source=iterable(payments(6)), name="payments", effect=True, chunk_size=2,
         **options)  # fmt: skip
    def pay(payment: Payment) -> Any:
        if ordinal_of(payment) % 2:
            return entry_of(payment)
        return Effect(output=None, entries=[entry_of(payment)])

    return pay


@pytest.mark.parametrize("how", IRREVERSIBLE)
def test_beside_it_the_rest_is_taken_back(lab: Lab, how: str) -> None:
    """What the plan had blocked stays as it is: it was not agreed to, and is no dead letter."""
    bank = Bank()
    definition = mixed(bank, irreversible="cash is cash")
    lab.run(definition)
    taking = Taking(lab, definition if how == "irreversible" else None)
    plan = taking.plan()
    name = taking.submit()

    result = taking.execute(name)

    assert (plan.reversible, plan.blocked) == (3, 3)
    assert (result.state, result.reversed, result.failed) == ("completed", 3, 0)
    assert lab.in_force() == [0, 2, 4]
    assert taking.standing() == [3]


@pytest.mark.parametrize("waits", [False, True], ids=["in a handler", "between two tries"])
def test_a_signal_ends_it_behind_the_record_at_hand(lab: Lab, waits: bool) -> None:
    """Scenario 22: what was undone is committed, and executed again it goes on."""
    bank = Bank()
    retry = Retry(on=(OSError,), retries=5, first_delay_seconds=60, jitter=False)
    taking = paid_out(lab, bank, retry=retry)
    name = taking.submit()

    def interrupt(ordinal: int) -> None:
        if ordinal == 6:
            os.kill(os.getpid(), signal.SIGINT)
            if waits:
                raise OSError("busy")

    bank.before = interrupt
    first = taking.execute(name)
    bank.before = lambda ordinal: None
    done = taking.reversed()
    second = taking.execute(name)

    assert (first.state, first.interrupted, first.reversed) == ("stopped", True, 4 if waits else 5)
    assert done == ([8, 9, 4, 5] if waits else [8, 9, 4, 5, 6])
    assert taking.row(name)["state"] == "completed"
    assert (second.state, second.reversed) == ("completed", 10)
    assert Counter(ordinal for ordinal, _, _ in bank.refunds)[6] == (2 if waits else 1)
    assert all(len(keys) == 1 for keys in bank.keys().values())


def test_while_it_is_stopped_the_run_is_not_run(lab: Lab) -> None:
    bank = Bank()
    bank.before = lambda ordinal: os.kill(os.getpid(), signal.SIGTERM)
    taking = paid_out(lab, bank)
    name = taking.submit()
    assert taking.execute(name).reversed == 1

    with pytest.raises(ConflictError, match=f"reversal {name} takes back what the run posted"):
        lab.run(taking.job, again=True, reason="now")  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match=f"reversal {name} already takes back"):
        taking.take_back(Scope(keys=("P-000",)))
    bank.before = lambda ordinal: None
    assert taking.execute(name).state == "completed"


def in_doubt(lab: Lab) -> tuple[Bank, Taking]:
    """A run whose third chunk called out, failed for good, and left no outcome."""
    bank = Bank()
    bank.loses = 9
    definition = paying_out(bank)
    lab.run(definition)
    return bank, Taking(lab, definition)


DOUBT = "in-doubt: the job called out for it, and what came of it is not known; "


def test_what_is_in_doubt_is_a_blocker(lab: Lab) -> None:
    """details.md: an attempt without an outcome is listed. Resumed, it has one."""
    bank, taking = in_doubt(lab)
    assert taking.run_state() == "failed"

    plan = taking.plan()
    by_key = taking.plan(Scope(keys=("P-000", "P-009")))
    by_chunk = taking.plan(Scope(chunks=(0,)))

    doubts = [("P-008", f"{DOUBT}resume the run first"), ("P-009", f"{DOUBT}resume the run first")]
    assert [(each.key, each.why) for each in plan.blockers] == doubts
    assert (plan.reversible, plan.blocked) == (8, 2)
    assert [(each.key, each.why) for each in by_key.blockers] == doubts[1:]
    assert (by_chunk.reversible, by_chunk.blocked) == (4, 0)

    result = taking.take_back()
    assert (result.state, result.reversed) == ("completed", 8)
    assert {ordinal for ordinal, _, _ in bank.refunds} == set(range(8))


def test_resumed_it_is_taken_back_like_any_other(lab: Lab) -> None:
    bank, taking = in_doubt(lab)
    before = taking.submit()
    bank.loses = None

    lab.run(taking.job)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match="10 records, not 8"):
        taking.execute(before)
    result = taking.take_back()

    assert result.reversed == 10
    assert len({key for ordinal, key in bank.paid if ordinal == 9}) == 1
    assert len(lab.events(RecordSucceeded)) == 10


def test_of_an_abandoned_run_it_is_to_be_settled_outside(lab: Lab) -> None:
    from storno import abandon_run

    _, taking = in_doubt(lab)
    abandon_run(lab.store, ONCE, BEN, "never again")

    plan = taking.plan()

    assert {each.why for each in plan.blockers} == {
        f"{DOUBT}the run was abandoned: settle it outside"
    }
