"""Random changes of a real store: every one is found, and every clean store is let be."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from storno.storage.store import Store

from .attacker import COMMITS, EVENTS, Row, attacking, found, kept, told

ROUNDS = {"sqlite": 150, "postgresql": 50}

Rows = list[Row]


def _flipped(random: Random, value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, int):
        return value + random.choice([-1, 1, 7, 1_000])
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    at = random.randrange(len(raw))
    if isinstance(value, str):
        raw[at] = ord(random.choice("abcxyz019/.-"))
        return raw.decode()
    raw[at] ^= 1 << random.randrange(8)
    return bytes(raw)


def _flip(random: Random, rows: Rows) -> Rows:
    at = random.randrange(len(rows))
    row = list(rows[at])
    column = random.randrange(len(row))
    row[column] = _flipped(random, row[column])
    return [*rows[:at], tuple(row), *rows[at + 1 :]]


def _delete(random: Random, rows: Rows) -> Rows:
    at = random.randrange(len(rows))
    return [*rows[:at], *rows[at + 1 :]]


def _delete_and_renumber(random: Random, rows: Rows) -> Rows:
    return [(number, *row[1:]) for number, row in enumerate(_delete(random, rows), 1)]


def _insert(random: Random, rows: Rows) -> Rows:
    """A changed copy of a row, somewhere; what is behind it makes room."""
    at = random.randrange(len(rows) + 1)
    copied = (0, _flipped(random, random.choice(rows)[1]), *random.choice(rows)[2:])
    return [(number, *row[1:]) for number, row in enumerate([*rows[:at], copied, *rows[at:]], 1)]


def _swap(random: Random, rows: Rows) -> Rows:
    """Two rows, or one value of two rows, change places."""
    one, other = random.sample(range(len(rows)), 2)
    changed = list(rows)
    columns = random.choice([range(1, len(rows[0])), [random.randrange(1, len(rows[0]))]])
    for column in columns:
        for here, there in ((one, other), (other, one)):
            row = list(changed[here])
            row[column] = rows[there][column]
            changed[here] = tuple(row)
    return changed


def _truncate(random: Random, rows: Rows) -> Rows:
    return rows[: random.randrange(len(rows))]


CHANGES: list[Callable[[Random, Rows], Rows]] = [
    _flip, _flip, _flip, _delete, _delete_and_renumber, _insert, _swap, _swap, _truncate,
]  # fmt: skip


def _change(random: Random, events: Rows, commits: Rows) -> tuple[Rows, Rows]:
    """One to three changes; of the tail sometimes both tables, as who knows them both would."""
    if random.random() < 0.1:
        last = random.randrange(len(commits))
        end = commits[last][1]
        return [row for row in events if row[0] < end], commits[:last]
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if random.random() < 0.7:
            events = random.choice(CHANGES)(random, events) if len(events) > 1 else events
        else:
            commits = random.choice(CHANGES)(random, commits) if len(commits) > 1 else commits
    return events, commits


def _is_storable(events: Rows, commits: Rows) -> bool:
    """Whether the tables' own constraints take it: most are still in force."""
    keys = [row[0] for row in events], [row[1:3] for row in events]
    numbers = [row[0] for row in commits], [row[1] for row in commits]
    return all(len(set(each)) == len(each) for each in (*keys, *numbers))


@pytest.mark.parametrize("recomputed", [False, True], ids=["as it is", "hashes recomputed"])
def test_every_random_change_is_found_and_no_clean_store_accused(store: Store, recomputed: bool):
    """Somebody who computes all hashes anew is found by the checkpoint alone."""
    random, checkpoint = Random(20_260_131), kept(store)
    with attacking(store) as attacker:
        events, commits = attacker.rows(EVENTS), attacker.rows(COMMITS)
    for number in range(ROUNDS[store.dialect] // (3 if recomputed else 1)):
        changed = _change(random, events, commits)
        if changed == (events, commits) or not _is_storable(*changed):
            continue
        with attacking(store) as attacker:
            attacker.replace_all(*changed)
            if recomputed:
                attacker.recompute()
            is_changed = (attacker.rows(EVENTS), attacker.rows(COMMITS)) != (events, commits)
        # Where hashes alone were changed, computing them anew has put them right.
        assert bool(found(store, checkpoint).total) is is_changed, f"round {number}"
        with attacking(store) as attacker:
            attacker.replace_all(events, commits)
        clean = found(store, checkpoint)
        assert not clean.total, told(clean)
