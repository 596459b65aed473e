"""``audit prove`` and ``check-proof``, as somebody uses them who trusts nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storno.domain.checkpoint import Checkpoint, parse
from storno.domain.note import PrivateKey
from storno.execution.timestamps import request_timestamp

from ..domain.test_proof import changes
from ..timestamping import Authority, service
from .command import Storno


@pytest.fixture
def auditor(tmp_path: Path) -> Storno:
    """The command in an empty folder, with no project and no store."""
    folder = tmp_path / "auditor"
    folder.mkdir()
    return Storno(folder, {})


@pytest.fixture
def signed(ran: Storno, auditor: Storno) -> Path:
    """A signed proof in the auditor's hands, with the key that checks it."""
    origin = parse(
        json.loads(ran("audit", "prove", "payments", "P00001").stdout)["checkpoint"]
    ).origin
    key = PrivateKey(origin, bytes(range(32)))
    (ran.folder / "storno.key").write_text(key.text)
    (auditor.folder / "storno.pub").write_text(key.public.text)
    proof = auditor.folder / "p.json"
    ran("audit", "prove", "payments", "P00001", "--sign", "storno.key", "--out", str(proof))
    return proof


def test_a_proof_is_checked_where_there_is_no_store(signed: Path, auditor: Storno) -> None:
    said = auditor("audit", "check-proof", "p.json", "--key", "storno.pub")
    assert said.stdout.startswith("Proved: 1 event stands in the log of storno/")
    assert "posted   expense:water debit 4518.87 GBP" in said.stdout
    assert "signed by   storno/" in said.stdout
    assert said.stderr == ""

    document = auditor.json("audit", "check-proof", "p.json", "--key", "storno.pub")
    assert document["proved"] is True
    assert document["problems"] == []
    (event,) = document["events"]
    assert (event["event"], event["stream"]) == ("RecordSucceeded", "record/payments/P00001")
    assert document["checkpoint"]["signed_by"] == document["checkpoint"]["signatures"][0]
    assert not any(auditor.folder.glob("*.db"))


def test_what_was_not_checked_is_said(ran: Storno, signed: Path, auditor: Storno) -> None:
    assert "was not checked: --key PUBLIC" in auditor("audit", "check-proof", "p.json").stderr
    unsigned = ran("audit", "prove", "payments", "P00001").stdout
    (auditor.folder / "u.json").write_text(unsigned)
    held = auditor.folder / "held.checkpoint"
    held.write_text(json.loads(signed.read_text())["checkpoint"])
    both = ("audit", "check-proof", "u.json", "--checkpoint", held.name, "--key", "storno.pub")
    assert "signed by    storno/" in auditor(*both).stdout
    held.write_text(parse(held.read_bytes()).body)
    assert "nobody signed it" in auditor(*both, code=5).stderr
    assert "is not signed" in auditor("audit", "check-proof", "u.json").stderr
    said = auditor("audit", "check-proof", "u.json", "--key", "storno.pub", code=5).stderr
    assert "nobody signed it" in said


def test_no_field_of_a_signed_proof_can_be_changed(
    signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from storno.cli.main import main

    key = str(signed.with_name("storno.pub"))
    file = tmp_path / "changed.json"
    document = json.loads(signed.read_text())
    seen = set()
    for name, changed in [*changes(document), *_checkpoint_changes(document)]:
        if name == "events.0 twice":
            continue  # twice the same
        file.write_text(json.dumps(changed))
        code = main(["audit", "check-proof", str(file), "--key", key])
        assert code == 5, name
        assert capsys.readouterr().out == "", name
        seen.add(name.rpartition(".")[2])
    assert {
        "format", "checkpoint", "stream", "version", "topic", "state", "position", "number",
        "first_position", "count", "recorded_at", "previous_chain", "0 dropped", "0 twice",
        "origin", "size", "root", "signature",
    } <= seen  # fmt: skip
    file.write_text(json.dumps(document))
    assert main(["audit", "check-proof", str(file), "--key", key]) == 0, "as it was"


def _checkpoint_changes(document: dict) -> list[tuple[str, dict]]:
    origin, size, root, empty, signature, _ = document["checkpoint"].split("\n")
    assert empty == ""
    middle = len(signature) - 20  # not its end, where the largest numbers have zeros anyway
    false = (
        f"{signature[:middle]}{'B' if signature[middle] == 'A' else 'A'}{signature[middle + 1 :]}"
    )
    lines = {
        "origin": [f"{origin}1", size, root, "", signature, ""],
        "size": [origin, str(int(size) + 1), root, "", signature, ""],
        "root": [origin, size, f"{'B' if root[0] == 'A' else 'A'}{root[1:]}", "", signature, ""],
        "signature": [origin, size, root, "", false, ""],
        "unsigned": [origin, size, root, ""],
    }
    return [(name, document | {"checkpoint": "\n".join(text)}) for name, text in lines.items()]


def test_a_proof_is_made_under_the_checkpoint_that_the_auditor_holds(
    ran: Storno, signed: Path, auditor: Storno
) -> None:
    held = auditor.folder / "friday.checkpoint"
    held.write_text(json.loads(signed.read_text())["checkpoint"])
    ran("run", "payments", "--param", "month=2026-01", "--again", "--reason", "late", code=3)
    make = ("audit", "prove", "payments", "P00002", "--out", str(auditor.folder / "new.json"))
    check = ("audit", "check-proof", "new.json", "--checkpoint", "friday.checkpoint")

    ran(*make)
    assert "have it made again" in auditor(*check, code=5).stderr
    ran(*make, "--checkpoint", str(held))
    said = auditor(*check)
    assert "the same as  friday.checkpoint" in said.stdout
    assert said.stderr == ""

    other = parse(held.read_bytes())
    held.write_text(Checkpoint(other.origin, other.size, bytes(32)).text)
    assert "of a log that was changed" in auditor(*check, code=5).stderr
    assert "audit verify" in ran(*make, "--checkpoint", str(held), code=5).stderr
    held.write_text(Checkpoint("storno/other", 1, bytes(32)).text)
    assert "is a checkpoint of storno/other" in ran(*make, "--checkpoint", str(held), code=2).stderr


def test_a_reversal_and_all_of_a_record_s_life_can_be_proved(ran: Storno, auditor: Storno) -> None:
    prove = ("audit", "prove", "payments", "P00001")
    none = ran(*prove, "--event", "reversal", code=6).stderr
    assert "record 'P00001' of job payments has no reversal" in none
    submit = ("reverse", "submit", "last", "--reason-code", "wrong-input", "--reason", "wrong file")
    ran("reverse", "execute", ran.json(*submit)["reversal"], "--yes")
    for which, names in {
        "posting": ["RecordSucceeded"],
        "reversal": ["RecordReversed"],
        "all": ["RecordSucceeded", "RecordReversed"],
    }.items():
        out = auditor.folder / f"{which}.json"
        assert ran.json(*prove, "--event", which, "--out", str(out))["events"] == len(names)
        document = auditor.json("audit", "check-proof", out.name)
        assert [event["event"] for event in document["events"]] == names
    said = auditor("audit", "check-proof", "all.json").stdout
    assert said.startswith("Proved: 2 events stand in the log")
    assert "took back by" in said


def test_a_record_without_a_posting_has_its_failure_proved(ran: Storno, auditor: Storno) -> None:
    letter = ran.json("dead-letters", "list")[0]["key"]
    prove = ("audit", "prove", "payments", letter)
    assert "--event all proves all of it" in ran(*prove, code=6).stderr
    (auditor.folder / "all.json").write_text(ran(*prove, "--event", "all").stdout)
    document = auditor.json("audit", "check-proof", "all.json")
    assert [event["event"] for event in document["events"]] == ["RecordFailed"]


def test_a_time_stamp_is_checked_with_the_proof(signed: Path, auditor: Storno) -> None:
    authority = Authority()
    note = json.loads(signed.read_text())["checkpoint"].encode()
    with service(authority.stamp) as url:
        for name, content in {"p.tsr": note, "other.tsr": note + b"\n"}.items():
            (auditor.folder / name).write_bytes(request_timestamp(url, content))
    (auditor.folder / "roots.pem").write_bytes(authority.roots)
    check = ("audit", "check-proof", "p.json", "--trust", "roots.pem", "--timestamp")
    said = auditor(*check, "p.tsr").stdout
    assert "seen        2026-02-01 03:04:05Z by CN=Test Time Authority" in said
    assert auditor.json(*check, "p.tsr")["timestamp"]["time"] == "2026-02-01T03:04:05.000000Z"
    assert "something else than this checkpoint" in auditor(*check, "other.tsr", code=5).stderr
    assert "go together" in auditor(*check[:3], "--timestamp", "p.tsr", code=2).stderr


def test_a_time_stamp_is_checked_with_its_checkpoint_alone(auditor: Storno) -> None:
    authority = Authority()
    note = b"storno/1\n0\n" + b"A" * 43 + b"=\n"
    with service(authority.stamp) as url:
        (auditor.folder / "c.tsr").write_bytes(request_timestamp(url, note))
    (auditor.folder / "c.checkpoint").write_bytes(note)
    (auditor.folder / "roots.pem").write_bytes(authority.roots)
    (auditor.folder / "other.pem").write_bytes(Authority().roots)
    check = ("audit", "check-timestamp", "c.checkpoint", "--trust")
    assert "2026-02-01 03:04:05Z by CN=Test Time" in auditor(*check, "roots.pem").stdout
    assert auditor.json(*check, "roots.pem") == {
        "stamped": True,
        "time": "2026-02-01T03:04:05.000000Z",
        "authority": "CN=Test Time Authority",
        "serial": 4711,
        "problems": [],
    }
    assert "does not hold" in auditor(*check, "other.pem", code=5).stderr
    assert auditor.json(*check, "other.pem", code=5)["stamped"] is False
    (auditor.folder / "c.checkpoint").write_bytes(note + b"\n")
    assert "something else" in auditor(*check, "roots.pem", code=5).stderr


@pytest.mark.parametrize(
    ("words", "content", "code", "message"),
    [
        (["check-proof", "file"], None, 2, "file cannot be read: No such file"),
        (["check-proof", "file"], b"{}", 5, "no proof of the format storno-proof/1"),
        (["check-proof", "file"], b"\xff\xfe", 5, "no proof of the format storno-proof/1"),
        (["check-proof", "file", "--json"], b"{}", 5, ""),
    ],
)
def test_what_is_no_proof_is_said_to_be_none(
    auditor: Storno, words: list[str], content: bytes | None, code: int, message: str
) -> None:
    if content is not None:
        (auditor.folder / "file").write_bytes(content)
    said = auditor("audit", *words, code=code)
    assert message in said.stderr
    if "--json" in words:
        assert said.document["proved"] is False
        assert "no proof" in said.document["problems"][0]


def test_options_that_contradict_each_other_are_refused(ran: Storno, signed: Path) -> None:
    (ran.folder / "c").write_text(json.loads(signed.read_text())["checkpoint"])
    both = ("--checkpoint", "c", "--sign", "storno.key")
    assert (
        "leave it or --checkpoint out"
        in ran("audit", "prove", "payments", "P00001", *both, code=2).stderr
    )
    assert "no record" in ran("audit", "prove", "payments", "P99999", code=6).stderr
