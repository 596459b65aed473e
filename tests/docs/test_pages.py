"""Every command and every block of code in README.md and docs/ does what its page says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from .pages import blocks, pages
from .running import ROOT, Page

PAGES = pages(ROOT)
FRESH = {Path("README.md")}
"""Whose commands start as they do for a reader; on the other pages they are forked, which is alike.
"""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_page_tells_the_truth(
    page: Path,
    tmp_path: Path,
    new_database: Callable[[str], str],
    request: pytest.FixtureRequest,
) -> None:
    directory = tmp_path / "page"
    directory.mkdir()
    text = (ROOT / page).read_text()
    if any("shared/data/devon-spend" in block.beside for block in blocks(text)):
        request.getfixturevalue("published")  # skips where the files are not there

    postgres_url = functools.partial(new_database, "postgresql")
    with Page(str(page), directory, postgres_url, fresh=page in FRESH) as running:
        running.run(text)


def test_the_readme_and_every_section_are_among_the_pages() -> None:
    assert Path("README.md") in PAGES
    sections = {path.parts[1] for path in PAGES if len(path.parts) > 2}
    assert sections == {"decisions", "explanation", "how-to", "reference", "tutorial"}
