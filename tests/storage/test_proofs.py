"""Proofs from a real log, on each database, and from logs that somebody has changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from storno.domain.checkpoint import parse
from storno.domain.errors import CheckFailedError, ConflictError
from storno.domain.proof import ProofFailedError, check_events, read_proof, write_proof
from storno.storage.proofs import prove
from storno.storage.store import Store
from storno.storage.tree import current_checkpoint

from .helpers import append, event, events
from .tampering import tampered


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    """With commits of 1, 1,003 and 2 events."""
    store = Store.open(made_url)
    append(store.log, [event("run/ä/1", state=b"\x00\xff")])
    append(store.log, events("record/a", 1003))
    append(store.log, [event("run/ä/1", 2), event("record/a/000007", 2)])
    yield store
    store.close()


@pytest.mark.parametrize("stream", ["run/ä/1", "record/a/000000", "record/a/000007"])
def test_what_is_stored_can_be_proved_without_the_store(store: Store, stream: str) -> None:
    rows = store.log.read_stream(stream)
    proof = read_proof(write_proof(prove(store.log, rows, current_checkpoint(store))))
    under = parse(proof.checkpoint)
    check_events(proof, under.size, under.root)
    commits = {commit.number: commit for commit in store.log.commits()}
    for row, shown in zip(rows, proof.events, strict=True):
        assert (shown.position, shown.stream, shown.version, shown.topic, shown.state) == row
        theirs = commits[shown.commit.number]
        assert shown.commit.recorded_at == theirs.recorded_at
        assert theirs.first_position <= row.position <= theirs.last_position


def test_an_older_checkpoint_proves_what_it_counts_and_no_more(store: Store) -> None:
    (row,) = store.log.read_stream("record/a/000003")
    older = current_checkpoint(store)
    append(store.log, events("record/b", 5))
    proof = prove(store.log, [row], older)
    check_events(proof, older.size, older.root)
    later = store.log.read_stream("record/b/000001")
    with pytest.raises(ConflictError, match=r"commit 4, and the checkpoint counts 3: give a later"):
        prove(store.log, later, older)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET state = 'x' WHERE stream = 'record/a/000007' AND version = 1",
        "UPDATE events SET state = 'x' WHERE stream = 'record/a/000900'",
        "UPDATE events SET topic = 'x' WHERE stream = 'record/a/000007' AND version = 1",
        "DELETE FROM events WHERE stream = 'record/a/000900'",
        "UPDATE commits SET recorded_at = recorded_at - 1 WHERE number = 2",
        "UPDATE commits SET count = count - 1 WHERE number = 2",
        "UPDATE commits SET first_position = 3 WHERE number = 2",
        "UPDATE commits SET chain_hash = merkle_root WHERE number = 1",
        "UPDATE commits SET chain_hash = merkle_root WHERE number = 3",
        "DELETE FROM commits WHERE number = 1",
        "DELETE FROM commits WHERE number = 3",
    ],
)
def test_a_log_that_was_changed_gives_no_proof(store: Store, change: str) -> None:
    under = current_checkpoint(store)
    with tampered(store.engine) as connection:
        connection.execute(sa.text(change))
    with pytest.raises(CheckFailedError, match="audit verify"):
        prove(store.log, store.log.read_stream("record/a/000007")[:1], under)


def test_a_proof_is_of_one_log_only(store: Store) -> None:
    """Another checkpoint of the same size: of a log that was written anew, say."""
    (row,) = store.log.read_stream("record/a/000003")
    proof = prove(store.log, [row], current_checkpoint(store))
    with pytest.raises(ProofFailedError):
        check_events(proof, 3, bytes(32))
