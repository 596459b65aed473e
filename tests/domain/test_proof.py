"""Proofs of a log that is made by hand: what they show, and that nothing in them can be changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.proof import (
    FORMAT,
    Proof,
    ProofFailedError,
    ProvedCommit,
    ProvedEvent,
    check_events,
    read_proof,
    write_proof,
)
from storno.domain.seal import EMPTY_CHAIN, NewEvents, commit_leaf, event_leaves, merkle_root
from storno.domain.tree import inclusion_path

SIZES = (3, 1, 4, 1, 5)
"""How many events each commit of the log has."""


def a_proof(*chosen: tuple[int, int]) -> tuple[Proof, int, bytes]:
    """Of (commit, index) pairs, both from 0; with the log's size and root."""
    rows = [
        [(f"record/pay/{number}-{index}", index + 1, "t.v1", b"\xff{%d}" % index)
         for index in range(count)]
        for number, count in enumerate(SIZES)
    ]  # fmt: skip
    leaves = [event_leaves(NewEvents.of(events)) for events in rows]
    chain, first = [EMPTY_CHAIN], 1
    numbers: list[tuple[int, int, int, int]] = []
    for number, events in enumerate(leaves, 1):
        numbers.append((number, first, len(events), 1_700_000_000_000_000 + number))
        chain.append(commit_leaf(*numbers[-1], merkle_root(events), chain[-1]))
        first += len(events)
    size = len(SIZES)
    events = tuple(
        ProvedEvent(
            *rows[commit][index],
            numbers[commit][1] + index,
            tuple(inclusion_path(leaves[commit], index, SIZES[commit])),
            ProvedCommit(
                *numbers[commit], chain[commit], tuple(inclusion_path(chain[1:], commit, size))
            ),
        )
        for commit, index in chosen
    )
    return Proof(FORMAT, "", events), size, merkle_root(chain[1:])


EVERY_EVENT = [(commit, index) for commit, count in enumerate(SIZES) for index in range(count)]


@pytest.mark.parametrize("place", EVERY_EVENT)
def test_every_event_can_be_proved_and_the_file_gives_the_proof_back(
    place: tuple[int, int],
) -> None:
    proof, size, root = a_proof(place)
    again = read_proof(write_proof(proof))
    assert again == proof
    check_events(again, size, root)


def test_several_events_stand_in_one_file_and_each_is_checked() -> None:
    proof, size, root = a_proof(*EVERY_EVENT)
    check_events(proof, size, root)
    with pytest.raises(ProofFailedError, match=r"version 1 of record/pay/0-0: .* not lead to"):
        check_events(proof, size, bytes(32))


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """The document with one value changed, for every value in it, and with one taken out."""
    places = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(places):
        if isinstance(value, (dict, list)):
            for name, changed in changes(value):
                yield f"{key}.{name}", _with(document, key, changed)
        else:
            yield f"{key}", _with(document, key, _changed(value))
        if isinstance(document, list):
            yield f"{key} dropped", document[:key] + document[key + 1 :]
            yield f"{key} twice", [*document[: key + 1], *document[key:]]
        else:
            yield f"{key} dropped", {name: each for name, each in document.items() if name != key}


def _with(document: Any, key: Any, value: Any) -> Any:
    copy = document.copy()
    copy[key] = value
    return copy


def _changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    return ("A" if value[:1] != "A" else "B") + value[1:]


def test_nothing_in_a_file_can_be_changed_unnoticed() -> None:
    proof, size, root = a_proof((2, 1))
    document = json.loads(write_proof(proof))
    seen = 0
    for name, changed in changes(document):
        if name.startswith("checkpoint") and "dropped" not in name:
            continue  # its text leads to size and root, which whoever checks has read from it
        if name == "events.0 twice":
            continue  # twice the same proof
        with pytest.raises(ProofFailedError):
            check_events(read_proof(json.dumps(changed).encode()), size, root)
        seen += 1
    assert seen > 30


@given(st.data())
def test_no_byte_of_a_proof_can_be_another_one(data: st.DataObject) -> None:
    proof, size, root = a_proof(data.draw(st.sampled_from(EVERY_EVENT)))
    text = json.dumps(json.loads(write_proof(proof)), separators=(",", ":")).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda each: each != text[place]))
    changed = text[:place] + bytes([byte]) + text[place + 1 :]
    if b'"checkpoint":"' in text[:place] and b'"events"' in text[place:]:
        return  # the checkpoint's text, which is not checked here
    with pytest.raises(ProofFailedError):
        check_events(read_proof(changed), size, root)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"format":"storno-proof/1","checkpoint":"","events":[]}']
)
def test_what_is_no_proof_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(ProofFailedError, match="proof"):
        read_proof(data)


def test_base64_with_bits_to_spare_is_refused() -> None:
    """``AA==`` and ``AB==`` decode to the same byte."""
    proof, _, _ = a_proof((0, 0))
    text = write_proof(proof).decode()
    chain = "A" * 43 + "="
    assert chain in text
    with pytest.raises(ProofFailedError, match="spelled"):
        read_proof(text.replace(chain, "A" * 42 + "B=").encode())


@pytest.mark.parametrize("field", ["version", "position"])
@pytest.mark.parametrize("value", [-1, 0, 2**63, 2**64])
def test_numbers_that_cannot_be_are_no_crash(field: str, value: int) -> None:
    proof, size, root = a_proof((0, 0))
    document = json.loads(write_proof(proof))
    document["events"][0][field] = value
    with pytest.raises(ProofFailedError):
        check_events(read_proof(json.dumps(document).encode()), size, root)
