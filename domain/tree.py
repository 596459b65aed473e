"""RFC 6962's Merkle tree, as it grows: roots, paths of inclusion and of consistency, their checks.

Leaves are leaf hashes (32 bytes each), as ``seal`` makes them: the log's tree stands over the
commits' chain hashes, a commit's over its event leaves. Positions count from 0, sizes are counts
of leaves. Everything here reads leaves once, in order, and holds a few dozen hashes at most, so a
log needs not fit into memory. The algorithms are those of RFC 9162, section 2.1, which describes
the same tree and its checks more exactly than RFC 6962 does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice

_NODE = b"\x01"


class Frontier:
    """A tree that leaves are appended to: one hash for each bit of its size, and no leaf.

    Example:
        >>> tree = Frontier()
        >>> tree.add(bytes(32))
        >>> tree.size, tree.root() == bytes(32)
        (1, True)
    """

    def __init__(self) -> None:
        self.size = 0
        # Roots of perfect subtrees, the widest first: the size's bits, from the highest.
        self._subtrees: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf hash."""
        node, size = leaf, self.size
        while size & 1:
            node = _parent(self._subtrees.pop(), node)
            size >>= 1
        self._subtrees.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's hash as it stands; the hash of nothing for a tree without leaves."""
        if not self._subtrees:
            return sha256(b"").digest()
        root = self._subtrees[-1]
        for left in reversed(self._subtrees[:-1]):
            root = _parent(left, root)
        return root


def inclusion_path(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """The hashes that lead from one leaf to the root (RFC 9162, 2.1.3.1), lowest first.

    Args:
        leaves: the tree's leaf hashes in order, from the first; those past size are not read.
        index: the leaf's place, from 0.
        size: of the tree that the path leads to the root of.

    Raises:
        ValueError: there is no such leaf in a tree of this size, or leaves ended before it.
    """
    _within(index, size)
    return _subtree_roots(leaves, _siblings(index, size))


def consistency_path(leaves: Iterable[bytes], old: int, size: int) -> list[bytes]:
    """The hashes that show that a tree of size leaves extends its first old ones (2.1.4.1).

    Empty if the sizes are the same, or old is 0: nothing extends into everything.

    Raises:
        ValueError: the old tree is the larger one, or leaves ended before size.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} leaves extends none of {old}")
    return _subtree_roots(leaves, _consistency(old, size))


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a path of inclusion leads to (2.1.3.2): the tree's, if all of it is true.

    Raises:
        ValueError: there is no such leaf in a tree of this size, or its path has another length.
    """
    _within(index, size)
    node, last, hashes = leaf, size - 1, iter(path)
    while last:
        if index & 1:
            node = _parent(_next(hashes), node)
        elif index < last:
            node = _parent(node, _next(hashes))
        # Otherwise it is the last of its level and without a neighbour: carried up as it is.
        index, last = index >> 1, last >> 1
    _ended(hashes)
    return node


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a path shows that the tree with this root extends the old one (2.1.4.2)."""
    if old in (0, size):
        known = Frontier().root() if old == 0 else root
        return old_root == known and not path
    if not 0 < old < size:
        return False
    try:
        return _both_roots(old, old_root, size, path) == (old_root, root)
    except ValueError:
        return False


def _both_roots(old: int, old_root: bytes, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees, as a path of consistency has them."""
    hashes = iter(path)
    index, last = old - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    # An old tree that is a perfect subtree of the new one is left out of the path.
    before = after = _next(hashes) if index else old_root
    while last:
        if index & 1:
            left = _next(hashes)
            before, after = _parent(left, before), _parent(left, after)
        elif index < last:
            after = _parent(after, _next(hashes))
        index, last = index >> 1, last >> 1
    _ended(hashes)
    return before, after


def _siblings(index: int, size: int) -> list[range]:
    """The leaves under each hash of a path of inclusion, lowest first."""
    ranges: list[range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append(range(middle, end))
            end = middle
        else:
            ranges.append(range(start, middle))
            start = middle
    return ranges[::-1]


def _consistency(old: int, size: int) -> list[range]:
    """The leaves under each hash of a path of consistency, lowest first."""
    if old in (0, size):
        return []
    ranges: list[range] = []
    start, end = 0, size
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append(range(middle, end))
            end = middle
        else:
            ranges.append(range(start, middle))
            start = middle
    if start:
        ranges.append(range(start, end))
    return ranges[::-1]


def _subtree_roots(leaves: Iterable[bytes], ranges: list[range]) -> list[bytes]:
    """The root over each of the ranges, which do not overlap; leaves are read once, in order."""
    roots: dict[range, bytes] = {}
    rest, read = iter(leaves), 0
    for wanted in sorted(ranges, key=lambda leaf: leaf.start):
        _skip(rest, wanted.start - read)
        tree = Frontier()
        for leaf in islice(rest, len(wanted)):
            tree.add(leaf)
        if tree.size < len(wanted):
            raise ValueError(f"leaves ended at {wanted.start + tree.size}, not at {wanted.stop}")
        roots[wanted] = tree.root()
        read = wanted.stop
    return [roots[wanted] for wanted in ranges]


def _skip(leaves: Iterator[bytes], count: int) -> None:
    for _ in islice(leaves, count):
        pass


def _split(size: int) -> int:
    """The largest power of two below size: where the RFC divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def _within(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")


def _next(hashes: Iterator[bytes]) -> bytes:
    found = next(hashes, None)
    if found is None:
        raise ValueError("the path is too short for this leaf and size")
    return found


def _ended(hashes: Iterator[bytes]) -> None:
    if next(hashes, None) is not None:
        raise ValueError("the path is too long for this leaf and size")


def _parent(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
