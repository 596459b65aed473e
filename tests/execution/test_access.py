"""What is refused is recorded, whatever happens to the record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from storno.domain.access import AccessRefused, Role, RoleMissingError, Roles, stream_of
from storno.domain.codec import decode
from storno.domain.events import Actor
from storno.execution.access import require
from storno.execution.journal import Journal, Store
from storno.storage.engine import writer

from ..oracle import assert_views_agree

ROLES = Roles({Role.OPERATOR: frozenset({"ann"})})
CARL = Actor(name="carl", os_user="os", host="host")


def refused_to(url: str, actor: str) -> list[AccessRefused]:
    """What the store holds of it."""
    store = Store.open(url)
    try:
        rows = store.log.read_stream(stream_of(actor))
    finally:
        store.close()
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    events = [decode(row.topic, row.state) for row in rows]
    assert all(isinstance(event, AccessRefused) for event in events)
    return events  # type: ignore[return-value]


def never() -> Journal:
    raise AssertionError("the store is opened where something is refused, and only there")


def test_who_has_the_role_is_let_through_without_a_look_at_the_store() -> None:
    require(ROLES, Actor(name="ann", os_user="os", host="host"), "run", "payments/1", never)
    require(Roles(), CARL, "run", "payments/1", never)


def test_a_refusal_is_an_event_with_who_tried_what(made_url: str) -> None:
    for act in ("run", "stop"):
        with pytest.raises(RoleMissingError, match=r"That it was tried is recorded\.$"):
            require(ROLES, CARL, act, "payments/1", lambda: Journal.open(made_url))

    assert refused_to(made_url, "carl") == [
        AccessRefused(actor=CARL, act=act, needs="operator", about="payments/1")
        for act in ("run", "stop")
    ]
    assert_views_agree(made_url)


@pytest.mark.parametrize("name", ["ca/rl", "~carl", "薛" * 200, "%", "carl|x"])
def test_an_odd_name_has_a_stream_of_its_own(made_url: str, name: str) -> None:
    actor = Actor(name=name, os_user="os", host="host")

    with pytest.raises(RoleMissingError, match="is recorded"):
        require(ROLES, actor, "run", "", lambda: Journal.open(made_url))

    assert [event.actor.name for event in refused_to(made_url, name)] == [name]


def test_several_refusals_at_once_are_all_recorded(made_url: str) -> None:
    """Alike to the last byte: none may be taken for another one."""

    def attempt(_: int) -> str:
        with pytest.raises(RoleMissingError) as raised:
            require(ROLES, CARL, "run", "payments/1", lambda: Journal.open(made_url))
        return str(raised.value)

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(attempt, range(12)))

    assert all(each.endswith("is recorded.") for each in told)
    assert len(refused_to(made_url, "carl")) == 12


def test_without_a_store_it_stays_refused(store_url: str) -> None:
    with pytest.raises(RoleMissingError, match="could not be recorded: "):
        require(ROLES, CARL, "run", "payments/1", lambda: Journal.open(store_url))


def test_a_store_that_takes_nothing_does_not_let_anybody_through(made_url: str) -> None:
    store = Store.open(made_url)
    refuse_writes(store.engine)
    store.close()

    with pytest.raises(RoleMissingError, match="could not be recorded: ") as raised:
        require(ROLES, CARL, "run", "payments/1", lambda: Journal.open(made_url))

    assert "\n" not in str(raised.value)
    assert refused_to(made_url, "carl") == []


def refuse_writes(engine: sa.Engine) -> None:
    """Make the database one that nothing can be written to."""
    with writer(engine).begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "CREATE TRIGGER full BEFORE INSERT ON commits "
                "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
            )
        else:
            connection.exec_driver_sql(
                f'ALTER DATABASE "{engine.url.database}" SET default_transaction_read_only = on'
            )
