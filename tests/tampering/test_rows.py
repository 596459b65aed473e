"""Scenario 30: a payload, a timestamp, an actor, a topic or a row was changed by hand.

Each attack leaves every trigger in its place behind it. The store holds ten commits; those of the
chunks have seven events each, the fourth commit those at positions 17 to 23.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from storno.domain.seal import NewEvents
from storno.storage.store import Store

from .attacker import EVENTS, Attacker, attacking, found, kept, readable, told

FIRST, LAST = 17, 23
"""The fourth commit's positions."""

MIDDLE = 19
"""A record's posting, in its middle."""

STOPPED = 31
"""The one event of the sixth commit."""


class Attack(NamedTuple):
    """What is done, and what has to be named.

    Attributes:
        field: among those named in the first bad commit.
        position: named beside it, None where it cannot be told.
    """

    name: str
    do: Callable[[Attacker], None]
    commit: int
    field: str
    position: int | None = None


def _replace(position: int, old: bytes, new: bytes) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        state = bytes(attacker.event(position).state)
        assert old in state
        attacker.change(position, state=state.replace(old, new))

    return do


def _change(position: int, /, **values: object) -> Callable[[Attacker], None]:
    return lambda attacker: attacker.change(position, **values)


def _commit(number: int, /, **values: object) -> Callable[[Attacker], None]:
    return lambda attacker: attacker.change_commit(number, **values)


def _swap_positions(one: int, other: int) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        attacker.change(one, position=-1)
        attacker.change(other, position=one)
        attacker.change(-1, position=other)

    return do


def _swap_versions(one: int, other: int) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        first, second = attacker.event(one).version, attacker.event(other).version
        attacker.change(one, version=99)
        attacker.change(other, version=first)
        attacker.change(one, version=second)

    return do


def _swap_states(one: int, other: int) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        first, second = attacker.event(one).state, attacker.event(other).state
        attacker.change(one, state=second)
        attacker.change(other, state=first)

    return do


def _delete(position: int) -> Callable[[Attacker], None]:
    return lambda attacker: attacker.sql("DELETE FROM events WHERE position = :at", at=position)


def _delete_and_renumber(position: int) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        _delete(position)(attacker)
        attacker.shift(position, -1)

    return do


def _insert(attacker: Attacker, position: int) -> None:
    copied = attacker.event(3)
    attacker.connection.execute(
        EVENTS.insert().values(
            position=position, stream="record/payments/mine", version=1,
            topic=copied.topic, state=copied.state,
        )
    )  # fmt: skip


def _insert_and_renumber(position: int) -> Callable[[Attacker], None]:
    def do(attacker: Attacker) -> None:
        attacker.shift(position - 1, 1)
        _insert(attacker, position)

    return do


def _insert_and_count(attacker: Attacker) -> None:
    """Into the fourth commit, whose count and whose followers' positions are made to fit."""
    _insert_and_renumber(MIDDLE)(attacker)
    attacker.sql("UPDATE commits SET count = count + 1 WHERE number = 4")
    for number in range(10, 4, -1):
        attacker.sql(
            "UPDATE commits SET first_position = first_position + 1 WHERE number = :number",
            number=number,
        )


def _earlier(attacker: Attacker) -> None:
    attacker.sql("UPDATE commits SET recorded_at = recorded_at - 3600000000 WHERE number = 4")


def _take_out_commit(attacker: Attacker) -> None:
    attacker.sql("DELETE FROM events WHERE position BETWEEN :first AND :last",
                 first=FIRST, last=LAST)  # fmt: skip
    attacker.sql("DELETE FROM commits WHERE number = 4")


ATTACKS = [
    Attack("payload", _replace(MIDDLE, b'"EUR"', b'"GBP"'), 4, "events"),
    Attack("payload of a lone event", _replace(STOPPED, b"signal", b"limits"), 6, "event", STOPPED),
    Attack("payload that nobody can read", _change(MIDDLE, state=b"{"), 4, "state", MIDDLE),
    Attack("actor", _replace(1, b'"anna"', b'"hans"'), 1, "events"),
    Attack("topic", _change(MIDDLE, topic="storno.RecordReversed.v1"), 4, "events"),
    Attack("unknown topic", _change(MIDDLE, topic="storno.Nothing.v1"), 4, "state", MIDDLE),
    Attack("stream", _change(MIDDLE, stream="record/payments/other"), 4, "events"),
    Attack("version", _change(MIDDLE, version=2), 4, "version", MIDDLE),
    Attack("version below 1", _change(MIDDLE, version=0), 4, "version", MIDDLE),
    Attack("number of a run's event", _change(32, version=5), 7, "version", 32),
    Attack("commit's time", _commit(4, recorded_at=2_000_000_000_000_000), 4, "recorded_at"),
    Attack("commit's time, earlier", _earlier, 4, "recorded_at"),
    Attack("last commit's time", _commit(10, recorded_at=2_000_000_000_000_000), 10, "chain_hash"),
    Attack("commit's number", _commit(10, number=12), 12, "number"),
    Attack("commit's first position", _commit(4, first_position=18), 4, "first_position"),
    Attack("commit's count", _commit(4, count=6), 4, "count"),
    Attack("last commit's count", _commit(10, count=2), 10, "count"),
    Attack("commit's root", _commit(4, merkle_root=bytes(32)), 4, "merkle_root"),
    Attack("commit's root, cut", _commit(4, merkle_root=bytes(5)), 4, "merkle_root"),
    Attack("commit's chain hash", _commit(4, chain_hash=bytes(32)), 4, "chain_hash"),
    Attack("last commit's chain hash", _commit(10, chain_hash=b""), 10, "chain_hash"),
    Attack("row deleted", _delete(MIDDLE), 4, "position", MIDDLE),
    Attack("first row deleted", _delete(1), 1, "position", 1),
    Attack("last row deleted", _delete(48), 10, "position", 48),
    Attack("row deleted, rest renumbered", _delete_and_renumber(MIDDLE), 4, "events"),
    Attack("rows swapped", _swap_positions(MIDDLE, 20), 4, "events"),
    Attack("rows swapped between commits", _swap_positions(MIDDLE, 26), 4, "events"),
    Attack("states swapped", _swap_states(MIDDLE, 20), 4, "events"),
    Attack("rows of a stream swapped", _swap_positions(16, 22), 3, "events"),
    Attack("versions swapped", _swap_versions(16, 22), 3, "version", 16),
    Attack("row inserted, rest renumbered", _insert_and_renumber(MIDDLE), 4, "events"),
    Attack("row inserted and counted", _insert_and_count, 4, "events"),
    Attack("row at position 0", lambda attacker: _insert(attacker, 0), 1, "position", 0),
    Attack("commit's row deleted",
           lambda attacker: attacker.sql("DELETE FROM commits WHERE number = 4"), 4, "number"),
    Attack("commit taken out whole", _take_out_commit, 4, "number"),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_scenario_30_the_change_is_found_and_its_place_is_named(store: Store, attack: Attack):
    with attacking(store) as attacker:
        attack.do(attacker)
    verification = found(store)
    assert verification.total, "nothing was found"
    assert verification.problems[0].commit == attack.commit, told(verification)
    in_commit = [each for each in verification.problems if each.commit == attack.commit]
    named = [each for each in in_commit if each.field == attack.field]
    assert named, told(verification)
    assert attack.position in {each.position for each in named}, told(verification)


ONE_PROBLEM = [
    "payload", "actor", "commit's first position", "commit's count", "commit's root",
    "commit's chain hash", "row deleted", "last commit's count",
]  # fmt: skip


@pytest.mark.parametrize("name", ONE_PROBLEM)
def test_one_change_is_not_told_of_in_every_commit_behind_it(store: Store, name: str):
    (attack,) = [each for each in ATTACKS if each.name == name]
    with attacking(store) as attacker:
        attack.do(attacker)
    commits = {each.commit for each in found(store).problems}
    assert commits == {attack.commit}, told(found(store))


def test_scenario_30_a_row_behind_the_last_commit_is_found(store: Store):
    with attacking(store) as attacker:
        _insert(attacker, 49)
    (problem,) = found(store).problems
    assert (problem.field, problem.position) == ("position", 49)


@pytest.mark.parametrize(
    ("column", "value"),
    [("state", "text"), ("topic", b"\xff"), ("stream", b"\xff"), ("version", "one"),
     ("version", 1.5), ("version", -1)],
)  # fmt: skip
def test_scenario_30_a_value_of_another_type_is_found_and_named(
    sqlite_store: Store, column: str, value: object
):
    """SQLite stores whatever it is given, in any column."""
    with attacking(sqlite_store) as attacker:
        attacker.sql(f"UPDATE events SET {column} = :value WHERE position = 19", value=value)
    problems = [each for each in found(sqlite_store).problems if each.field == column]
    assert {(each.commit, each.position) for each in problems} == {(4, MIDDLE)}


@pytest.mark.parametrize("position", ["NULL", "'text'", "49.5", "-1"])
def test_scenario_30_a_position_that_is_none_is_found(sqlite_store: Store, position: str):
    """In a table of the same columns and constraints that was put in the place of the log's."""
    with attacking(sqlite_store) as attacker:
        made = "SELECT sql FROM sqlite_master WHERE name = 'events'"
        sql = attacker.connection.exec_driver_sql(made).scalar_one()
        for statement in (
            "ALTER TABLE events RENAME TO original",
            sql.replace("position INTEGER NOT NULL", "position BIGINT"),
            "INSERT INTO events SELECT * FROM original",
            "DROP TABLE original",
            f"INSERT INTO events VALUES ({position}, 'x/0', 1, 'x.Happened.v1', x'7b7d')",
        ):
            attacker.connection.exec_driver_sql(statement)
    assert "position" in {each.field for each in found(sqlite_store).problems}


@pytest.mark.parametrize("column", ["first_position", "count", "recorded_at", "merkle_root",
                                    "chain_hash"])  # fmt: skip
def test_scenario_30_a_commit_with_a_value_of_another_type_is_found(
    sqlite_store: Store, column: str
):
    with attacking(sqlite_store) as attacker:
        attacker.sql(f"UPDATE commits SET {column} = 'text' WHERE number = 4")
    verification = found(sqlite_store)
    assert (4, column) in {(each.commit, each.field) for each in verification.problems}


def test_scenario_30_text_that_is_no_text_is_found(sqlite_store: Store):
    with attacking(sqlite_store) as attacker:
        attacker.sql("UPDATE events SET topic = CAST(x'ff' AS TEXT) WHERE position = 19")
    (problem,) = found(sqlite_store).problems
    assert problem.field == "log"
    assert "behind commit 3" in problem.message


def test_scenario_30_a_change_behind_a_checkpoint_is_found_by_reading_only_that(store: Store):
    checkpoint = kept(store)
    store.log.append(NewEvents(["other/1"], [1], ["test.Happened.v1"], [b'{"amount":1}']))
    with attacking(store) as attacker:
        attacker.change(49, state=b'{"amount":2}')
    verification = found(store, since=checkpoint)
    assert (verification.events, verification.commits) == (1, 11)
    assert {(each.commit, each.position) for each in verification.problems} == {
        (11, None),
        (11, 49),
    }


def test_what_is_read_since_a_checkpoint_is_what_came_after_it(store: Store):
    """An event before it is not read again; its commit's row is."""
    checkpoint = kept(store)
    with attacking(store) as attacker:
        attacker.change(MIDDLE, state=b"{}")
    assert not found(store, since=checkpoint).total
    with attacking(store) as attacker:
        attacker.change_commit(4, merkle_root=bytes(32))
    assert found(store, since=checkpoint).problems[0].commit == 4


def test_scenario_30_changes_are_found_far_behind_one_another(store: Store):
    for number in range(3):
        names = [f"many/{number}-{place}" for place in range(4_000)]
        store.log.append(readable(names, [1] * 4_000))
    verification = found(store)
    assert (verification.total, verification.events) == (0, 12_048), told(verification)
    with attacking(store) as attacker:
        attacker.change(6_000, state=b"{ }")
        attacker.change(12_000, stream="many/2\x1f3951")
    commits = {each.commit for each in found(store).problems}
    assert commits == {12, 13}
