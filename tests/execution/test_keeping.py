"""Places that keep checkpoints: what is there is whole, and is never written again."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from storno.domain.errors import UsageError
from storno.execution.keeping import Folder, KeepingError, Place, Remote, Repository

from .repositories import git

FIRST, SECOND = "a-000000000001.checkpoint", "a-000000000002.checkpoint"


@pytest.fixture(params=["folder", "git", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Folder(tmp_path / "new" / "kept")
    if request.param == "git":
        return Repository(request.getfixturevalue("repository"))
    if request.param == "file":
        return Remote(f"file://{tmp_path}/new/kept/")
    return Remote(f"memory://{tmp_path.name}/kept")


def test_what_was_kept_is_read_again(place: Place) -> None:
    place.check()
    assert place.read(FIRST) is None
    place.keep(FIRST, b"one")
    place.keep(SECOND, b"two")
    place.settle("Two files")
    assert (place.read(FIRST), place.read(SECOND)) == (b"one", b"two")


def test_a_file_of_a_folder_is_never_written_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.keep(FIRST, b"one")
    with pytest.raises(KeepingError, match=f"{FIRST} was written by somebody else"):
        folder.keep(FIRST, b"another")
    assert folder.read(FIRST) == b"one"
    assert [path.name for path in tmp_path.iterdir()] == [FIRST]


def test_of_many_who_write_a_file_at_once_one_does(tmp_path: Path) -> None:
    wrote: list[int] = []

    def write(number: int) -> None:
        try:
            Folder(tmp_path).keep(FIRST, b"%d" % number)
        except KeepingError:
            return
        wrote.append(number)

    threads = [Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrote) == 1
    assert (tmp_path / FIRST).read_bytes() == b"%d" % wrote[0]


def test_a_place_that_is_no_folder_is_said_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file is to keep checkpoints, and is no folder"):
        Folder(tmp_path / "file").check()
    with pytest.raises(KeepingError, match=FIRST):
        Folder(tmp_path / "file").keep(FIRST, b"one")


def test_each_checkpoint_is_a_commit_by_who_git_says(repository: Path) -> None:
    place = Repository(repository)
    (repository / "notes.txt").write_text("not ours")
    git(repository, "add", "notes.txt")
    for name in (FIRST, SECOND):
        place.keep(name, name.encode())
        place.settle(f"Checkpoint {name}")
    place.settle("Nothing new")
    log = git(repository, "log", "--format=%an <%ae> %s", "--name-only")
    assert log.splitlines() == [
        f"Night Run <night@example.org> Checkpoint {SECOND}", "", SECOND,
        f"Night Run <night@example.org> Checkpoint {FIRST}", "", FIRST,
    ]  # fmt: skip
    assert git(repository, "status", "--porcelain") == "A  notes.txt\n", "left as it was"


def test_what_a_process_left_that_died_is_committed_with_the_next(repository: Path) -> None:
    place = Repository(repository)
    place.keep(FIRST, b"one")
    place.keep(SECOND, b"two")
    git(repository, "add", FIRST)
    place.settle("Both")
    assert git(repository, "show", "--format=", "--name-only").split() == [FIRST, SECOND]


def test_a_folder_within_a_repository_keeps_them_as_well(repository: Path) -> None:
    (repository / "storno").mkdir()
    place = Repository(repository / "storno")
    place.check()
    place.keep(FIRST, b"one")
    place.settle("One")
    assert git(repository, "show", "--format=", "--name-only").split() == [f"storno/{FIRST}"]


def test_files_that_git_is_to_ignore_are_no_secret_failure(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.checkpoint\n")
    place = Repository(repository)
    place.keep(FIRST, b"one")
    with pytest.raises(KeepingError, match=r"git add .* failed: .*ignored"):
        place.settle("One")


def test_a_hook_that_refuses_is_heard(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no commits on Sundays >&2\nexit 1\n")
    hook.chmod(0o755)
    place = Repository(repository)
    place.keep(FIRST, b"one")
    with pytest.raises(KeepingError, match=r"git commit .* failed: no commits on Sundays"):
        place.settle("One")
    assert place.read(FIRST) == b"one"


def test_only_a_working_tree_can_be_used(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"no git repository .* git init"):
        Repository(tmp_path / "nowhere").check()
    git(tmp_path, "init", "--quiet", "--bare", "bare")
    with pytest.raises(UsageError, match=r"without a working tree: clone it"):
        Repository(tmp_path / "bare").check()
    # As within a hook of another repository.
    monkeypatch.setenv("GIT_DIR", os.fspath(tmp_path / "bare"))
    Repository(repository).check()


def test_a_machine_without_git_is_said(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(UsageError, match="there is no git on this machine"):
        Repository(repository).check()


def test_a_url_that_fsspec_does_not_know_is_said() -> None:
    with pytest.raises(KeepingError, match=r"gopher://x/y: cannot use it: ValueError"):
        Remote("gopher://x/y").check()


def test_a_url_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeepingError, match=f"cannot write {FIRST}"):
        Remote(f"file://{tmp_path}/file/within").keep(FIRST, b"one")
