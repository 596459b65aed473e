"""Which postings are meant: conditions on stored fields, and what a scope is stored as."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.compensations.scope import Condition, Scope
from storno.domain.errors import UsageError

from ..domain.strategies import NUMBERS, TEXTS

RECORD: dict[str, Any] = {
    "number": "P-001",
    "account": "0100",
    "amount": "10.50",
    "count": 3,
    "share": 0.25,
    "big": 1e22,
    "date": "2026-02-01",
    "at": "2026-02-01T10:00:00Z",
    "note": None,
    "empty": "",
    "paid": True,
    "größe": "L",
    "payer": {"name": "Anna", "bank": {"bic": "ABC"}},
    "sender": None,
    "tags": ["a", "b"],
    "formula": "a=b",
}


def stored(record: dict[str, Any]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(record))


def holds(text: str, record: dict[str, Any] = RECORD) -> bool:
    return Scope(where=(Condition.parse(text),)).matches(stored(record))


@pytest.mark.parametrize(
    "text",
    [
        "number=P-001",
        "number!=P-002",
        " number  =  P-001 ",
        "amount=10.5",  # decimals are stored as text, and are numbers all the same
        "amount=10.500",
        "amount>9",
        "amount>=10.5",
        "amount<100",
        "amount!=10.51",
        "amount>-1",
        "count=3",
        "count=3.0",
        "count<10",
        "share<=0.25",
        "big>1000",
        "account=0100",
        "account!=100",  # an account is a name, and leading zeros belong to it
        "date=2026-02-01",
        "date>=2026-02-01",
        "date<2026-10-01",
        "date>2025-12-31",
        "date>2026",
        "at>2026-02-01",
        "note=",
        "note!=x",
        "empty=",
        "paid=true",
        "größe=L",
        "payer.name=Anna",
        "payer.bank.bic=ABC",
        "sender.name=",
        "formula=a=b",
    ],
)
def test_it_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "number=p-001",
        "number=P-001x",
        "number=",
        "amount=10.51",
        "amount=1e1",
        "amount<9",
        "account=100",
        "account=1_00",
        "date<2026-02-01",
        "date>2026-02-01",
        "paid=false",
        "note!=",
        "note=0",
        "note<5",  # what is empty is neither below nor above anything
        "note>=0",
        "sender.name>A",
        "share=.25",
    ],
)
def test_it_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    "text",
    ["", "amount", "=5", "5=5", "amount=>5", "amount==5", "a<>5", "amount ~ 5", "a-b=5", "a..b=1",
     ".a=1", "a.=1", "!=", "amount!==5", " = "],
)  # fmt: skip
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(UsageError, match="write FIELD=VALUE"):
        Condition.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amuont=5", "no field 'amuont'. Did you mean 'amount'?"),
        ("xyz=5", "--where names one of number, account, amount"),
        ("payer.nmae=Anna", "no field 'payer.nmae'. Did you mean 'name'?"),
        ("number.x=5", "no field 'number.x'"),
        ("tags.a=5", "no field 'tags.a'"),
        ("payer=Anna", "such as payer.name or payer.bank"),
        ("tags=a", "holds more than one value"),
    ],
)
def test_a_field_that_cannot_be_compared_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        holds(text)
    assert message in str(caught.value)


def test_all_conditions_have_to_hold() -> None:
    both = Scope(where=(Condition.parse("amount>10"), Condition.parse("number=P-001")))
    one = Scope(where=(Condition.parse("amount>10"), Condition.parse("number=P-002")))

    assert both.matches(stored(RECORD))
    assert not one.matches(stored(RECORD))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9),
                   max_value=10**9), st.decimals(allow_nan=False, allow_infinity=False, places=3,
                   min_value=-(10**9), max_value=10**9))  # fmt: skip
def test_decimals_compare_as_numbers(one: Decimal, other: Decimal) -> None:
    record = {"amount": f"{one:f}"}

    assert holds(f"amount<{other:f}", record) == (one < other)
    assert holds(f"amount>={other:f}", record) == (one >= other)
    assert holds(f"amount={other:f}", record) == (one == other)


@given(st.dates(), st.dates())
def test_dates_compare_as_dates(one: dt.date, other: dt.date) -> None:
    record = {"date": one.isoformat()}

    assert holds(f"date<{other}", record) == (one < other)
    assert holds(f"date!={other}", record) == (one != other)


@given(TEXTS)
def test_any_text_equals_itself(text: str) -> None:
    condition = Condition("name", "=", text)

    assert Scope(where=(condition,)).matches(stored({"name": text}))
    assert not Scope(where=(condition,)).matches(stored({"name": text + "x"}))


def test_without_conditions_all_match() -> None:
    assert Scope().matches(stored({}))
    assert Scope().is_whole
    assert not Scope(keys=("",)).is_whole


@given(
    st.lists(NUMBERS, min_size=1).map(lambda each: Scope(chunks=tuple(each)))
    | st.lists(TEXTS, min_size=1).map(lambda each: Scope(keys=tuple(each)))
    | st.just(Scope())
)
def test_a_scope_is_read_as_it_was_stored(scope: Scope) -> None:
    read = msgspec.json.decode(msgspec.json.encode(scope.stored()))

    assert Scope.read(read) == scope


def test_conditions_are_read_as_they_were_stored() -> None:
    scope = Scope(where=(Condition.parse("date >= 2026-02-01"), Condition.parse("note=")))

    assert Scope.read(scope.stored()) == scope
    assert str(scope) == "records with date>=2026-02-01 and note="


@pytest.mark.parametrize(
    "stored_as",
    [
        {},
        {"kind": "all"},
        {"kind": "records"},
        {"kind": "records", "keys": "P-001"},
        {"kind": "records", "keys": [1]},
        {"kind": "records", "keys": []},
        {"kind": "chunks", "chunks": ["1"]},
        {"kind": "chunks", "chunks": [True]},
        {"kind": "run", "keys": ["P-001"]},
        {"kind": "records", "keys": ["P-001"], "where": ["a=b"]},
        {"kind": "where", "where": {"a": "b"}},
    ],
)
def test_what_was_never_stored_is_refused(stored_as: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what is wrong is said by whoever reads a plan
        Scope.read(stored_as)


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope(), "the whole run"),
        (Scope(chunks=(3, 4)), "chunk 3, chunk 4"),
        (Scope(keys=("a",)), "1 record"),
        (Scope(keys=("a", "b")), "2 records"),
    ],
)
def test_what_people_read(scope: Scope, text: str) -> None:
    assert str(scope) == text
