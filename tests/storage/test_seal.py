"""The seals, recomputed from the stored rows by the texts' words alone, with none of our code."""

from __future__ import annotations

from hashlib import sha256

import pytest
import sqlalchemy as sa

from storno.domain.seal import merkle_root
from storno.storage.log import EventLog

from .helpers import append, event, events

# The inputs and roots of the test tree that Certificate Transparency's implementations share
# (RFC 6962, section 2.1; certificate-transparency-go, merkletree tests).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_rfc_6962(size: int) -> None:
    leaves = [sha256(b"\x00" + bytes.fromhex(text)).digest() for text in INPUTS[:size]]
    assert merkle_root(leaves).hex() == ROOTS[size]


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written: split at the largest power of two below n."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 65, 100, 1003])
def test_roots_of_any_size_follow_the_recursive_definition(size: int) -> None:
    leaves = [sha256(bytes([0]) + str(number).encode()).digest() for number in range(size)]
    assert merkle_root(leaves) == tree_hash(leaves)


def eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


def test_the_chain_is_recomputed_from_the_stored_rows(engine: sa.Engine) -> None:
    log = EventLog(engine)
    append(log, [event("run/a/1", state=b'{"x": 1}')])
    append(log, [*events("record/a", 1005), event("chunk/ü/1", state=bytes(range(256)))])
    append(log, [event("run/a/1", 2)], expect={"chunk/ü/1": 1})

    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT stream, version, topic, state FROM events ORDER BY position"
        ).all()
        commits = connection.exec_driver_sql(
            "SELECT number, first_position, count, recorded_at, merkle_root, chain_hash "
            "FROM commits ORDER BY number"
        ).all()
    leaves = []
    for stream, version, topic, state in rows:
        name, label = stream.encode(), topic.encode()
        text = b"\x00" + eight(len(name)) + name + eight(version) + eight(len(label)) + label
        leaves.append(sha256(text + eight(len(state)) + state).digest())
    previous = b"\x00" * 32
    for number, first, count, recorded_at, root, chain in commits:
        assert root == tree_hash(leaves[first - 1 : first - 1 + count])
        numbers = eight(number) + eight(first) + eight(count) + eight(recorded_at)
        assert chain == sha256(b"\x00" + numbers + root + previous).digest()
        previous = chain
    assert [commit.count for commit in commits] == [1, 1006, 1]
