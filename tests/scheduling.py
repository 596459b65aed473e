"""Which tests one worker runs together, and which begin first.

xdist has a mark for that, which does nothing from pytest 9.2 on: it is to change a test's id, and
cannot any more. So the files are named here.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/examples/test_devon.py",
    "tests/bench/test_bench.py",
    "tests/examples/test_devon_archive.py",
    "tests/examples/test_devon_reversal.py",
    "tests/packaging/test_wheel.py",
    "tests/cli/test_demo.py",
)
"""Files whose tests share what takes long to make; each of them is one piece of work."""

FIRST = ("tests/torture/", "tests/docs/test_pages.py", "tests/crashes/")
"""Where single tests take long: at the end, one worker would wait for another."""


class Scheduling(LoadScopeScheduling):
    """Each test by itself, but for those together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Take the place of xdist's own."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what begins first; of the pieces of work, xdist begins with those of most tests."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
