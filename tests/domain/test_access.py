"""Who may do what."""

from __future__ import annotations

import pytest
from hypothesis import given

from storno.domain.access import Role, Roles, stream_of
from storno.domain.events import Actor
from storno.domain.ids import MAX_NAME_BYTES

from .strategies import TEXTS


def actor(name: str) -> Actor:
    return Actor(name=name, os_user="os", host="host")


ROLES = Roles({Role.OPERATOR: frozenset({"anna", "ben"}), Role.APPROVER: frozenset({"ben"})})


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("anna", {Role.OPERATOR}),
        ("ben", {Role.OPERATOR, Role.APPROVER}),
        ("Anna", set()),
        ("anna ", set()),
        ("os", set()),
    ],
)
def test_the_name_that_was_given_decides(name: str, allowed: set[Role]) -> None:
    assert {role for role in Role if ROLES.allow(actor(name), role)} == allowed


def test_without_roles_everybody_may_do_everything() -> None:
    assert all(Roles().allow(actor("anna"), role) for role in Role)


def test_a_role_that_is_declared_for_nobody_is_nobodys() -> None:
    roles = Roles({Role.APPROVER: frozenset()})

    assert not any(roles.allow(actor("anna"), role) for role in Role)


@given(TEXTS, TEXTS)
def test_two_actors_never_share_a_stream(one: str, other: str) -> None:
    assert (stream_of(one) == stream_of(other)) == (one == other)
    assert stream_of(one).count("/") == 1


def test_a_huge_name_has_a_stream_that_fits_an_index() -> None:
    names = [stream_of("a" * 5000), stream_of("a" * 5001)]

    assert len(set(names)) == 2
    assert all(len(name) <= MAX_NAME_BYTES for name in names)
