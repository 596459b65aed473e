"""Checkpoints that are kept: one a size, each extending the last, and what is said where not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storno.domain.checkpoint import Checkpoint, CheckpointError, origin_of, parse
from storno.domain.errors import CheckFailedError, DefinitionError, UsageError
from storno.domain.note import PrivateKey
from storno.domain.seal import merkle_root
from storno.execution.checkpoints import Checkpoints, file_name
from storno.execution.keeping import KeepingError
from storno.execution.timestamps import verify_timestamp
from storno.storage.migrate import init
from storno.storage.store import Store

from ..storage.helpers import append, event
from ..storage.tampering import tampered
from ..timestamping import TIME, Authority, refusal, service
from .repositories import git


@pytest.fixture
def store(made_url: str) -> Iterator[Store]:
    store = Store.open(made_url)
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    init(sqlite_url)
    store = Store.open(sqlite_url)
    grow(store, 3)
    yield store
    store.close()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def grow(store: Store, commits: int) -> None:
    for _ in range(commits):
        head = store.log.head()
        append(store.log, [event("run/a/1", head.number + 1 if head else 1)])


def tamper(store: Store, *statements: str) -> None:
    with tampered(store.engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_each_size_of_the_log_has_one_file(store: Store, kept: Path) -> None:
    checkpoints = Checkpoints(folder=kept)
    for size in (2, 2, 5):
        head = store.log.head()
        grow(store, size - (head.number if head else 0))
        taken = checkpoints.take(store)
        chain = [commit.chain_hash for commit in store.log.commits()]
        assert taken == Checkpoint(origin_of(store.store_id), size, merkle_root(chain))
        assert parse((kept / file_name(store.store_id, size)).read_bytes()) == taken
    assert sorted(path.name for path in kept.iterdir()) == [
        f"{store.store_id}-000000000002.checkpoint",
        f"{store.store_id}-000000000005.checkpoint",
    ]


def test_several_stores_share_a_folder(sqlite_store: Store, tmp_path: Path, kept: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    init(url)
    other = Store.open(url)
    grow(other, 9)
    for store in (sqlite_store, other, sqlite_store):
        Checkpoints(folder=kept).take(store)
    assert len(list(kept.iterdir())) == 2
    other.close()


def test_a_checkpoint_is_signed_by_the_store_s_key(sqlite_store: Store, kept: Path) -> None:
    key = PrivateKey(origin_of(sqlite_store.store_id), bytes(range(32)))
    file = kept.with_name("key")
    file.write_text(f"{key.text}\n")
    checkpoints = Checkpoints(folder=kept, sign=file)
    checkpoints.check(sqlite_store.store_id)
    checkpoints.take(sqlite_store)
    written = parse((kept / file_name(sqlite_store.store_id, 3)).read_bytes())
    written.verify(key.public)
    with pytest.raises(CheckpointError):
        written.verify(PrivateKey(key.name, bytes(32)).public)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "checkpoints.sign: .* cannot be read"),
        ("no key", "no private key"),
        (PrivateKey("storno/other", bytes(32)).text, "storno/other"),
    ],
    ids=["missing", "other", "of another store"],
)
def test_a_key_that_cannot_sign_is_found_before_a_run_begins(
    sqlite_store: Store, kept: Path, content: str | None, message: str
) -> None:
    file = kept.with_name("key")
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=message):
        Checkpoints(folder=kept, sign=file).check(sqlite_store.store_id)


def test_every_place_gets_it_and_one_that_fails_keeps_none_from_it(
    sqlite_store: Store, kept: Path, repository: Path
) -> None:
    elsewhere = f"file://{kept.with_name('remote')}"
    name = file_name(sqlite_store.store_id, 3)
    kept.write_text("in the way")
    with pytest.raises(KeepingError, match=str(kept)):
        Checkpoints(folder=kept, git=repository, url=elsewhere).take(sqlite_store)
    for place in (repository, kept.with_name("remote")):
        assert parse((place / name).read_bytes()).size == 3
    written = git(repository, "log", "--format=%s")
    assert written == f"Checkpoint of 3 commits of storno/{sqlite_store.store_id}\n"


def test_a_commit_that_failed_is_made_up_for(sqlite_store: Store, repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(KeepingError, match="git commit"):
        Checkpoints(git=repository).take(sqlite_store)
    hook.unlink()
    Checkpoints(git=repository).take(sqlite_store)
    assert git(repository, "status", "--porcelain") == ""


def test_many_who_take_it_at_once_make_one_file_and_one_commit(
    sqlite_store: Store, kept: Path, repository: Path
) -> None:
    """Runs of one project that end together."""
    checkpoints = Checkpoints(folder=kept, git=repository)
    with ThreadPoolExecutor(6) as threads:
        taken = list(threads.map(lambda _: checkpoints.take(sqlite_store), range(6)))
    assert {each.size for each in taken} == {3}
    assert len(list(kept.iterdir())) == 1
    assert len(git(repository, "log", "--format=%s").splitlines()) == 1


PLACES = pytest.mark.parametrize("place", ["folder", "git", "url"])


def at(place: str, kept: Path, repository: Path) -> Checkpoints:
    return {
        "folder": Checkpoints(folder=kept),
        "git": Checkpoints(git=repository),
        "url": Checkpoints(url=f"file://{kept}"),
    }[place]


@PLACES
def test_a_log_whose_past_was_changed_is_found(
    sqlite_store: Store, kept: Path, repository: Path, place: str
) -> None:
    """Scenario: somebody with full access changes a commit and computes the chain anew."""
    checkpoints = at(place, kept, repository)
    checkpoints.take(sqlite_store)
    tamper(sqlite_store, "UPDATE commits SET chain_hash = zeroblob(32) WHERE number = 2")
    grow(sqlite_store, 2)
    with pytest.raises(CheckFailedError, match="checkpoint of 3 commits, and these have another"):
        checkpoints.take(sqlite_store)
    folder = repository if place == "git" else kept
    assert [path.name for path in folder.glob("*.checkpoint")] == [
        file_name(sqlite_store.store_id, 3)
    ]


@PLACES
@pytest.mark.parametrize("grown", [0, 1])
def test_a_log_that_was_put_back_is_found(
    sqlite_store: Store, kept: Path, repository: Path, place: str, grown: int
) -> None:
    """The last commits are gone, and perhaps others were made in their place."""
    checkpoints = at(place, kept, repository)
    checkpoints.take(sqlite_store)
    tamper(
        sqlite_store,
        "DELETE FROM commits WHERE number > 1",
        "DELETE FROM events WHERE position > 1",
    )
    grow(sqlite_store, grown)
    with pytest.raises(CheckFailedError, match=f"3 commits, and the log has {1 + grown}: commits"):
        checkpoints.take(sqlite_store)


def test_a_log_with_a_hole_gives_no_checkpoint(sqlite_store: Store, kept: Path) -> None:
    tamper(sqlite_store, "DELETE FROM commits WHERE number = 2")
    with pytest.raises(CheckFailedError, match="of the commits 1 to 3 only 2 are in the log"):
        Checkpoints(folder=kept).take(sqlite_store)
    assert not kept.exists()


@pytest.mark.parametrize("content", [b"", b"storno/x\n3\n"])
def test_a_kept_checkpoint_that_was_changed_is_found(
    sqlite_store: Store, kept: Path, content: bytes
) -> None:
    checkpoints = Checkpoints(folder=kept)
    checkpoints.take(sqlite_store)
    name = file_name(sqlite_store.store_id, 3)
    (kept / name).write_bytes(content)
    grow(sqlite_store, 1)
    with pytest.raises(CheckFailedError, match=f"{name} was changed: this is no checkpoint"):
        checkpoints.take(sqlite_store)


@pytest.mark.parametrize("how", ["forged", "stripped", "of another key", "of another log"])
def test_a_kept_checkpoint_whose_signature_does_not_hold_is_found(
    sqlite_store: Store, kept: Path, how: str
) -> None:
    """Also where its text says what the log says now: the log may have been changed with it."""
    key = PrivateKey(origin_of(sqlite_store.store_id), bytes(range(32)))
    file = kept.with_name("key")
    file.write_text(f"{key.text}\n")
    checkpoints = Checkpoints(folder=kept, sign=file)
    checkpoints.take(sqlite_store)
    grow(sqlite_store, 1)
    taken = checkpoints.take(sqlite_store)
    bare = Checkpoint(taken.origin, taken.size, taken.root)
    changed = {
        "forged": Checkpoint(bare.origin, bare.size, bare.root, ("more",), taken.signatures),
        "stripped": bare,
        "of another key": bare.signed(PrivateKey(key.name, bytes(32))),
        "of another log": Checkpoint("storno/other", bare.size, bare.root),
    }[how]
    last = kept / file_name(sqlite_store.store_id, 4)
    last.write_text(changed.text)

    for _ in range(2):  # as the log stands, and when it has grown
        with pytest.raises(CheckFailedError, match=f"{last.name} was changed: .* put the file"):
            checkpoints.take(sqlite_store)
        grow(sqlite_store, 1)

    last.write_text(taken.text)
    assert checkpoints.take(sqlite_store).size == 6


@pytest.mark.parametrize("before", [None, PrivateKey], ids=["none", "another"])
def test_signing_may_begin_where_checkpoints_were_kept_without_the_key(
    sqlite_store: Store, kept: Path, before: type[PrivateKey] | None
) -> None:
    origin, file = origin_of(sqlite_store.store_id), kept.with_name("key")
    if before is not None:
        file.write_text(before(origin, bytes(range(32))).text)
    Checkpoints(folder=kept, sign=None if before is None else file).take(sqlite_store)
    key = PrivateKey(origin, bytes(32))
    file.write_text(key.text)
    grow(sqlite_store, 1)

    Checkpoints(folder=kept, sign=file).take(sqlite_store).verify(key.public)


def test_an_older_checkpoint_in_the_place_of_the_last_is_found(
    sqlite_store: Store, kept: Path
) -> None:
    """Else the log could be cut back to it, and nobody would be told."""
    checkpoints = Checkpoints(folder=kept)
    checkpoints.take(sqlite_store)
    older = (kept / file_name(sqlite_store.store_id, 3)).read_bytes()
    grow(sqlite_store, 1)
    checkpoints.take(sqlite_store)
    name = file_name(sqlite_store.store_id, 4)
    (kept / name).write_bytes(older)
    with pytest.raises(CheckFailedError, match=f"{name} was changed: it counts 3 commits"):
        checkpoints.take(sqlite_store)


def test_a_draft_that_a_process_left_is_no_checkpoint(sqlite_store: Store, kept: Path) -> None:
    name = file_name(sqlite_store.store_id, 99)
    kept.mkdir()
    (kept / f".{name}.0123").write_text("half")
    (kept / "notes.txt").write_text("not ours")
    assert Checkpoints(folder=kept).take(sqlite_store).size == 3


def test_a_time_stamp_is_kept_beside_its_checkpoint_once(
    sqlite_store: Store, kept: Path, repository: Path
) -> None:
    authority, asked = Authority(), []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return authority.stamp(request)

    with service(answer) as url:
        checkpoints = Checkpoints(folder=kept, git=repository, timestamp=url)
        for _ in range(2):
            checkpoints.take(sqlite_store)
    name = file_name(sqlite_store.store_id, 3)
    stamp_name = name.replace(".checkpoint", ".tsr")
    for folder in (kept, repository):
        content, stamp = (folder / name).read_bytes(), (folder / stamp_name).read_bytes()
        assert verify_timestamp(content, stamp, authority.roots).time == TIME
    assert len(asked) == 1, "one for all places, and none for what has its own"


def test_a_checkpoint_stands_even_if_its_time_stamp_is_not_to_be_had(
    sqlite_store: Store, kept: Path, repository: Path
) -> None:
    name = file_name(sqlite_store.store_id, 3)
    with service(refusal) as url, pytest.raises(KeepingError, match="come back on Monday"):
        Checkpoints(folder=kept, git=repository, timestamp=url).take(sqlite_store)
    assert [path.name for path in kept.iterdir()] == [name]
    assert git(repository, "show", "--format=", "--name-only") == f"{name}\n"
    authority = Authority()
    with service(authority.stamp) as url:
        Checkpoints(folder=kept, timestamp=url).take(sqlite_store)
    assert len(list(kept.glob("*.tsr"))) == 1, "made up for"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "name a folder, a git repository or a url"),
        ({"sign": Path("key")}, "name a folder"),
        ({"url": "kept"}, "'kept' is no URL; for a path, folder"),
        ({"folder": Path("kept"), "timestamp": "tsa.example.org"}, "no address"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Checkpoints(**settings)


def test_an_empty_log_has_a_checkpoint_too(store: Store, kept: Path) -> None:
    assert Checkpoints(folder=kept).take(store).size == 0
    grow(store, 1)
    assert Checkpoints(folder=kept).take(store).size == 1
