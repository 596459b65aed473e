"""The log's tree, on each database: as its leaves are stored, page by page."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from storno.domain.seal import merkle_root
from storno.storage import tree
from storno.storage.log import EventLog
from storno.storage.tree import chain_hashes, roots_at

from .helpers import append, event


@pytest.mark.parametrize("commits", [0, 1, 6, 7])
def test_the_tree_is_over_the_chain_hashes_of_all_commits(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    monkeypatch.setattr(tree, "LEAVES_PAGE", 3)
    log = EventLog(engine)
    chain = [append(log, [event("run/a/1", n)]).chain_hash for n in range(1, commits + 1)]

    assert list(chain_hashes(log, commits)) == chain
    assert list(chain_hashes(log, commits // 2)) == chain[: commits // 2]
    sizes = {commits, commits // 2, 0}
    assert roots_at(log, sizes) == {size: merkle_root(chain[:size]) for size in sizes}
