"""Fourteen years of the council's files: every way they were ever written, in a sample of months.

What the sample holds of the archive's headers, encodings and date formats is checked against the
whole archive.
"""

from __future__ import annotations

import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..cli.command import Storno
from ..oracle import assert_books_hold, assert_views_agree
from .following import balances, counted, expected_balances, follow

EXAMPLE = Path("examples/devon-archive")
ARCHIVE = "2011-2025.tar.xz"

# Rows read, posted, posted before, dead letters; and what the month is here for.
SAMPLE = {
    "201103": (9819, 9804, 15, 0),  # rows that stand in the file twice
    "201110": (6736, 5114, 0, 1622),  # rows without number, date and amount
    "201112": (5671, 5671, 0, 0),  # cp1252, 1,323 empty rows, amounts like 6.82121E-13
    "201203": (6848, 6848, 0, 0),  # thousands commas
    "201210": (6827, 6827, 0, 0),  # a header with a doubled space
    "201407": (9459, 9459, 0, 0),  # a pound sign in cp1252
    "201703": (10102, 10102, 0, 0),  # the last month of the old layout
    "201704": (7418, 7417, 0, 1),  # the first of the new one; repeats two payments of March
}


@pytest.fixture(scope="module")
def loaded(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Storno:
    """The example after its README has been followed, on an archive of the sample's months only."""
    place = tmp_path_factory.mktemp("devon-archive")
    (place / "sample").mkdir()
    pack(published / ARCHIVE, place / "sample" / ARCHIVE)
    return follow(EXAMPLE, place, place / "sample")


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of the archive: month and content."""
    with tarfile.open(archive, "r|xz") as opened:
        for member in opened:
            content = opened.extractfile(member)
            if content is not None:
                yield member.name.removesuffix(".csv")[-6:], content.read()


def pack(archive: Path, small: Path) -> None:
    """An archive with the months of the sample only."""
    with tarfile.open(small, "w:xz", preset=0) as packed:
        for month, content in members(archive):
            if month in SAMPLE:
                member = tarfile.TarInfo(f"DCCSpendingOver500_{month}.csv")
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))


def traits(content: bytes) -> set[str]:
    """The ways in which a file is written that the job has to know about."""
    header, first = content.splitlines()[:2]
    date = "day first" if b"/" in first.split(b",")[2] else "year first"
    found = {f"header {header!r}", date}
    try:
        content.decode()
    except UnicodeDecodeError:
        found.add("not utf-8")
    if b"\n,,,,,,,,,,,," in content:
        found.add("empty rows")
    return found


def test_the_sample_holds_every_layout_of_the_archive(published: Path) -> None:
    found = {month: traits(content) for month, content in members(published / ARCHIVE)}

    assert len(found) == 159
    of_sample = set[str]().union(*(found[month] for month in SAMPLE))
    assert of_sample == set[str]().union(*found.values())
    assert len(of_sample) == 3 + 2 + 1 + 1


def test_every_month_says_what_became_of_its_rows(loaded: Storno) -> None:
    counts = {run["run"]: counted(run) for run in loaded.json("runs")}

    assert counts == {f"archive/{month}": expected for month, expected in SAMPLE.items()}


def test_the_trial_balance_is_what_the_files_say_to_the_penny(loaded: Storno) -> None:
    expected = expected_balances(EXAMPLE, loaded.folder / "months")

    assert len(expected) > 200
    assert balances(loaded.json("ledger", "trial-balance")) == expected


def test_dead_letters_are_rows_without_amount_and_payments_published_again(loaded: Storno) -> None:
    letters = loaded.json("dead-letters", "list")

    reasons = Counter((letter["run"], letter["error"]) for letter in letters)
    assert reasons == {
        ("archive/201110", "invalid-record"): 1622,
        ("archive/201704", "key-conflict"): 1,
    }
    (again,) = loaded.json("dead-letters", "show", "archive", "P2P40033187:Corporate Services")
    assert (again["posted"]["date"], again["payload"]["date"]) == ("2017-03-29", "2017-04-04")
    assert again["posted_by"] == "archive/201703"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("CYPSWLOC19990705:Children & Younger Persons", "RúINV/00007356"),
        ("EXCHEQ31659630:People Services", "00002 £551"),
    ],
)
def test_what_is_not_utf_8_is_read_as_cp1252(loaded: Storno, key: str, text: str) -> None:
    trail = loaded("audit", "trail", "archive", key).stdout

    assert f"invoice_number={text}," in trail


@pytest.mark.parametrize(
    ("key", "amount"),
    [
        ("GMHFM19461783:Children & Younger Persons", "1534.43"),  # 1534.425
        ("CFADDAY17302303:Adult & Community Services", "-15473.57"),  # -15,473.57
    ],
)
def test_amounts_are_rounded_half_up_and_read_with_their_commas(
    loaded: Storno, key: str, amount: str
) -> None:
    (entry,) = loaded.json("ledger", "entry", "archive", key)

    assert {line["amount"] for line in entry["lines"]} == {amount}


def test_a_transaction_divided_between_areas_is_posted_in_its_parts(loaded: Storno) -> None:
    """Also one that was published again after its area had a new name, as the README admits."""
    for area, run in (("People Services", "201703"), ("Children's Services", "201704")):
        (entry,) = loaded.json("ledger", "entry", "archive", f"CFBOUT32880492:{area}")
        assert entry["run"] == f"archive/{run}"


def test_the_views_agree(loaded: Storno) -> None:
    assert_views_agree(f"sqlite:///{loaded.folder / 'storno.db'}")
    assert_books_hold(f"sqlite:///{loaded.folder / 'storno.db'}")
