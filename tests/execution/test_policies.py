"""Policies and jobs: what can be declared, and what is refused when it is declared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from storno import Context, Controls, Entry, Parameters, Record, Retry, Tolerance, iterable, job
from storno.domain.errors import DefinitionError, UsageError
from storno.execution.context import idempotency_key
from storno.execution.policies import DEFAULT_TOLERANCE


@pytest.mark.parametrize(
    ("tolerance", "read", "at_end", "allowed"),
    [
        (DEFAULT_TOLERANCE, 10, True, 100),
        (DEFAULT_TOLERANCE, 10_000, False, 100),
        (DEFAULT_TOLERANCE, 50_000, False, 500),
        (Tolerance.of(0), 10**6, True, 0),
        (Tolerance.of(5), 10**6, True, 5),
        (Tolerance.of("2%"), 999, False, float("inf")),
        (Tolerance.of("2%"), 999, True, 19.98),
        (Tolerance.of("2%"), 1_000, False, 20),
        (Tolerance.of("0.5%"), 1_000, False, 5),
        (Tolerance(records=30, percent=2), 999, False, 30),
        (Tolerance(records=30, percent=2), 1_000, False, 30),
        (Tolerance(records=30, percent=2), 2_000, False, 40),
        (Tolerance(records=0, percent=0), 10, True, 0),
        (Tolerance(percent=0), 10, True, 0),
    ],
)
def test_what_a_tolerance_allows(
    tolerance: Tolerance, read: int, at_end: bool, allowed: float
) -> None:
    assert tolerance.allowed(read, at_end=at_end) == allowed


@pytest.mark.parametrize(
    ("tolerance", "text"),
    [
        (Tolerance.of(5), "5 records"),
        (Tolerance.of("2%"), "2% of the records"),
        (DEFAULT_TOLERANCE, "100 records or 1% of the records"),
    ],
)
def test_a_tolerance_says_what_it_is(tolerance: Tolerance, text: str) -> None:
    assert str(tolerance) == text


class Payment(Record):
    number: str
    amount: Decimal


def pay(payment: Payment) -> Entry:
    return Entry([])


def define(**policies: Any) -> Any:
    return job(**({"key": "number", "source": iterable([])} | policies))(pay)


def takes_nothing() -> None: ...
def takes_three(payment: Payment, context: Context, more: int) -> None: ...
def takes_anything(payment) -> None: ...  # type: ignore[no-untyped-def]
def takes_text(payment: str) -> None: ...


REFUSED: dict[str, tuple[Any, str]] = {
    "no tolerance": (Tolerance, "name records=, percent="),
    "a negative tolerance": (lambda: Tolerance(records=-1), "records from 0"),
    "more than everything": (lambda: Tolerance(percent=101), "percent from 0 to 100"),
    "a tolerance in words": (lambda: define(tolerance="few"), "write a number of records"),
    "negative retries": (lambda: Retry(retries=-1), "cannot be negative"),
    "a shrinking delay": (lambda: Retry(factor=0.5), "factor must be at least 1"),
    "no control": (Controls, "name records=, sums= or trailer="),
    "a sum of no field": (
        lambda: define(controls=Controls(sums={"total": 1})), "controls sum 'total'",
    ),
    "a key that is no field": (lambda: define(key="nr"), "key field 'nr' is not in Payment"),
    "a key of no fields": (lambda: define(key=["number", "nr"]), "key field 'nr'"),
    "a key of nothing": (lambda: define(key=[]), "key"),
    "a path for a source": (lambda: define(source="payments.csv"), "source= must be a source"),
    "a name with a slash": (lambda: define(name="a/b"), "job name 'a/b'"),
    "a name of nothing": (lambda: define(name=" "), "job name ' '"),
    "chunks of nothing": (lambda: define(chunk_size=0), "chunk_size from 1"),
    "endless chunks": (lambda: define(chunk_size=10**6), "chunk_size from 1 to 100,000"),
    "no chunk time": (lambda: define(chunk_seconds=0), "chunk_seconds must be above zero"),
    "no record time": (lambda: define(record_seconds=-1), "record_seconds must be above zero"),
    "no lease": (lambda: define(lease_seconds=0), "lease_seconds must be above zero"),
    "no start": (lambda: define(start_limit=0), "start_limit must be at least 1"),
    "a rounding of its own": (lambda: define(rounding="near"), "is none of half-up"),
    "parameters of no model": (lambda: define(parameters=Record), "subclass of Parameters"),
    "no record": (lambda: job(key="number", source=iterable([]))(takes_nothing), "take a record"),
    "three arguments": (lambda: job(key="number", source=iterable([]))(takes_three), "a record"),
    "no annotation": (
        lambda: job(key="number", source=iterable([]))(takes_anything), "annotate its first",
    ),
    "a text": (lambda: job(key="number", source=iterable([]))(takes_text), "annotate its first"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_when_it_is_declared(name: str) -> None:
    declare, told = REFUSED[name]

    with pytest.raises(DefinitionError) as error:
        declare()

    assert told in str(error.value)


def test_a_job_is_still_its_function() -> None:
    assert define()(Payment(number="1", amount=Decimal(1))) == Entry([])


class Month(Parameters):
    year: int
    month: int = 1
    note: str = ""
    identifying = ("year", "month")


def test_parameters_come_as_text_or_as_values() -> None:
    definition = define(parameters=Month)

    one = definition.parse_parameters({"year": "2026", "note": "late"})
    other = definition.parse_parameters({"year": 2026, "month": 1})

    assert definition.run_id(one) == definition.run_id(other)
    assert str(definition.run_id(one)) == "pay/2026,1"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "year: Field required"),
        ({"year": "soon"}, "year: Input should be a valid integer"),
        ({"year": 1, "day": 2}, "day: Extra inputs are not permitted"),
    ],
)
def test_wrong_parameters_are_named_with_those_there_are(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as error:
        define(parameters=Month).parse_parameters(values)

    assert told in str(error.value)
    assert "Its parameters: year, month, note." in str(error.value)


def test_idempotency_keys_differ_by_job_key_and_posting() -> None:
    keys = {
        idempotency_key(name, key, posting)
        for name in ("a", "b")
        for key in ("1", "2")
        for posting in (1, 2)
    }

    assert len(keys) == 8
    assert {len(key) for key in keys} == {32}
    assert idempotency_key("a", "1", 1) == idempotency_key("a", "1", 1)
