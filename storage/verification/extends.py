"""Whether the log extends the checkpoints that somebody kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...domain.checkpoint import Checkpoint
from ...domain.tree import Frontier
from .problems import Problem


class KeptCheckpoints:
    """Checkpoints kept elsewhere, held against the log's tree as it grows."""

    def __init__(self, checkpoints: Sequence[Checkpoint]) -> None:
        self._checkpoints = checkpoints

    def of_other_logs(self, origin: str) -> Iterator[Problem]:
        """Those that are not of this log."""
        for each in self._checkpoints:
            if each.origin != origin:
                yield _problem(
                    f"the checkpoint is of {each.origin}, and this log is {origin}: it is another "
                    "store, or its id was changed"
                )

    def differing(self, tree: Frontier) -> Iterator[Problem]:
        """Those of the tree's size that name another root."""
        for each in self._checkpoints:
            if each.size == tree.size and each.root != tree.root():
                yield _problem(
                    f"the checkpoint of {each.size} commits names another root than these commits "
                    "have: what had been committed was changed, and its hashes computed anew"
                )

    def beyond(self, size: int) -> Iterator[Problem]:
        """Those that count more commits than there are."""
        for each in self._checkpoints:
            if each.size > size:
                yield _problem(
                    f"the checkpoint counts {each.size} commits, and the log holds {size}: its "
                    "end was cut off, or an older copy was put in its place"
                )


def _problem(message: str) -> Problem:
    return Problem(field="checkpoint", message=message)
