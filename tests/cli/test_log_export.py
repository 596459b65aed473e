"""``storno audit export``: all that the hashes are made of, and what shows that it is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from storno.domain.seal import NewEvents
from storno.storage.store import Store

from .command import Storno

Lines = list[dict[str, Any]]


def number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def part(text: bytes) -> bytes:
    return number(len(text)) + text


def root(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written there."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + root(hashes[:split]) + root(hashes[split:])).digest()


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with an export; of ours it uses nothing, as an outsider would not."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["files"]:
        if hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest() != file["sha256"]:
            yield file["name"]
    events, commits = lines(folder / "events.ndjson"), lines(folder / "commits.ndjson")
    if (len(events), len(commits)) != (manifest["events"], manifest["commits"]):
        yield "counts"
    leaves: dict[int, list[bytes]] = {}
    for event in events:
        leaves.setdefault(event["commit"], []).append(leaf_of(event))
        if leaf_of(event).hex() != event["leaf"]:
            yield f"event {event['position']}"
    yield from faults_of_chain(manifest, commits, leaves)


def leaf_of(event: dict[str, Any]) -> bytes:
    stream, topic, state = (event[name].encode() for name in ("stream", "topic", "state"))
    sealed = part(stream) + number(event["version"]) + part(topic) + part(state)
    return hashlib.sha256(b"\0" + sealed).digest()


def faults_of_chain(
    manifest: dict[str, Any], commits: Lines, leaves: dict[int, list[bytes]]
) -> Iterator[str]:
    chain, chains = bytes.fromhex(manifest["previous_chain_hash"]), []
    for commit in commits:
        merkle_root = root(leaves[commit["number"]])
        numbers = ("number", "first_position", "count", "recorded_at")
        sealed = b"".join(number(commit[name]) for name in numbers) + merkle_root + chain
        chain = hashlib.sha256(b"\0" + sealed).digest()
        chains.append(chain)
        if (merkle_root.hex(), chain.hex()) != (commit["merkle_root"], commit["chain_hash"]):
            yield f"commit {commit['number']}"
    if chain.hex() != manifest["last"]["chain_hash"]:
        yield "last"
    head = manifest["head"]
    if len(chains) == head["commit"] and root(chains).hex() != head["root"]:
        yield "root"


def without_root(head: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in head.items() if name != "root"}


def lines(file: Path) -> Lines:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def audited(ran: Storno) -> Storno:
    """A run, one record of it taken back."""
    ran("reverse", "plan", "--record", "payments", "P00001", "--out", "plan.json")
    ran("reverse", "submit", "plan.json", "--reason-code", "other", "--reason", "test")
    ran("reverse", "execute", "R-000001", "--yes")
    return ran


def test_an_outsider_recomputes_every_hash(audited: Storno) -> None:
    manifest = audited.json("audit", "export", "--out", "audit")
    folder = audited.folder / "audit"

    assert list(faults(folder)) == []
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert manifest["first"]["position"] == manifest["first"]["commit"] == 1
    assert without_root(manifest["head"]) == manifest["last"]
    assert manifest["last"]["position"] == manifest["events"] > 240
    [total] = manifest["totals"]
    assert {"book": "main"} | audited.json("ledger", "trial-balance")["totals"][0] == total
    assert manifest["topics"]["storno.RecordSucceeded.v1"] == 237
    assert manifest["topics"]["storno.RecordReversed.v1"] == 1
    trail = audited.json("audit", "trail", "payments", "P00001")["events"]
    of_record = [
        event
        for event in lines(folder / "events.ndjson")
        if event["stream"] == "record/payments/P00001"
    ]
    for event, expected in zip(of_record, trail, strict=True):
        names = ("position", "commit", "recorded", "version", "stream")
        assert [event[name] for name in names] == [expected[name] for name in names]
        assert json.loads(event["state"]) == expected["data"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("events.ndjson", "P00041", "P00042", ["events.ndjson", "event 44", "commit 2"]),
        ("events.ndjson", '\\"ordinal\\":7,', '\\"ordinal\\":7, ', ["events.ndjson", "event 10"]),
        ("commits.ndjson", '"recorded_at":1', '"recorded_at":2', ["commits.ndjson", "commit 1"]),
        ("manifest.json", '"chain_hash": "', '"chain_hash": "0', ["last"]),
        ("manifest.json", '"root": "', '"root": "0', ["root"]),
        ("manifest.json", '"events": 2', '"events": 1', ["counts"]),
    ],
)
def test_an_outsider_finds_what_was_changed(
    audited: Storno, file: str, old: str, new: str, expected: list[str]
) -> None:
    audited("audit", "export", "--out", "audit")
    path = audited.folder / "audit" / file
    text = path.read_text()
    assert old in text

    path.write_text(text.replace(old, new))

    assert set(expected) <= set(faults(audited.folder / "audit"))


def test_a_range_begins_where_the_chain_stood(audited: Storno) -> None:
    audited("audit", "export", "--out", "all")
    commits = lines(audited.folder / "all" / "commits.ndjson")
    times = {
        event["commit"]: event["recorded"]
        for event in lines(audited.folder / "all" / "events.ndjson")
    }

    part = audited.json("audit", "export", "--from", times[2], "--to", times[3], "--out", "part")
    nothing = audited.json("audit", "export", "--to", "2001-01-01", "--out", "nothing")
    day = times[len(commits)][:10]
    today = audited.json("audit", "export", "--from", times[1], "--to", day, "--out", "today")

    assert list(faults(audited.folder / "part")) == []
    assert (part["first"]["commit"], part["last"]["commit"]) == (2, 3)
    assert part["previous_chain_hash"] == commits[0]["chain_hash"]
    assert (part["from"], part["to"]) == (times[2], times[3])
    assert part["head"]["commit"] == len(commits)
    assert (nothing["events"], nothing["first"], nothing["totals"]) == (0, None, [])
    assert (today["commits"], today["to"]) == (len(commits), f"{day}T23:59:59.999999Z")


def test_parquet_holds_the_same(audited: Storno) -> None:
    audited("audit", "export", "--out", "text")
    manifest = audited.json("audit", "export", "--format", "parquet", "--out", "tables")

    events = pq.read_table(audited.folder / "tables" / "events.parquet").to_pylist()
    commits = pq.read_table(audited.folder / "tables" / "commits.parquet").to_pylist()

    for event in events:
        event["recorded"] = f"{event['recorded']:%Y-%m-%dT%H:%M:%S.%fZ}"
        event["state"] = event["state"].decode()
        event["leaf"] = event["leaf"].hex()
    for commit in commits:
        commit |= {name: commit[name].hex() for name in ("merkle_root", "chain_hash")}
    assert events == lines(audited.folder / "text" / "events.ndjson")
    assert commits == lines(audited.folder / "text" / "commits.ndjson")
    for file in manifest["files"]:
        content = (audited.folder / "tables" / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )


def test_nothing_is_overwritten_unless_told(audited: Storno) -> None:
    (audited.folder / "mine").mkdir()
    (audited.folder / "mine" / "file").write_text("mine")
    (audited.folder / "file").write_text("mine")
    audited("audit", "export", "--out", "audit")
    first = (audited.folder / "audit" / "manifest.json").read_bytes()

    refused = audited("audit", "export", "--out", "audit", code=7).stderr
    audited("audit", "export", "--out", "audit", "--force")
    for words in (("mine", "--force"), ("mine",), ("file", "--force")):
        audited("audit", "export", "--out", *words, code=7)
    audited("audit", "export", "--out", "no/where", code=6)

    assert "--force" in refused
    assert (audited.folder / "audit" / "manifest.json").read_bytes() == first
    assert [path.name for path in (audited.folder / "mine").iterdir()] == ["file"]


def test_a_state_that_is_no_text_is_kept(storno: Storno) -> None:
    """Whoever can write to the store can put anything there; an export shows it."""
    storno("db", "init")
    store = Store.open(f"sqlite:///{storno.folder / 'storno.db'}")
    store.log.append(NewEvents(["s"], [1], ["other.v1"], [b"\xff\x00"]))
    store.close()

    storno("audit", "export", "--out", "audit")

    [event] = lines(storno.folder / "audit" / "events.ndjson")
    assert event["state_hex"] == "ff00"


def test_on_postgresql(storno: Storno, postgres_url: str) -> None:
    storno("init", "p", "--template", "payments")
    on_server = Storno(storno.folder / "p", {"STORNO_STORE": postgres_url})
    on_server("db", "init")
    on_server("run", "payments", "--param", "month=2026-01", code=3)

    on_server("audit", "export", "--out", "audit")

    assert list(faults(on_server.folder / "audit")) == []
