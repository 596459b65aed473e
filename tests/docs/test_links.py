"""The pages outside docs/, which mkdocs does not see, link to files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .running import ROOT

LINK = re.compile(r"\]\((?!https?://|mailto:|#)(?P<target>[^)#\s]+)")
OUTSIDE = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]


def broken_links(page: Path) -> list[str]:
    targets = [found["target"] for found in LINK.finditer(page.read_text())]
    return [target for target in targets if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](page.md#x) [b](no.md) [c](https://example.org/no.md) [d](#here)")

    assert broken_links(page) == ["no.md"]
