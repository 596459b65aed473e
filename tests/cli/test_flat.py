"""What writes everything there is holds little of it at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from storno.domain.codec import encode
from storno.domain.events import ChunkStarted, RecordSucceeded
from storno.domain.seal import NewEvents
from storno.storage.store import Store

from .command import Storno

A_COMMIT = 100
LITTLE, MUCH = 4_000, 16_000
"""Events, half of them chunks' and half of them records'."""

PEAK = """
import pathlib, sys, tracemalloc
from storno.cli.main import main
main(sys.argv[1:])  # which imports what it needs
tracemalloc.start()
assert main(sys.argv[1:]) == 0
sys.stdout.flush()
pathlib.Path("peak").write_text(str(tracemalloc.get_traced_memory()[1]))
"""


def grow(storno: Storno, first: int, behind: int) -> None:
    """Append events with such numbers to the log, as a long run would."""
    url = f"sqlite:///{storno.folder / 'storno.db'}"
    store = Store.open(url)
    posted = store.log.read_stream("record/payments/P00001")[0]
    claim = ChunkStarted(attempt=1, worker="w", lease_seconds=9.0, first_offset={}, first_ordinal=0)
    topics = [claim.TOPIC, RecordSucceeded.TOPIC] * (A_COMMIT // 2)
    states = [encode(claim), posted.state] * (A_COMMIT // 2)
    for start in range(first, behind, A_COMMIT):
        streams = [
            name
            for number in range(start, start + A_COMMIT, 2)
            for name in (f"chunk/payments/2026-01/9/{number:08d}", f"record/payments/Q{number}")
        ]
        store.log.append(NewEvents(streams, [1] * A_COMMIT, topics, states))
    store.close()


def peak_bytes(folder: Path, *words: str) -> int:
    """What the command holds at most, of what Python allocates."""
    with (folder / "out").open("w") as out:
        command = [sys.executable, "-c", PEAK, *words]
        subprocess.run(command, cwd=folder, stdout=out, check=True)
    return int((folder / "peak").read_text())


def size_of_all(folder: Path) -> int:
    """Bytes that were written, to stdout and to the exported log's folder."""
    return sum(
        file.stat().st_size
        for file in (folder / "out", *folder.glob("log/events*"))
        if file.exists()
    )


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("show", "payments/2026-01", "--events", "--json"), id="events of a run"),
        pytest.param(("audit", "export", "--out", "log", "--force"), id="the log"),
        pytest.param(("ledger", "export", "--format", "csv"), id="a book"),
    ],
)
def test_four_times_as_many_events_take_no_more_memory(ran: Storno, words: tuple[str, ...]) -> None:
    grow(ran, 0, LITTLE)
    little = peak_bytes(ran.folder, *words)
    written = size_of_all(ran.folder)
    grow(ran, LITTLE, MUCH)
    much = peak_bytes(ran.folder, *words)
    assert size_of_all(ran.folder) > 3 * written
    assert much < 1.3 * little
