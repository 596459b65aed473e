"""RFC 6962's tree as it grows: the known vectors, and every answer against the RFC's definition."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.seal import merkle_root
from storno.domain.tree import (
    Frontier,
    consistency_path,
    inclusion_path,
    is_consistent,
    root_from_path,
)

from .test_seal import INPUTS, ROOTS

# The paths that come with Certificate Transparency (merkle_tree_test.cc), over the leaves that all
# implementations of RFC 6962 are tested with.
LEAVES = [sha256(b"\x00" + data).digest() for data in INPUTS]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
LARGEST = 70
"""Past 64: trees with every shape of right edge that six levels give."""


def leaves_of(size: int) -> list[bytes]:
    return [sha256(b"\x00%d" % number).digest() for number in range(size)]


# RFC 6962, section 2.1, word for word: MTH, PATH and SUBPROOF.


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_proof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def root_of(leaves: list[bytes]) -> bytes:
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    assert tree.size == len(leaves)
    return tree.root()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_paths_of_inclusion_are_those_of_the_published_vectors(index: int, size: int) -> None:
    path = inclusion_path(LEAVES, index, size)
    assert [node.hex() for node in path] == INCLUSION[index, size]
    assert root_from_path(LEAVES[index], index, size, path).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_paths_of_consistency_are_those_of_the_published_vectors(old: int, size: int) -> None:
    path = consistency_path(LEAVES, old, size)
    assert [node.hex() for node in path] == CONSISTENCY[old, size]
    roots = [bytes.fromhex(ROOTS[count - 1]) for count in (old, size)]
    assert is_consistent(old, roots[0], size, roots[1], path)


def test_a_tree_without_leaves_has_the_hash_of_nothing() -> None:
    assert Frontier().root() == sha256(b"").digest()


def test_the_root_is_the_definition_s_at_every_size() -> None:
    leaves, tree = leaves_of(LARGEST), Frontier()
    for size, leaf in enumerate(leaves):
        assert tree.root() == naive_root(leaves[:size]) == merkle_root(leaves[:size])
        tree.add(leaf)


@given(st.data())
def test_every_leaf_s_path_is_the_definition_s_and_leads_to_the_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(LARGEST)
    path = inclusion_path(iter(leaves), index, size)
    assert path == naive_path(index, leaves[:size])
    assert root_from_path(leaves[index], index, size, path) == naive_root(leaves[:size])


@given(st.data())
def test_no_other_leaf_place_or_path_leads_to_the_root(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    path, root = inclusion_path(leaves, index, size), naive_root(leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda place: place != index))
    changed = list(path)
    changed[data.draw(st.integers(0, len(path) - 1))] = bytes(32)
    assert root_from_path(leaves[other], index, size, path) != root
    assert root_from_path(leaves[index], index, size, changed) != root
    try:
        assert root_from_path(leaves[index], other, size, path) != root
    except ValueError:
        assert len(inclusion_path(leaves, other, size)) != len(path)


@given(st.data())
def test_paths_of_another_length_are_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    path = inclusion_path(leaves, index, size)
    with pytest.raises(ValueError, match="too short"):
        root_from_path(leaves[index], index, size, path[:-1])
    with pytest.raises(ValueError, match="too long"):
        root_from_path(leaves[index], index, size, [*path, path[0]])


@given(st.data())
def test_every_tree_is_consistent_with_all_it_grew_from(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    old = data.draw(st.integers(1, size))
    leaves = leaves_of(LARGEST)
    path = consistency_path(iter(leaves), old, size)
    assert path == naive_proof(old, leaves[:size])
    assert is_consistent(old, naive_root(leaves[:old]), size, naive_root(leaves[:size]), path)


@given(st.data())
def test_a_tree_with_another_past_is_never_consistent(data: st.DataObject) -> None:
    """One of the old leaves was changed, and everything after it recomputed."""
    size = data.draw(st.integers(1, LARGEST))
    old = data.draw(st.integers(1, size))
    leaves = leaves_of(size)
    forged = list(leaves)
    forged[data.draw(st.integers(0, old - 1))] = bytes(32)
    path = consistency_path(forged, old, size)
    assert not is_consistent(old, naive_root(leaves[:old]), size, naive_root(forged), path)


@given(st.data())
def test_a_path_that_is_changed_shows_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    old = data.draw(st.integers(1, size - 1))
    leaves = leaves_of(size)
    path = consistency_path(leaves, old, size)
    changed = list(path)
    changed[data.draw(st.integers(0, len(path) - 1))] = bytes(32)
    roots = naive_root(leaves[:old]), naive_root(leaves)
    for wrong in (changed, path[:-1], [*path, path[-1]]):
        assert not is_consistent(old, roots[0], size, roots[1], wrong)


def test_the_empty_tree_grows_into_every_tree_and_no_other_extends_backwards() -> None:
    leaves = leaves_of(3)
    empty, root = Frontier().root(), naive_root(leaves)
    assert consistency_path(leaves, 0, 3) == []
    assert is_consistent(0, empty, 3, root, [])
    assert not is_consistent(0, root, 3, root, [])
    assert not is_consistent(0, empty, 3, root, [root])
    assert not is_consistent(3, root, 2, naive_root(leaves[:2]), [])
    assert not is_consistent(3, root, 3, empty, [])
    with pytest.raises(ValueError, match="extends none of 4"):
        consistency_path(leaves, 4, 3)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_outside_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_path(LEAVES, index, size)
    with pytest.raises(ValueError, match="has no leaf"):
        root_from_path(LEAVES[0], index, size, [])


def test_leaves_that_end_early_are_no_tree() -> None:
    with pytest.raises(ValueError, match="leaves ended at 8, not at 9"):
        inclusion_path(LEAVES, 0, 9)


def test_leaves_past_the_tree_are_not_read() -> None:
    rest = iter(LEAVES)
    inclusion_path(rest, 0, 3)
    assert list(rest) == LEAVES[3:]
