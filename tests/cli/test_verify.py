"""``storno audit verify``, ``checkpoint`` and ``keygen``, as somebody types them."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from storno.domain.checkpoint import parse
from storno.domain.note import PrivateKey, PublicKey
from storno.domain.seal import NewEvents
from storno.storage.store import Store

from .command import Storno


def tamper(storno: Storno, *statements: str) -> None:
    """What somebody does to the file who knows about the triggers."""
    connection = sqlite3.connect(storno.folder / "storno.db")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    kept = triggers.fetchall()
    for name, _ in kept:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount
    for _, sql in kept:
        connection.execute(sql)
    connection.commit()
    connection.close()


PAYLOAD = """
UPDATE events SET state = CAST(replace(state, '"GBP"', '"EUR"') AS BLOB) WHERE position = 57
"""


def test_a_run_is_verified_with_its_views(ran: Storno):
    said = ran("audit", "verify")
    assert said.stdout == ""
    assert "Verified 244 events in 2 commits: every hash is that of what is stored." in said.stderr
    assert "The views agree with the events." in said.stderr
    assert "No checkpoint was given" in said.stderr


def test_the_document_has_what_scripts_rely_on(ran: Storno):
    document = ran.json("audit", "verify")
    assert {name: document[name] for name in ("verified", "commits", "events", "problems")} == {
        "verified": True, "commits": 2, "events": 244, "problems": [],
    }  # fmt: skip
    assert len(bytes.fromhex(document["head"])) == 32
    assert (document["views"], document["problems_in_all"]) == ("agree", 0)


def test_a_changed_payload_ends_with_5_and_names_its_commit(ran: Storno):
    tamper(ran, PAYLOAD)
    document = ran.json("audit", "verify", code=5)
    (problem,) = document["problems"]
    assert (document["verified"], document["views"]) == (False, "not compared")
    assert (problem["commit"], problem["field"]) == (2, "events")
    said = ran("audit", "verify", code=5)
    assert "its events are not those that were hashed" in said.stdout
    assert "Not verified: 1 problem in 244 events in 2 commits." in said.stderr


def test_an_event_that_nobody_can_read_is_named(ran: Storno):
    tamper(ran, "UPDATE events SET state = CAST('{' AS BLOB) WHERE position = 57")
    problems = ran.json("audit", "verify", code=5)["problems"]
    assert {(each["commit"], each["position"], each["field"]) for each in problems} == {
        (2, None, "events"), (2, 57, "state"),
    }  # fmt: skip
    assert problems[1]["stream"].startswith("record/payments/")
    assert problems[1]["version"] == 1


def test_an_event_that_fits_and_cannot_be_read_is_named_with_the_views_and_without(ran: Storno):
    """Also a posting that has all that moves the ledger: the views need no more of it."""
    ran("audit", "checkpoint", "--out", "one.checkpoint")
    store = Store.open(f"sqlite:///{ran.folder / 'storno.db'}")
    posting = (
        b'{"run":"2026-01","partition":"0","chunk":"0/00000009","ordinal":9,"attempt":"first",'
        b'"record":{}}'
    )
    store.log.append(
        NewEvents(["record/payments/P9"], [1], ["storno.RecordSucceeded.v1"], [posting])
    )
    store.close()
    ran("audit", "checkpoint", "--out", "two.checkpoint")
    for words in ([], ["--events-only"], ["--since", "one.checkpoint"]):
        document = ran.json("audit", "verify", *words, code=5)
        (problem,) = document["problems"]
        assert (document["verified"], document["problems_in_all"]) == (False, 1)
        assert (problem["commit"], problem["position"], problem["field"]) == (3, 245, "state")
    assert ran.json("audit", "verify", "--since", "two.checkpoint")["verified"]


def test_a_changed_view_ends_with_5_unless_only_events_are_asked_for(ran: Storno):
    tamper(ran, "UPDATE runs_g1 SET failed = 0")
    document = ran.json("audit", "verify", code=5)
    assert (document["verified"], document["views"]) == (False, "differ")
    assert document["problems"][0]["field"] == "views"
    assert "storno views rebuild" in ran("audit", "verify", code=5).stderr
    assert ran.json("audit", "verify", "--events-only")["views"] == "not compared"


def test_a_key_signs_checkpoints_that_its_public_half_checks(ran: Storno):
    made = ran("audit", "keygen", "--out", "my.key")
    private, public = ran.folder / "my.key", ran.folder / "my.pub"
    key = PrivateKey.parse(private.read_text())
    assert private.stat().st_mode & 0o777 == 0o600
    assert made.stdout == public.read_text() == f"{key.public.text}\n"
    assert key.text not in made.stdout + made.stderr
    said = ran("audit", "checkpoint", "--sign", "my.key", "--out", "one.checkpoint")
    assert "not signed" not in said.stderr
    checkpoint = parse((ran.folder / "one.checkpoint").read_bytes())
    checkpoint.verify(PublicKey.parse(public.read_text()))
    assert checkpoint.size == 2
    verified = ran("audit", "verify", "--checkpoint", "one.checkpoint", "--key", "my.pub")
    assert "The log extends one.checkpoint, which the key has signed." in verified.stderr
    document = ran.json("audit", "verify", "--since", "one.checkpoint")
    assert (document["events"], document["since"], document["views"]) == (0, 2, "not compared")


@pytest.mark.parametrize("existing", ["storno.key", "storno.pub"])
def test_a_key_is_never_overwritten(ran: Storno, existing: str):
    (ran.folder / existing).write_text("mine")
    refused = ran("audit", "keygen", code=7)
    assert f"{existing} exists, and is not overwritten" in refused.stderr
    assert (ran.folder / existing).read_text() == "mine"
    assert len(list(ran.folder.glob("storno.[kp]*"))) == 1


def test_no_private_key_stands_in_the_store(ran: Storno):
    ran("audit", "keygen")
    ran("audit", "checkpoint", "--sign", "storno.key")
    secret = (ran.folder / "storno.key").read_text().strip().rpartition("+")[2]
    for file in ran.folder.glob("storno.db*"):
        assert secret.encode() not in file.read_bytes()


def test_an_unsigned_checkpoint_says_that_it_is_not_signed(ran: Storno):
    said = ran("audit", "checkpoint")
    assert "It is not signed" in said.stderr
    assert parse(said.stdout).signatures == ()
    document = ran.json("audit", "checkpoint")
    assert (document["signed"], document["text"], document["size"]) == (False, said.stdout, 2)


def test_a_checkpoint_is_never_overwritten(ran: Storno):
    ran("audit", "checkpoint", "--out", "one.checkpoint")
    assert "exists" in ran("audit", "checkpoint", "--out", "one.checkpoint", code=7).stderr


def test_a_store_put_back_from_a_backup_is_found(ran: Storno):
    """Scenario 31, with storno's own backup, whose log holds by itself."""
    ran("db", "backup", "old.db")
    ran("dead-letters", "discard", "--all-matching", "--job", "payments", "--reason", "no", "--yes")
    ran("audit", "checkpoint", "--out", "late.checkpoint")
    for file in ran.folder.glob("storno.db*"):
        file.unlink()
    shutil.copy(ran.folder / "old.db", ran.folder / "storno.db")
    assert ran.json("audit", "verify")["verified"]
    (problem,) = ran.json("audit", "verify", "--checkpoint", "late.checkpoint", code=5)["problems"]
    assert problem["field"] == "checkpoint"
    assert "an older copy was put in its place" in problem["message"]


def test_a_checkpoint_that_was_changed_is_no_evidence(ran: Storno):
    ran("audit", "keygen")
    ran("audit", "checkpoint", "--sign", "storno.key", "--out", "one.checkpoint")
    file = ran.folder / "one.checkpoint"
    file.write_text(file.read_text().replace("\n2\n", "\n1\n"))
    words = ("audit", "verify", "--checkpoint", "one.checkpoint", "--key", "storno.pub")
    assert "is false" in ran(*words, code=5).stderr
    document = ran.json(*words, code=5)
    assert (document["verified"], document["problems"][0]["field"]) == (False, "checkpoint")
    ran("audit", "checkpoint", "--out", "two.checkpoint")
    unsigned = ("audit", "verify", "--since", "two.checkpoint", "--key", "storno.pub")
    assert "nobody signed it" in ran(*unsigned, code=5).stderr


def test_words_that_cannot_be_meant_are_usage_errors(ran: Storno):
    assert "name one with --checkpoint" in ran("audit", "verify", "--key", "x", code=2).stderr
    assert "cannot be read" in ran("audit", "verify", "--checkpoint", "x", code=2).stderr
    (ran.folder / "x.key").write_text("no key")
    refused = ran("audit", "checkpoint", "--sign", "x.key", code=2)
    assert "no private key" in refused.stderr
    assert "ends as the public key" in ran("audit", "keygen", "--out", "x.pub", code=2).stderr


def test_the_key_of_another_store_is_refused(ran: Storno, tmp_path: Path):
    other = Storno(tmp_path, {})
    other("db", "init")
    other("audit", "keygen")
    refused = ran("audit", "checkpoint", "--sign", str(tmp_path / "storno.key"), code=2)
    assert "for this store" in refused.stderr


def test_scenario_34_what_is_not_there_or_empty_is_never_verified(storno: Storno):
    assert "There is no store" in storno("audit", "verify", code=6).stderr
    storno("db", "init")
    document: dict[str, Any] = storno.json("audit", "verify", code=5)
    assert (document["verified"], document["head"], document["commits"]) == (False, None, 0)
    assert document["problems"][0]["field"] == "log"
    assert "the log is empty" in storno("audit", "verify", code=5).stdout
    (storno.folder / "storno.db").write_bytes(b"no database at all" * 1_000)
    assert "cannot be used" in storno("audit", "verify", code=1).stderr
