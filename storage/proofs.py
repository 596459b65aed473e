"""Proofs that events stand in the log, made from what is stored."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ..domain.checkpoint import Checkpoint
from ..domain.errors import CheckFailedError, ConflictError
from ..domain.proof import FORMAT, Proof, ProofFailedError, ProvedCommit, ProvedEvent, check_events
from ..domain.seal import EMPTY_CHAIN, NewEvents, event_leaves
from ..domain.tree import inclusion_path
from .log import Commit, EventLog, Row
from .tree import chain_hashes


def prove(log: EventLog, rows: Sequence[Row], checkpoint: Checkpoint) -> Proof:
    """The proof that stored events stand under a checkpoint of their log.

    Args:
        rows: the events as they are read from the log.

    Raises:
        ConflictError: an event was committed after the checkpoint was made.
        CheckFailedError: the log is not the one that the checkpoint is of, or was changed.
    """
    try:
        events = tuple(_proved(log, row, checkpoint.size) for row in rows)
        proof = Proof(FORMAT, checkpoint.text, events)
        check_events(proof, checkpoint.size, checkpoint.root)
    except (ProofFailedError, ValueError, TypeError) as error:  # SQLite lets text stand for bytes
        raise CheckFailedError(
            f"the log is not what the checkpoint of {checkpoint.size} commits says: {error} "
            "Run storno audit verify, which says where."
        ) from None
    return proof


def _proved(log: EventLog, row: Row, size: int) -> ProvedEvent:
    commit, previous = _commit_with(log, row.position)
    if commit.number > size:
        raise ConflictError(
            f"version {row.version} of {row.stream} stands in commit {commit.number}, and the "
            f"checkpoint counts {size}: give a later one, or none to make one now."
        )
    rows = log.read_log(after_position=commit.first_position - 1, limit=commit.count)
    leaves = event_leaves(NewEvents.of(each[1:] for each in rows))
    return ProvedEvent(
        *row[1:],
        row.position,
        tuple(inclusion_path(leaves, row.position - commit.first_position, commit.count)),
        ProvedCommit(
            commit.number,
            commit.first_position,
            commit.count,
            commit.recorded_at,
            previous,
            tuple(inclusion_path(chain_hashes(log, size), commit.number - 1, size)),
        ),
    )


def _commit_with(log: EventLog, position: int) -> tuple[Commit, bytes]:
    """The commit that holds a position, and the chain hash of the one before it."""
    commits = log.tables.commits
    last = sa.select(commits).where(commits.c.first_position <= position)
    with log.engine.connect() as connection:
        found = connection.execute(last.order_by(commits.c.first_position.desc()).limit(2)).all()
    if not found:
        raise ValueError(f"position {position} has no commit")
    commit = Commit(*found[0])
    return commit, found[1].chain_hash if len(found) > 1 else EMPTY_CHAIN
