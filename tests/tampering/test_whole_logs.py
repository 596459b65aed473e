"""Scenarios 31 to 34: the tail, the whole log, a view alone, and nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from storno.domain.access import AccessRefused
from storno.domain.checkpoint import CheckpointError, origin_of, parse
from storno.domain.codec import encode
from storno.domain.events import Actor
from storno.domain.note import PrivateKey
from storno.domain.seal import NewEvents
from storno.storage.engine import store_path, writer
from storno.storage.store import Store
from storno.storage.verification.problems import MOST_PROBLEMS
from storno.storage.verification.views import view_problems
from storno.storage.views.generation import live_tables
from storno.storage.views.rebuild import rebuild

from ..storage.tampering import tampered
from .attacker import COMMITS, Attacker, attacking, cut_off, found, kept, key_of, told

ACTOR = Actor(name="hans", os_user="hans", host="host")
PAGE = 4096
"""Bytes of a page of SQLite."""


def _append(store: Store, name: str, count: int = 1) -> None:
    """Commits of events that are in no view."""
    refused = AccessRefused(actor=ACTOR, act="run", needs="operator")
    for number in range(count):
        state = encode(refused)
        store.log.append(NewEvents([f"access/{name}-{number}"], [1], [refused.TOPIC], [state]))


def test_scenario_31_a_tail_cut_off_is_found_by_a_checkpoint_kept_elsewhere(store: Store):
    checkpoint = kept(store)
    with attacking(store) as attacker:
        cut_off(attacker, last_commit=8)
    rebuild(store.log)
    assert not found(store).total, "what is left holds by itself: only a checkpoint can tell"
    for verification in (found(store, checkpoint), found(store, since=checkpoint)):
        (problem,) = verification.problems
        assert problem.field == "checkpoint"
        assert "counts 10 commits, and the log holds 8" in problem.message


def test_scenario_31_a_tail_whose_commits_alone_are_cut_off_is_found(store: Store):
    with attacking(store) as attacker:
        attacker.sql("DELETE FROM commits WHERE number > 8")
    (problem,) = found(store).problems
    assert (problem.field, problem.position) == ("position", 41)
    assert problem.message.endswith("8 in all")


def test_scenario_31_a_tail_whose_events_alone_are_cut_off_is_found(store: Store):
    with attacking(store) as attacker:
        attacker.sql("DELETE FROM events WHERE position > 45")
    problems = found(store).problems
    assert [(each.commit, each.position) for each in problems] == [(9, 46), (10, 48)]


def test_scenario_31_a_rollback_is_found_though_the_log_has_grown_again(store: Store):
    """The store is put back to its sixth commit, and works on until it is longer than before."""
    late = kept(store)
    with attacking(store) as attacker:
        cut_off(attacker, last_commit=6)
    rebuild(store.log)
    early = kept(store)
    _append(store, "after", count=6)
    assert not found(store, early).total
    (problem,) = found(store, early, late).problems
    assert (problem.field, found(store).commits) == ("checkpoint", 12)
    assert "names another root" in problem.message


def test_scenario_32_a_chain_recomputed_is_found_by_a_checkpoint_kept_elsewhere(store: Store):
    earlier = kept(store)
    _append(store, "later")
    later = kept(store)
    with attacking(store) as attacker:
        attacker.change(19, state=attacker.event(19).state.replace(b'"EUR"', b'"GBP"'))
        attacker.recompute()
    rebuild(store.log)
    assert not found(store).total, "its own hashes cannot tell"
    assert view_problems(store.log) == ([], 0)
    for checkpoints in ([earlier], [later], [earlier, later]):
        verification = found(store, *checkpoints)
        assert verification.total == len(checkpoints), told(verification)
        assert {each.field for each in verification.problems} == {"checkpoint"}
    assert found(store, since=earlier).total == 1


def test_scenario_32_a_checkpoint_before_the_change_still_holds(store: Store):
    """It says how far back the log is what it was."""
    log_at_ten = kept(store)
    _append(store, "later", count=2)
    with attacking(store) as attacker:
        refused = AccessRefused(actor=ACTOR, act="reverse", needs="operator")
        attacker.change(50, state=encode(refused))
        attacker.recompute()
    assert not found(store, log_at_ten).total


def test_scenario_32_nobody_can_sign_a_checkpoint_of_the_new_chain(store: Store):
    signed = kept(store)
    with attacking(store) as attacker:
        attacker.change_commit(1, recorded_at=1)
        attacker.recompute()
    forged = [
        replace(kept(store), signatures=signed.signatures),
        replace(kept(store), signatures=()),
        replace(kept(store), signatures=()).signed(PrivateKey(key_of(store).name, bytes(32))),
    ]
    for checkpoint in forged:
        assert not found(store, checkpoint).total
        with pytest.raises(CheckpointError):
            parse(checkpoint.text).verify(key_of(store).public)
    parse(signed.text).verify(key_of(store).public)
    assert found(store, signed).total == 1


def test_a_checkpoint_of_another_store_is_no_proof(store: Store):
    other = replace(kept(store), origin=origin_of("0" * 32))
    (problem,) = found(store, other).problems
    assert problem.field == "checkpoint"
    assert "it is another store" in problem.message


def test_a_store_id_changed_by_hand_is_found(store: Store):
    checkpoint = kept(store)
    store.close()
    with writer(store.engine).begin() as connection:
        connection.exec_driver_sql("UPDATE store_meta SET value = 'ff' WHERE key = 'store_id'")
    opened = Store.open(store.url)
    assert found(opened, checkpoint).problems[0].field == "checkpoint"
    opened.close()


def test_scenario_33_a_view_changed_alone_is_found_by_the_events(store: Store):
    with writer(store.engine).begin() as connection:
        runs = live_tables(connection).name("runs")
        connection.exec_driver_sql(f"UPDATE {runs} SET succeeded = succeeded + 1")
    assert not found(store).total
    (problem,), total = view_problems(store.log)
    assert (problem.field, total) == ("views", 1)
    assert problem.message == "runs payments/2024-01: succeeded is 25, and by the events 24"


def test_an_event_that_fits_and_cannot_be_read_is_named(store: Store):
    store.log.append(NewEvents(["unknown/0"], [1], ["test.Happened.v1"], [b"{}"]))
    (problem,) = found(store).problems
    assert (problem.commit, problem.position, problem.stream) == (11, 49, "unknown/0")


@pytest.mark.parametrize("written", [b'"EUR', b'"E\xffR"'], ids=["cut off", "no text"])
def test_bytes_that_are_no_event_are_named_though_every_hash_is_that_of_them(
    store: Store, written: bytes
):
    with attacking(store) as attacker:
        attacker.change(19, state=attacker.event(19).state.replace(b'"EUR"', written))
        attacker.recompute()
    _append(store, "later")
    (problem,) = found(store).problems
    assert (problem.field, problem.position) == ("state", 19)


def test_only_events_that_were_read_are_said_to_be_unreadable(store: Store):
    before = kept(store)
    store.log.append(NewEvents(["x/0"], [1], ["x.Happened.v1"], [b"{}"]))
    behind = kept(store)
    (problem,) = found(store, since=before).problems
    assert (problem.field, problem.commit, problem.position) == ("state", 11, 49)
    assert not found(store, since=behind).total


def test_scenario_34_an_empty_store_is_not_verified(made_url: str):
    store = Store.open(made_url)
    (problem,) = found(store).problems
    assert (problem.field, problem.message[:16]) == ("log", "the log is empty")
    store.close()


def test_scenario_34_an_emptied_store_is_not_verified(store: Store):
    checkpoint = kept(store)
    with attacking(store) as attacker:
        attacker.replace_all([], [])
    assert {each.field for each in found(store, checkpoint).problems} == {"checkpoint", "log"}


def test_scenario_34_events_without_commits_are_not_verified(store: Store):
    with attacking(store) as attacker:
        attacker.sql("DELETE FROM commits")
    assert {each.field for each in found(store).problems} == {"position", "log"}


def test_scenario_34_commits_without_events_are_not_verified(store: Store):
    with attacking(store) as attacker:
        attacker.sql("DELETE FROM events")
    assert {each.commit for each in found(store).problems} == set(range(1, 11))


def test_scenario_34_a_damaged_file_is_not_verified(sqlite_store: Store):
    """Every page that an event's state stands on becomes noise in turn."""
    path = Path(store_path(sqlite_store.engine) or "")
    states = [row.state for row in sqlite_store.log.read_log()]
    sqlite_store.close()  # which folds the write-ahead log into the file
    whole = path.read_bytes()
    pages = {whole.index(state) // PAGE for state in states}
    assert len(pages) >= 4
    for page in pages:
        noise = b"\xa5" * PAGE
        path.write_bytes(whole[: page * PAGE] + noise + whole[(page + 1) * PAGE :])
        opened = Store.open(sqlite_store.url)
        assert found(opened).total, f"page {page}"
        opened.close()


def test_versions_are_looked_at_where_the_guards_are_gone(store: Store):
    with tampered(store.engine) as connection:
        attacker = Attacker(connection)
        attacker.change(19, version=3)
        attacker.recompute()
    named = {(each.field, each.position) for each in found(store).problems}
    assert named == {("triggers", None), ("version", 19)}


def test_missing_triggers_are_told_of_though_the_log_holds(store: Store):
    with tampered(store.engine):
        pass
    problems = found(store).problems
    assert {each.field for each in problems} == {"triggers"}
    assert len(problems) == (6 if store.dialect == "sqlite" else 2)


def test_a_trigger_replaced_by_one_that_does_nothing_is_told_of(store: Store):
    with writer(store.engine).begin() as connection:
        if store.dialect == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER events_no_update")
            connection.exec_driver_sql(
                "CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT 1; END"
            )
        else:
            connection.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION storno_append_only() RETURNS trigger "
                "LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
            )
    problems = found(store).problems
    assert {each.field for each in problems} == {"triggers"}
    assert "was replaced" in problems[0].message


def test_a_constraint_taken_away_is_told_of(store: Store):
    with writer(store.engine).begin() as connection:
        if store.dialect == "sqlite":
            connection.exec_driver_sql("CREATE TABLE other AS SELECT * FROM commits")
            connection.exec_driver_sql("DROP TABLE commits")
            connection.exec_driver_sql("ALTER TABLE other RENAME TO commits")
        else:
            connection.exec_driver_sql("ALTER TABLE commits DROP CONSTRAINT commits_pkey")
    problems = found(store).problems
    assert "constraints" in {each.field for each in problems}


def test_of_many_problems_the_first_are_kept_and_all_are_counted(store: Store):
    _append(store, "more", count=150)
    with attacking(store) as attacker:
        attacker.connection.execute(COMMITS.update().values(merkle_root=sa.literal(b"\x01" * 32)))
    verification = found(store)
    assert (verification.total, len(verification.problems)) == (160, MOST_PROBLEMS)
