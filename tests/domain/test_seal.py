"""The bytes that are hashed: vectors computed by hand, RFC 6962's own, and what follows."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.seal import (
    EMPTY_CHAIN,
    NewEvents,
    commit_leaf,
    event_leaf,
    event_leaves,
    merkle_root,
)

# RFC 6962's test inputs, as Certificate Transparency's own tests use them, and their roots.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_merkle_roots_are_those_of_rfc_6962(size: int) -> None:
    leaves = [sha256(b"\0" + data).digest() for data in INPUTS[:size]]

    assert merkle_root(leaves).hex() == ROOTS[size - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert merkle_root([]) == sha256(b"").digest()


def by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = by_the_book(leaves[:split]), by_the_book(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_merkle_roots_follow_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == by_the_book(leaves)


def test_an_event_leaf_byte_for_byte() -> None:
    written = bytes.fromhex(
        "00"  # a leaf
        "000000000000000d" + b"record/pay/\xc3\xbc".hex() +  # length and stream
        "0000000000000002"  # version
        "0000000000000004" + b"t.v1".hex() +  # length and topic
        "0000000000000002" + b"{}".hex()  # length and state
    )  # fmt: skip

    leaf = event_leaf("record/pay/\u00fc", 2, "t.v1", b"{}")

    assert leaf == sha256(written).digest()


def test_a_commit_leaf_byte_for_byte() -> None:
    written = bytes.fromhex(
        "00"
        "0000000000000007"  # number
        "0000000000000029"  # first position
        "0000000000000003"  # count
        "00060a24181e4000"  # 2024-03-01 00:00:00 UTC in microseconds
        + "11" * 32 + "00" * 32  # root, and the chain before the first commit
    )  # fmt: skip

    leaf = commit_leaf(7, 41, 3, 0x00060A24181E4000, b"\x11" * 32, EMPTY_CHAIN)

    assert leaf == sha256(written).digest()


STREAMS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@given(st.lists(st.tuples(STREAMS, st.integers(1, 100), STREAMS, st.binary(max_size=20))))
def test_leaves_in_bulk_are_the_leaves_one_by_one(
    events: list[tuple[str, int, str, bytes]],
) -> None:
    assert event_leaves(NewEvents.of(events)) == [event_leaf(*event) for event in events]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", 1, "c", b""), ("a", 1, "bc", b"")),
        (("a", 1, "bc", b""), ("a", 1, "b", b"c")),
        (("a", 1, "b", b""), ("a", 2, "b", b"")),
        (("", 1, "", b"x"), ("x", 1, "", b"")),
    ],
)
def test_no_two_events_share_a_leaf_by_where_a_field_ends(one: tuple, other: tuple) -> None:
    assert event_leaf(*one) != event_leaf(*other)


def test_every_part_of_a_commit_is_in_its_leaf() -> None:
    parts: list[Any] = [7, 41, 3, 1_000_000, b"\x11" * 32, b"\x22" * 32]
    changed = [8, 42, 4, 1_000_001, b"\x12" * 32, b"\x23" * 32]
    leaves = {commit_leaf(*parts)}
    for index, value in enumerate(changed):
        one_changed: list[Any] = [*parts[:index], value, *parts[index + 1 :]]
        leaves.add(commit_leaf(*one_changed))

    assert len(leaves) == 7
