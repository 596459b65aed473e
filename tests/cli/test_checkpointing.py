"""Checkpoints at the end of what people type: taken, and heard of where they could not be."""

from __future__ import annotations

import re

import pytest

from storno.domain.checkpoint import Checkpoint, parse

from ..timestamping import Authority, refusal, service
from .command import Storno

RUN = ("run", "payments", "--param", "month=2026-01")


def configure(storno: Storno, table: str) -> None:
    with (storno.folder / "storno.toml").open("a") as file:
        file.write(f"\n[checkpoints]\n{table}\n")


def kept(storno: Storno) -> list[Checkpoint]:
    files = sorted((storno.folder / "kept").glob("*.checkpoint"))
    return [parse(path.read_bytes()) for path in files]


def commits(storno: Storno) -> int:
    findings = storno.json("doctor")["findings"]
    return next(int(each["value"]) for each in findings if each["name"] == "commits")


def test_every_command_that_posts_keeps_a_checkpoint(payments: Storno) -> None:
    configure(payments, 'folder = "kept"')
    ran = payments(*RUN, code=3)
    assert f"Checkpoint of {commits(payments)} commits kept: " in ran.stderr
    assert [each.size for each in kept(payments)] == [commits(payments)]

    again = payments(*RUN)
    assert "nothing was done" in again.stderr
    assert len(kept(payments)) == 1, "the log stands where it stood"

    payments("dead-letters", "retry", "--all-matching", "--run", "last", code=3)
    submit = ("reverse", "submit", "last", "--reason-code", "wrong-input", "--reason", "wrong file")
    reversal = payments.json(*submit)["reversal"]
    assert len(kept(payments)) == 2
    payments("reverse", "execute", reversal, "--yes")
    assert len(kept(payments)) == 3
    assert kept(payments)[-1].size == commits(payments)


def test_a_dry_run_takes_none(payments: Storno) -> None:
    configure(payments, 'folder = "kept"')
    payments(*RUN, "--dry-run", code=3)
    assert not (payments.folder / "kept").exists()


def test_the_document_of_a_run_stays_alone_on_stdout(payments: Storno) -> None:
    configure(payments, 'folder = "kept"')
    assert payments.json(*RUN, code=3)["state"] == "completed"


def test_a_run_whose_checkpoint_fails_stays_completed_and_exits_1(payments: Storno) -> None:
    with service(refusal) as url:
        configure(payments, f'folder = "kept"\ntimestamp = "{url}"')
        ran = payments(*RUN, code=1)
    assert "this is committed and stays" in ran.stderr
    assert "come back on Monday" in ran.stderr
    assert payments.json("show", "last")["state"] == "completed"
    assert len(kept(payments)) == 1


def test_a_log_that_does_not_extend_what_was_kept_exits_5(payments: Storno) -> None:
    configure(payments, 'folder = "kept"')
    payments(*RUN, code=3)
    (last,) = (payments.folder / "kept").iterdir()
    checkpoint = parse(last.read_bytes())
    last.write_text(Checkpoint(checkpoint.origin, checkpoint.size, bytes(32)).text)
    ran = payments(*RUN, "--again", "--reason", "late", code=5)
    assert "the log does not extend what it was" in ran.stderr


def test_a_kept_checkpoint_that_was_tampered_with_is_noticed_by_the_next_run(
    payments: Storno,
) -> None:
    """What the run did is told, and stays."""
    payments("audit", "keygen", "--out", "../store.key")
    configure(payments, 'folder = "kept"\nsign = "../store.key"')
    payments(*RUN, code=3)
    payments("dead-letters", "retry", "--all-matching", code=3)
    last = max((payments.folder / "kept").iterdir())
    unsigned = parse(last.read_bytes())
    last.write_text(unsigned.body)
    ran = payments(*RUN, "--again", "--reason", "late", code=5)
    assert "payments/2026-01 completed" in ran.stdout
    assert "All of this is committed and stays" in ran.stderr
    assert f"{last.name} was changed: it is not signed by the key" in ran.stderr


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('git = "."', "no git repository that can be used"),
        ('folder = "kept"\nsign = "missing.key"', "checkpoints.sign: .*missing.key"),
    ],
)
def test_what_cannot_be_taken_is_found_before_anything_is_posted(
    payments: Storno, table: str, message: str
) -> None:
    configure(payments, table)
    assert re.search(message, payments(*RUN, code=2).stderr)
    assert payments.json("runs") == []
    (finding,) = [each for each in payments.json("doctor", code=1)["findings"] if each["problem"]]
    assert finding["name"] == "checkpoints"


def test_a_time_stamp_is_kept_beside(payments: Storno) -> None:
    authority = Authority()
    with service(authority.stamp) as url:
        configure(payments, f'folder = "kept"\ntimestamp = "{url}"')
        payments(*RUN, code=3)
    names = sorted(path.suffix for path in (payments.folder / "kept").iterdir())
    assert names == [".checkpoint", ".tsr"]
