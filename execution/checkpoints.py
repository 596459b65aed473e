"""Checkpoints that are taken as runs end, and kept where whoever keeps the store cannot reach.

Each is held against the last one that a place keeps before it is written there: a log that was
changed, or put back from a backup, is found out the same night.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeAlias

from ..domain.checkpoint import Checkpoint, origin_of, parse
from ..domain.errors import CheckFailedError, DefinitionError, StornoError, UsageError
from ..domain.note import PrivateKey, PublicKey
from .journal import Journal, Store
from .keeping import Folder, KeepingError, Place, Remote, Repository, TakenError
from .timestamps import check_installed, request_timestamp

DIGITS: Final = 12
"""Of a size in a file's name: names sort as sizes do, up to a million million commits."""

Stamp: TypeAlias = Callable[[bytes], bytes]
"""Gives the time stamp of content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """Where checkpoints of a log are kept, and how they are vouched for.

    Attributes:
        folder: of files; made where it is missing.
        git: a folder of a git working tree; each checkpoint is a commit.
        url: of any system that fsspec can write to (extra ``remote``).
        sign: the file of the store's private key.
        timestamp: address of an RFC 3161 service (extra ``timestamp``).

    Raises:
        DefinitionError: no place is named, or an address is none.
    """

    folder: Path | None = None
    git: Path | None = None
    url: str | None = None
    sign: Path | None = None
    timestamp: str | None = None

    def __post_init__(self) -> None:
        if not self.places:
            raise DefinitionError("checkpoints: name a folder, a git repository or a url.")
        if self.url is not None and "://" not in self.url:
            raise DefinitionError(f"checkpoints.url: {self.url!r} is no URL; for a path, folder.")
        if self.timestamp is not None and not self.timestamp.startswith(("http://", "https://")):
            raise DefinitionError(
                f"checkpoints.timestamp: {self.timestamp!r} is no address: write http(s)://..."
            )

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place that keeps them."""
        named: list[Place] = []
        if self.folder is not None:
            named.append(Folder(self.folder))
        if self.git is not None:
            named.append(Repository(self.git))
        if self.url is not None:
            named.append(Remote(self.url))
        return tuple(named)

    def check(self, store_id: str) -> None:
        """See that they can be taken, before a run posts anything.

        Raises:
            UsageError: a place cannot be used, the key is none of this store, or an extra is
                missing.
        """
        for place in self.places:
            place.check()
        key = self._key()
        if key is not None:
            Checkpoint(origin_of(store_id), 0, bytes(32)).signed(key)
        if self.timestamp is not None:
            check_installed()

    def take(self, store: Store) -> Checkpoint:
        """Write a checkpoint of the log as it stands to every place.

        A place that fails keeps none of the others from having it.

        Raises:
            CheckFailedError: the log does not extend the last checkpoint of a place, or that one
                was changed; the place keeps what it has.
            KeepingError: a place, or the time stamp service, did not do its part.
        """
        journal = Journal(store)
        key = self._key()
        public = None if key is None else key.public
        troubles: list[StornoError] = []
        last: dict[Place, Checkpoint | None] = {}
        for place in self.places:
            with _noted(troubles):
                last[place] = _last(place, journal.store_id, public)
        # Read behind the places: whatever they keep, the log has had by now.
        size = journal.commits()
        known = {each.size for each in last.values() if each is not None and each.size <= size}
        roots = journal.roots({size, *known})
        checkpoint = Checkpoint(origin_of(journal.store_id), size, roots[size])
        if key is not None:
            checkpoint = checkpoint.signed(key)
        stamp = (
            None if self.timestamp is None else cache(partial(request_timestamp, self.timestamp))
        )
        for place, earlier in last.items():
            with _noted(troubles):
                _refuse_another_past(place, earlier, roots)
                _keep_at(place, checkpoint, journal.store_id, stamp)
        if troubles:
            raise _all_of(troubles)
        return checkpoint

    def _key(self) -> PrivateKey | None:
        if self.sign is None:
            return None
        try:
            return PrivateKey.parse(self.sign.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"checkpoints.sign: {self.sign} cannot be read: {error}.") from None


def file_name(store_id: str, size: int) -> str:
    """The name of a checkpoint's file."""
    return f"{store_id}-{size:0{DIGITS}d}.checkpoint"


def _last(place: Place, store_id: str, key: PublicKey | None) -> Checkpoint | None:
    """The last checkpoint of a store that a place keeps, None where it keeps none.

    Args:
        key: of those that sign here now; None where they are not signed.

    Raises:
        CheckFailedError: it is not what was kept.
    """
    pattern = re.compile(rf"{store_id}-\d{{{DIGITS}}}\.checkpoint")
    names = sorted(filter(pattern.fullmatch, place.names()), reverse=True)
    if not names:
        return None
    newest = names[0]
    try:
        found = _read(place, newest)
        if found.origin != origin_of(store_id):
            raise CheckFailedError(f"it is of {found.origin}.")
        if file_name(store_id, found.size) != newest:
            raise CheckFailedError(f"it counts {found.size} commits.")
        if key is not None:
            _check_signature(place, found, names[1:], key)
    except CheckFailedError as error:
        raise CheckFailedError(
            f"{place}: {newest} was changed: {error} Nothing was written there: find out who did "
            "it, and put the file back from a copy."
        ) from None
    return found


def _read(place: Place, name: str) -> Checkpoint:
    content = place.read(name)
    if content is None:
        raise KeepingError(f"{place}: {name} was taken away while it was to be read.")
    return parse(content)


def _check_signature(
    place: Place, found: Checkpoint, before: Sequence[str], key: PublicKey
) -> None:
    """See that the key signed a checkpoint, if it signed any of this place that came before.

    There may be none: checkpoints may have been kept before they were signed, or with another key.

    Args:
        before: the names of those, the newest first.

    Raises:
        CheckFailedError: it did not.
    """
    if any(each.key_id == key.key_id for each in found.signatures):
        found.verify(key)
        return
    for name in before:
        earlier = _read(place, name)
        if any(key.verify(earlier.body, each) for each in earlier.signatures):
            raise CheckFailedError(f"it is not signed by the key {key.text}, as {name} is.")


def _refuse_another_past(
    place: Place, earlier: Checkpoint | None, roots: Mapping[int, bytes]
) -> None:
    if earlier is None or roots.get(earlier.size) == earlier.root:
        return
    size = max(roots)
    found = (
        f"and the log has {size}: commits are missing, or it was put back from a backup"
        if earlier.size > size
        else "and these have another root today: what had been committed was changed"
    )
    raise CheckFailedError(
        f"the log does not extend what it was: {place} keeps a checkpoint of {earlier.size} "
        f"commits, {found}. Nothing was written there. Run storno audit verify."
    )


def _keep_at(place: Place, checkpoint: Checkpoint, store_id: str, stamp: Stamp | None) -> None:
    name = file_name(store_id, checkpoint.size)
    try:
        content = _kept(place, name, checkpoint)
        stamp_name = f"{name.removesuffix('.checkpoint')}.tsr"
        if stamp is not None and place.read(stamp_name) is None:
            with suppress(TakenError):  # another process was as quick
                place.keep(stamp_name, stamp(content))
    finally:
        place.settle(f"Checkpoint of {checkpoint.size} commits of {checkpoint.origin}")


def _kept(place: Place, name: str, checkpoint: Checkpoint) -> bytes:
    """The file's content, as it was kept now or before: a log that stands still has one."""
    content = place.read(name)
    if content is None:
        with suppress(TakenError):
            place.keep(name, checkpoint.text.encode())
        content = place.read(name)
    if content is None or parse(content).body != checkpoint.body:
        raise CheckFailedError(f"{place}: {name} is not what was written there.")
    return content


@contextmanager
def _noted(troubles: list[StornoError]) -> Iterator[None]:
    """Go on with the next place, whatever one of them says."""
    try:
        yield
    except StornoError as error:
        troubles.append(error)


def _all_of(troubles: list[StornoError]) -> StornoError:
    found = any(isinstance(error, CheckFailedError) for error in troubles)
    kind = CheckFailedError if found else KeepingError
    return kind(" ".join(map(str, troubles)))
