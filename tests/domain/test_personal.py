"""What is personal: where it may be marked, how it is found in texts, how sealed values look."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from storno import Entry, Personal, Record, iterable, job
from storno.domain.errors import DefinitionError, UsageError
from storno.domain.events import Actor
from storno.domain.personal import Mask, opened, texts_of, token, token_of, tokens_in
from storno.domain.subject import SubjectKey, forget, subject_of
from storno.execution.ciphers import Cipher

ANNA = Actor(name="Anna", os_user="anna", host="night-1")
FROZEN = "~sealed:1:frozen-key:AAECAwQFBgcICQoLZUOyeuWprW3oLfbo1Mv1bnRE_wti2ri9XxuauP2U"
"""Sealed once; it is opened for as long as a store lives."""


class Person(Record):
    number: str
    person: str
    name: Annotated[str, Personal(subject="person")]
    born: Annotated[dt.date | None, Personal(subject="person")] = None
    town: str = ""


class Address(BaseModel):
    street: Annotated[str, Personal(subject="person")]


def test_a_model_knows_its_personal_fields() -> None:
    assert Person.personal_fields == {"name": "person", "born": "person"}
    assert Record.personal_fields == {}


def model(**fields: Any) -> type[Record]:
    namespace = {"__annotations__": {"person": str} | fields, "__module__": __name__}
    return type("Broken", (Record,), namespace)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": Annotated[str, Personal(subject="who")]}, "Broken.name.*'who'.*no field"),
        (
            {
                "name": Annotated[str, Personal(subject="number")],
                "number": Annotated[str, Personal(subject="person")],
            },
            "about 'number', which is personal itself",
        ),
        ({"name": Annotated[str, Personal(subject="name")]}, "personal itself"),
        ({"name": Annotated[str, Personal]}, "write Personal"),
        ({"names": list[Annotated[str, Personal(subject="person")]]}, "mark the whole field"),
        ({"home": Address}, "mark the whole field"),
        ({"homes": dict[str, Address | None]}, "mark the whole field"),
    ],
)
def test_a_mark_that_cannot_work_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        model(**fields)


def test_the_key_cannot_be_personal() -> None:
    for key in ("name", ("number", "name")):
        with pytest.raises(DefinitionError, match="key field 'name' is personal"):

            @job(key=key, source=iterable([]))
            def pay(person: Person) -> list[Entry]:
                return []


@pytest.mark.parametrize(
    ("value", "text", "masked"),
    [
        ("Ada Lovelace", "no Ada Lovelace here", "no [x] here"),
        ("Ada Lovelace", "NO ADA LOVELACE!", "NO [x]!"),
        ("Ada", "Adamant Ada", "Adamant [x]"),
        ("Dürer", "got 'D\\xfcrer'", "got '[x]'"),
        ('O\'Brien "x"', "got 'O\\'Brien \"x\"'", "got '[x]'"),
        (Decimal("1250.50"), "1250.50 is too much", "[x] is too much"),
        (dt.date(1815, 12, 10), "born 1815-12-10", "born [x]"),
        (
            {"street": "Elm Road 1", "no": [7]},
            "Elm Road 1, flat 7, not 17",
            "[x], flat [x], not 17",
        ),
        (None, "None of it", "None of it"),
        ("", "nothing", "nothing"),
        (True, "True", "True"),
    ],
)
def test_personal_values_are_found_in_texts(value: Any, text: str, masked: str) -> None:
    mask = Mask({"x": value})

    assert mask(text) == masked
    assert mask.finds(text) is (masked != text)


def test_the_longest_value_is_masked_first() -> None:
    assert (
        Mask({"first": "Anne", "name": "Anne Marie"})("Anne Marie and Anne") == "[name] and [first]"
    )
    assert set(texts_of({"a": [Address(street="Elm")]})) == {"Elm"}


def test_tokens_are_told_from_texts() -> None:
    assert token_of(token("h-1", "c2VhbGVk")) == ("h-1", "c2VhbGVk")
    for text in ("~sealed:1:", "~sealed:1:h", "~sealed:1:h:!", "sealed:1:h:AA", "", None, 7):
        assert token_of(text) is None
    document = {"a": [token("h", "AA"), 1], "output": {"b": token("i", "AA")}}
    assert [each.handle for each in tokens_in(document)] == ["h", "i"]
    names = opened(document, lambda name, sealed: (name, sealed.handle))
    assert names == {"a": [("a", "h"), 1], "output": {"b": ("output", "i")}}


def test_what_was_sealed_once_is_opened_for_ever() -> None:
    cipher = Cipher(SubjectKey("frozen-key", bytes(range(64))))
    sealed = token_of(FROZEN)

    assert sealed is not None
    assert cipher.open("name", sealed.sealed) == b'"Ada Lovelace"'
    assert cipher.open("town", sealed.sealed) is None, "it passes for another field"
    assert cipher.open("name", "AAAA") is None
    digest = cipher.digest("name", b'"Ada Lovelace"')
    assert digest == "cb70f6435e6361e87b98cc9f78d2a60914808d143b893ba0f74b5adbe8ebbe18"
    assert cipher.digest("town", b'"Ada Lovelace"') != digest


def test_a_value_is_never_sealed_twice_alike() -> None:
    cipher = Cipher(SubjectKey("h", bytes(64)))

    assert cipher.seal("name", b'"Ada"') != cipher.seal("name", b'"Ada"')


def test_subjects_are_named_by_field_and_value() -> None:
    assert subject_of("person", 12) == "person=12"
    assert subject_of("person", None) is subject_of("person", "") is None


def test_forgetting_is_recorded_once_and_has_a_reason() -> None:
    (event,) = forget(0, ANNA, "a letter")

    assert (event.actor, event.reason) == (ANNA, "a letter")  # type: ignore[attr-defined]
    assert forget(1, ANNA, "a letter") == ()
    with pytest.raises(UsageError, match="reason"):
        forget(0, ANNA, " ")
