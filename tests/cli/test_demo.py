"""The demo, run once: what it tells, and what it leaves behind."""

from __future__ import annotations

import re

import pytest

from .command import Ran, Storno

BOOKS = "sqlite:///books.db"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storno, Ran]:
    """The folder in which the demo was run, with books of somebody else's, and what it told."""
    storno = Storno(tmp_path_factory.mktemp("demo"), {})
    storno("db", "init", "--store", BOOKS)
    books = f"sqlite:///{storno.folder}/books.db"
    told = storno("demo", "--keep", "demo", "--json", STORNO_STORE=books, STORNO_ACTOR="carl")
    return storno, told


def test_the_demo_leaves_the_books_of_the_environment_alone(demo: tuple[Storno, Ran]) -> None:
    storno, told = demo

    assert re.search(r"All \d+ figures agree\.", told.stderr)
    assert re.search(
        r"Verified [\d,]+ events in \d+ commits: every hash is that of what", told.stderr
    )
    assert storno.json("runs", "--store", BOOKS) == []
    assert storno.within("demo").json("views", "check")["agree"] is True


def test_the_demo_repairs_a_record_and_takes_a_day_back(demo: tuple[Storno, Ran]) -> None:
    storno, told = demo

    assert told.document["failures"] == 0
    kept = storno.within("demo")
    [reversal] = kept.json("reverse", "list")
    assert (reversal["state"], reversal["requested_by"], reversal["decided_by"]) == (
        "completed", "ann", "carl",
    )  # fmt: skip
    [repaired] = kept.json("dead-letters", "list", "--state", "resolved")
    assert repaired["key"] == "P202601-A"
    [january, february] = sorted(run["reversed"] for run in kept.json("runs"))
    assert (january, february) == (0, 0)
