"""The benchmark measures what it says: every leg ran, and its store holds all of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest

from storno.storage.sqlite_engine import CACHE_KIB, WAL_PAGES

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 2_000
DBOS_RECORDS = 20
LEGS = ["storno", "reversal", "handwritten", "eventsourcing", "dbos", "floor"]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's: PostgreSQL runs as another user here, and a second pytest shuts theirs off."""
    with tempfile.TemporaryDirectory(prefix="storno-bench-test-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def comparison(folder: Path) -> tuple[str, dict[str, Any], Path]:
    """The table, the JSON, and the folder with the stores of one small comparison."""
    out = folder / "out.json"
    sizes = ["--rounds=1", f"--records={RECORDS}", f"--dbos-records={DBOS_RECORDS}"]
    done = bench("compare", *sizes, f"--out={out}", f"--folder={folder}")
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(out.read_text()), folder


def test_every_leg_stands_in_the_table_and_in_the_json(
    comparison: tuple[str, dict[str, Any], Path],
) -> None:
    text, document, _ = comparison
    expected = [(database, leg) for database in ("sqlite", "postgresql") for leg in LEGS]
    assert [(row["database"], row["leg"]) for row in document["summary"]] == expected
    assert sum(line.startswith(("| sqlite", "| postgresql")) for line in text.splitlines()) == 12


def test_ratios_are_of_one_round(comparison: tuple[str, dict[str, Any], Path]) -> None:
    _, document, _ = comparison
    rates = {(m["database"], m["leg"]): m["records_per_second"] for m in document["measurements"]}
    for row in document["summary"]:
        ratio = rates[row["database"], "storno"] / rates[row["database"], row["leg"]]
        assert row["storno_ratio"] == {
            "median": pytest.approx(ratio),
            "least": pytest.approx(ratio),
            "most": pytest.approx(ratio),
        }


@pytest.mark.parametrize(
    ("leg", "query", "count"),
    [
        ("storno", "SELECT count(*) FROM events WHERE stream LIKE 'record/%'", RECORDS),
        ("reversal", "SELECT count(*) FROM events WHERE topic LIKE '%.RecordReversed.%'", RECORDS),
        ("handwritten", "SELECT count(*) FROM postings", 2 * RECORDS),
        ("handwritten", "SELECT count(*) FROM checkpoints", 2),
        ("eventsourcing", "SELECT count(*) FROM stored_events", RECORDS),
        ("dbos", "SELECT count(*) FROM operation_outputs", DBOS_RECORDS),
        ("floor", "SELECT count(*) FROM events WHERE stream LIKE 'record/%'", RECORDS),
    ],
)
def test_each_leg_wrote_every_record(
    comparison: tuple[str, dict[str, Any], Path], leg: str, query: str, count: int
) -> None:
    _, _, folder = comparison
    driver: Any = sqlite  # it has no stubs
    connection = driver.connect(str(folder / f"{leg}_1.db"))
    assert connection.execute(query).fetchone() == (count,)
    connection.close()


def test_both_databases_hold_the_same(comparison: tuple[str, dict[str, Any], Path]) -> None:
    _, document, _ = comparison
    for leg in LEGS:
        counts = [list(m["stored"].values()) for m in document["measurements"] if m["leg"] == leg]
        assert len(counts) == 2
        assert counts[0] == counts[1]


def test_every_leg_has_stornos_sqlite_settings(
    comparison: tuple[str, dict[str, Any], Path],
) -> None:
    _, document, _ = comparison
    settings = document["databases"]["sqlite"]["settings"]
    assert f"cache_size=-{CACHE_KIB}," in settings
    assert f"wal_autocheckpoint={WAL_PAGES}" in settings
    assert "synchronous=FULL" in settings


def test_the_invoices_are_the_same_each_time(
    comparison: tuple[str, dict[str, Any], Path],
) -> None:
    *_, folder = comparison
    lines = (folder / "invoices.csv").read_text().splitlines()
    assert len(lines) == RECORDS + 1
    assert lines[0] == "invoice_number,supplier,expense_account,date,currency,amount,text"
    assert (folder / "few_invoices.csv").read_text().splitlines()[0] == lines[0]
    assert len({line.split(",")[0] for line in lines[1:]}) == RECORDS


def test_an_unknown_database_is_a_usage_error() -> None:
    assert bench("--databases=oracle").returncode == 2


def trial(tmp_path: Path, name: str, *arguments: str) -> list[dict[str, Any]]:
    """The JSON of a trial; it may miss its target here, on a busy machine, but not fail."""
    out = tmp_path / "out.json"
    done = bench(name, f"--out={out}", f"--folder={tmp_path}", *arguments)
    assert done.stdout.startswith("| database"), done.stderr
    rows: list[dict[str, Any]] = json.loads(out.read_text())
    return rows


def test_memory_is_that_of_each_run_alone(tmp_path: Path) -> None:
    rows = trial(tmp_path, "memory", "--records=4000,1000")
    assert [row["records"] for row in rows] == [4000, 1000]
    assert all(row["peak_bytes"] > 10_000_000 for row in rows)


def test_scale_measures_stretch_after_stretch(tmp_path: Path) -> None:
    rows = trial(tmp_path, "scale", "--records=2000,4000")
    for keys in ("in order", "scattered"):
        first, second = [row for row in rows if row["keys"] == keys]
        assert first["ratio"] == 1
        assert first["until"] == second["after"] >= 2000
        assert second["until"] >= 4000


def test_resume_kills_a_run_and_sees_it_through(tmp_path: Path) -> None:
    (row,) = trial(tmp_path, "resume", "--records=60000", "--rounds=1")
    assert 53_000 <= row["killed_after"] < 60_000
    assert 0 < row["first_commit_seconds"] <= row["first_chunk_seconds"]


def test_rebuild_goes_through_every_event_of_each_store(tmp_path: Path) -> None:
    rows = trial(tmp_path, "rebuild", "--records=3000,1500", "--rounds=2")
    legs = ["rebuild", "check", "books"] * 2
    assert [row["leg"] for row in rows] == legs * 2
    assert [row["events"] for row in rows] == [3_008] * 6 + [1_506] * 6
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 10_000_000 for row in rows)
    assert all(row["floor_seconds"] > 0 for row in rows)


def test_profile_shares_add_up(tmp_path: Path) -> None:
    rows = trial(tmp_path, "profile", "--records=10000", "--databases=sqlite")
    shares = [row["share"] for row in rows if row["who"] == "preparing"]
    assert sum(shares) == pytest.approx(1)


def test_verify_reads_every_event_of_the_run(tmp_path: Path) -> None:
    rows = trial(tmp_path, "verify", "--records=3000", "--rounds=2", "--databases=sqlite")
    assert [row["events"] for row in rows] == [3008, 3008]
    assert all(row["peak_bytes"] > 10_000_000 and row["of_floor"] > 0 for row in rows)


def test_export_writes_every_store_in_every_way(tmp_path: Path) -> None:
    rows = trial(tmp_path, "export", "--records=1000,2000")
    assert [row["records"] for row in rows] == [1_000] * 4 + [2_000] * 4
    assert len({row["leg"] for row in rows}) == 4
    assert all(row["peak_bytes"] > 10_000_000 for row in rows)
    (line,) = (tmp_path / "book-beancount.out").read_text().splitlines()[:1]
    assert line.startswith("; Book main of store")
