"""Who may do what, and how a name of an actor is written."""

from __future__ import annotations

import pytest

from storno.domain import access
from storno.domain.access import NEEDS, AccessRefused, Role, Roles, actor_name
from storno.domain.errors import UsageError
from storno.domain.events import Actor
from storno.domain.ids import MAX_NAME_BYTES


def named(name: str) -> Actor:
    return Actor(name=name, os_user="os", host="host")


ANN, CARL, DORA = named("ann"), named("carl"), named("dora")
ROLES = Roles(
    {
        Role.OPERATOR: frozenset({"ann", "bob"}),
        Role.APPROVER: frozenset({"carl"}),
        Role.AUDITOR: frozenset({"dora"}),
    }
)


@pytest.mark.parametrize("act", NEEDS)
def test_without_roles_everybody_may_do_everything(act: str) -> None:
    assert access.refuse(Roles(), DORA, act) is None


@pytest.mark.parametrize(("act", "role"), NEEDS.items())
def test_each_act_needs_its_role_and_no_other_one_gives_it(act: str, role: Role) -> None:
    allowed = {ANN.name: Role.OPERATOR, CARL.name: Role.APPROVER, DORA.name: Role.AUDITOR}

    for actor in (ANN, CARL, DORA):
        refused = access.refuse(ROLES, actor, act, "payments/1")
        if allowed[actor.name] is role:
            assert refused is None
        else:
            assert refused == AccessRefused(
                actor=actor, act=act, needs=role.value, about="payments/1"
            )


def test_an_auditor_may_do_nothing_that_is_recorded() -> None:
    assert Role.AUDITOR not in NEEDS.values()


def test_who_decides_is_not_who_acts() -> None:
    """accounting-rules, 10: approving and closing are another role's."""
    decides = {act for act, role in NEEDS.items() if role is Role.APPROVER}

    assert decides == {
        "forget",
        "periods close",
        "periods reopen",
        "reverse approve",
        "reverse reject",
    }


@pytest.mark.parametrize(
    "roles",
    [
        Roles({Role.OPERATOR: frozenset()}),
        Roles({Role.APPROVER: frozenset({"ann"})}),
        Roles({Role.AUDITOR: frozenset()}),
    ],
)
def test_a_role_that_nobody_has_allows_nobody(roles: Roles) -> None:
    refused = access.refuse(roles, ANN, "run")

    assert refused is not None
    assert "which storno.toml gives to nobody" in access.explain(roles, refused)


def test_the_refusal_says_who_may() -> None:
    refused = access.refuse(ROLES, CARL, "stop", "payments/2026-01")

    assert refused is not None
    assert access.explain(ROLES, refused) == (
        "carl may not do 'stop' on payments/2026-01: it needs the role operator, which storno.toml "
        "gives to ann, bob."
    )


@pytest.mark.parametrize("other", ["Ann", "ann ", "an", "ann\u0301"])
def test_names_compare_as_they_are_written(other: str) -> None:
    assert not ROLES.allow(named(other), Role.OPERATOR)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ann", "ann"),
        ("  ann  ", "ann"),
        ("Ann Müller", "Ann Müller"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("薛定谔", "薛定谔"),
        ("~root/../%2F", "~root/../%2F"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_name_is_the_same_however_it_is_typed(given: str, name: str) -> None:
    assert actor_name(given) == name


@pytest.mark.parametrize(
    "given",
    ["", " ", "\t\n", "a\nb", "a\x00b", "a\x1b[31mb", "a\u200bb", "a\u202eb", "\ud800", "x" * 201],
)
def test_what_cannot_be_read_is_no_name(given: str) -> None:
    with pytest.raises(UsageError, match="is no name of an actor") as raised:
        actor_name(given)

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("name", ["%" * 200, "/" * 200, "薛" * 200, "\U0001f984" * 200])
def test_the_stream_of_any_actor_fits_an_index(name: str) -> None:
    stream = access.stream_of(actor_name(name))

    assert stream.count("/") == 1
    assert len(stream.encode()) <= MAX_NAME_BYTES
