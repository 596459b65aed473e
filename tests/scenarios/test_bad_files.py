"""Files that are not what they should be (scenario 36), read and posted for real.

How each line of a CSV file is read is held in tests/execution/sources; this is what a run makes
of it.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storno import csv_source, json_lines
from storno.domain.events import Counts, RunCompleted

from .lab import Lab, paying

HEADER = b"number,amount\n"
GOOD = b"P-000,1.25\nP-001,2.25\n"


@dataclass(frozen=True)
class Case:
    """A file, and what the run should come to: counts, or why it fails.

    Attributes:
        failures: ordinal to the error code of each dead letter.
    """

    content: bytes
    succeeded: int = 0
    failures: dict[int, str] | None = None
    fails: str = ""
    told: str = ""
    source: dict[str, Any] | None = None


INVALID = "invalid-record"
CASES: dict[str, Case] = {
    "as it should be": Case(HEADER + GOOD, 2),
    "empty file": Case(b"", 0),
    "blank lines only": Case(b"\n\n", 0),
    "header only": Case(HEADER, 0),
    "header only, no line end": Case(HEADER.rstrip(), 0),
    "missing column": Case(b"number,betrag\nP-000,1\n", fails="source-unreadable", told="'amount'"),
    "doubled column": Case(
        b"number,amount,amount\nP-0,1,2\n", fails="source-unreadable", told="both the field"
    ),
    "unknown columns": Case(b"number,x,amount,y\nP-000,a,1.25,b\n", 1),
    "wrong delimiter": Case(
        b"number;amount\nP-000;1.25\n", fails="source-unreadable", told="delimiter=';'"
    ),
    "BOM": Case(b"\xef\xbb\xbf" + HEADER + GOOD, 2),
    "not UTF-8": Case(HEADER + b"P-000,1.25\nM\xfcller,1\nP-002,3\n", 2, {1: INVALID}),
    "NUL bytes": Case(HEADER + b"P-000,1.25\nP\0,1\nP-002,3\n", 2, {1: INVALID}),
    "UTF-16 taken for UTF-8": Case(
        (HEADER + GOOD).decode().encode("utf-16"), fails="source-unreadable", told="header"
    ),
    "a very long line": Case(
        HEADER + b"P-000,1\n" + b"x" * 3_000_000 + b"\nP-002,3\n", 2, {1: INVALID}
    ),
    "a very long field": Case(
        HEADER + b"P-000," + b"1" * 100_000 + b"\nP-001,2\n", 1, {0: "invalid-amount"}
    ),
    "quoted line breaks": Case(HEADER + b'"P\n0",1.25\n"P\r\n1",2\n', 2),
    "blank lines in the middle": Case(HEADER + b"\nP-000,1\n\n  \nP-001,2\n\n", 2),
    "no final newline": Case(HEADER + GOOD.rstrip(), 2),
    "carriage returns": Case((HEADER + GOOD).replace(b"\n", b"\r\n"), 2),
    "too few and too many fields": Case(
        HEADER + b"P-000\nP-001,1\nP-002,1,2\n", 1, {0: INVALID, 2: INVALID}
    ),
    "a quote that is not closed": Case(HEADER + b'"P-000,1\nP-001,2\n', 1, {0: INVALID}),
    "a line of delimiters": Case(HEADER + b"P-000,1\n,\n", 1, {1: INVALID}),
    "a second header": Case(HEADER + GOOD + HEADER, 2, {2: INVALID}),
}


def run(lab: Lab, tmp_path: Path, content: bytes, chunk_size: int = 2) -> Any:
    file = tmp_path / "payments.csv"
    file.write_bytes(content)
    return lab.run(paying([], source=csv_source(str(file)), chunk_size=chunk_size))


@pytest.mark.parametrize("name", CASES)
def test_a_file(sqlite_lab: Lab, tmp_path: Path, name: str) -> None:
    """Scenario 36, as each name says."""
    case, lab = CASES[name], sqlite_lab

    result = run(lab, tmp_path, case.content)

    if case.fails:
        assert (result.state, result.error) == ("failed", case.fails)
        assert case.told in str(result.message)
        assert "payments.csv" in str(result.message)
        assert not lab.events(RunCompleted)
        return
    failures = case.failures or {}
    read = case.succeeded + len(failures)
    assert result.state == "completed"
    assert result.counts == Counts(read=read, succeeded=case.succeeded, failed=len(failures))
    assert lab.failures() == failures
    for letter in lab.view("dead_letters"):
        assert "payments.csv line " in letter["location"]
        assert len(letter["payload"]) < 30_000


def test_odd_texts_reach_both_databases_as_they_are(lab: Lab, tmp_path: Path) -> None:
    """Scenario 36 on each database: what cannot be shown is escaped, not lost."""
    content = HEADER + b"P-000,1.25\nM\xfcller,1\nP\0,1\n\xf0\x9f\x92\xb6,2\n"

    result = run(lab, tmp_path, content)

    assert result.counts == Counts(read=4, succeeded=2, failed=2)
    payloads = [row["payload"] for row in lab.view("dead_letters")]
    assert any(r"M\\xfcller" in payload for payload in payloads)
    assert any(r"P\\x00" in payload for payload in payloads)
    assert any(each.stream == "record/payments/\U0001f4b6" for each in lab.log())


def test_a_gigabyte_on_one_line_costs_no_memory(sqlite_lab: Lab, tmp_path: Path) -> None:
    """Scenario 36: 1 GB on one line; packed, so that it is quickly written."""
    import resource

    file = tmp_path / "payments.csv.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(HEADER + b"P-000,1.25\n")
        block = b"x" * 2**20
        for _ in range(1024):
            stream.write(block)
        stream.write(b"\nP-002,3.25\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    result = sqlite_lab.run(paying([], source=csv_source(str(file))))

    assert result.counts == Counts(read=3, succeeded=2, failed=1)
    (letter,) = sqlite_lab.view("dead_letters")
    assert "1,073,741,825 bytes" in letter["message"]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 * 1024, f"{grown} KiB more"


JSON_LINES = rb"""{"number": "P-000", "amount": "1.25"}
{"number": "P-001", "amount": 2.25}
{"number": "P-002", "amount": 0.1}
not json
{"number": "P-004"}
["P-005", 1]
{"number": "P-006", "amount": "1.25", "amount": "2.25"}
{"number": "P-\ud800", "amount": "1"}
{"number": 8, "amount": "1"}
"""


def test_json_lines_that_are_not_records(lab: Lab, tmp_path: Path) -> None:
    """Scenario 36, for JSON Lines; numbers are exact, whatever their form."""
    file = tmp_path / "payments.jsonl"
    file.write_bytes(JSON_LINES)

    result = lab.run(paying([], source=json_lines(str(file)), chunk_size=2))

    assert result.counts.read == 9
    assert {0, 1, 2} <= set(lab.posted())
    assert (
        lab.failures().items()
        >= {3: INVALID, 4: INVALID, 5: INVALID, 7: INVALID, 8: INVALID}.items()
    )
    assert lab.balances()["creditors", "EUR"] <= -(125 + 225 + 10)
