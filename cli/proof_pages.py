"""Proofs, checked and shown: what is proved, and how far it is to be believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..domain import checkpoint as checkpoints
from ..domain.checkpoint import Checkpoint, CheckpointError
from ..domain.codec import decode
from ..domain.errors import StoreError, UsageError
from ..domain.note import PublicKey, base64_text
from ..domain.proof import Proof, ProvedEvent, check_events, read_proof
from ..storage.queries import RecordedEvent
from .documents import event_document
from .life import write_trail
from .render import clock_text, count, counted, moment, say, write_fields, write_line

if TYPE_CHECKING:
    from ..execution.timestamps import Timestamp

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checked:
    """A proof that holds.

    Attributes:
        key: that signed the checkpoint, None where none was given.
        compared: the file of a checkpoint that it is the same as, None where none was given.
        stamp: of the checkpoint, None where none was given.
    """

    proof: Proof
    checkpoint: Checkpoint
    key: PublicKey | None
    compared: Path | None
    stamp: Timestamp | None


def checked(
    file: Path, *, key: Path | None, checkpoint: Path | None, timestamp: Path | None,
    trust: Path | None,
) -> Checked:  # fmt: skip
    """Check a proof's file, with what was given to check it against.

    Raises:
        CheckFailedError: it does not hold; the message says what does not.
        UsageError: a file cannot be read, or is not what it is given as.
    """
    proof = read_proof(given(file))
    under = checkpoints.parse(proof.checkpoint)
    check_events(proof, under.size, under.root)
    public = None if key is None else PublicKey.parse(_text(key))
    content = proof.checkpoint.encode()
    if checkpoint is not None:
        same = _same(under, checkpoint)
        if not under.signatures:  # the same, and perhaps signed and stamped
            under, content = same, given(checkpoint)
    if public is not None:
        under.verify(public)
    if (timestamp is None) != (trust is None):
        raise UsageError("--timestamp and --trust go together: the stamp, and whom to believe.")
    stamp = None
    if timestamp is not None and trust is not None:
        from ..execution.timestamps import verify_timestamp

        stamp = verify_timestamp(content, given(timestamp), given(trust))
    return Checked(proof, under, public, checkpoint, stamp)


def given(file: Path) -> bytes:
    """What stands in a file that an option names.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None


def _text(file: Path) -> str:
    return given(file).decode(errors="replace")


def _same(under: Checkpoint, file: Path) -> Checkpoint:
    """The checkpoint of a file, which has to say what the proof's says."""
    other = checkpoints.parse(given(file))
    if other.body == under.body:
        return other
    if other.size == under.size and other.origin == under.origin:
        raise CheckpointError(
            f"the proof and {file} have another root for the same {counted(other.size, 'commit')}: "
            "one of them is of a log that was changed."
        )
    raise CheckpointError(
        f"the proof is under the checkpoint of {counted(under.size, 'commit')} of {under.origin}, "
        f"and {file} is of {counted(other.size, 'commit')} of {other.origin}: have it made again, "
        f"with storno audit prove ... --checkpoint {file}"
    )


def proof_document(found: Checked) -> Document:
    """A proof that holds, as ``check-proof`` gives it."""
    under, stamp = found.checkpoint, found.stamp
    return {
        "proved": True,
        "events": [_event(event) for event in found.proof.events],
        "checkpoint": {
            "origin": under.origin,
            "size": under.size,
            "root": under.root.hex(),
            "signatures": [f"{each.name}+{each.key_id.hex()}" for each in under.signatures],
            "signed_by": None if found.key is None else _name(found.key),
            "compared_with": None if found.compared is None else str(found.compared),
        },
        "timestamp": None if stamp is None else stamp_document(stamp),
        "problems": [],
    }


def stamp_document(stamp: Timestamp) -> Document:
    """A time stamp that holds."""
    return {"time": _time(stamp), "authority": stamp.authority, "serial": stamp.serial}


def stamp_text(stamp: Timestamp) -> str:
    """When, and by whom."""
    return f"{clock_text(_time(stamp))} by {stamp.authority}"


def _time(stamp: Timestamp) -> str | None:
    return moment(round(stamp.time.timestamp() * 1_000_000))


def write_checked(found: Checked) -> None:
    """What is proved, then what it rests on; on stderr what would make it worth more."""
    under = found.checkpoint
    number = len(found.proof.events)
    stand = "1 event stands" if number == 1 else f"{count(number)} events stand"
    write_line(f"Proved: {stand} in the log of {under.origin}.", style="bold green")
    write_line()
    for event in map(_event, found.proof.events):
        _write_event(event)
    write_line()
    facts = {"checkpoint": f"{counted(under.size, 'commit')}, root {base64_text(under.root)}"}
    if found.key is not None:
        facts["signed by"] = _name(found.key)
    if found.compared is not None:
        facts["the same as"] = str(found.compared)
    if found.stamp is not None:
        facts["seen"] = stamp_text(found.stamp)
    write_fields(facts)
    if found.key is None and found.compared is None and found.stamp is None:
        say(_rests_on(under))


def _rests_on(under: Checkpoint) -> str:
    """What nobody has checked yet, and how it can be."""
    if not under.signatures:
        return (
            "The checkpoint is not signed: whoever made this file could have made it up. Compare "
            "it with one that you were given before: --checkpoint FILE"
        )
    names = ", ".join(f"{each.name}+{each.key_id.hex()}" for each in under.signatures)
    return f"Whether {names} signed the checkpoint was not checked: --key PUBLIC"


def _name(key: PublicKey) -> str:
    return f"{key.name}+{key.key_id.hex()}"


def _event(proved: ProvedEvent) -> Document:
    """As ``audit trail`` has it; as it is stored, where this version does not know its topic."""
    commit = proved.commit
    place = (proved.position, commit.number, commit.recorded_at, proved.stream, proved.version)
    try:
        return event_document(RecordedEvent(*place, decode(proved.topic, proved.state)))
    except StoreError:
        return {
            "position": proved.position,
            "commit": commit.number,
            "recorded": moment(commit.recorded_at),
            "stream": proved.stream,
            "version": proved.version,
            "event": proved.topic,
            "data": proved.state.decode(errors="replace"),
        }


def _write_event(event: Document) -> None:
    write_line(f"{event['stream']}, version {event['version']}", style="bold")
    data = event["data"]
    if isinstance(data, dict) and event["stream"].startswith("record/"):
        actor = data.get("actor")
        write_trail([event | {"actor": None if actor is None else actor["name"]}])
        return
    write_line(f"{clock_text(event['recorded'])}  {event['event']}", style="bold")
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    write_fields({"  commit": str(event["commit"]), "  content": text})
